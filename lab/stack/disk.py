"""Writing of rendered files: to the lab's folder, or to the disk of its machine."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from lab.scenario.render import File, Link
from lab.stack import lab_files
from lab.stack.docker_engine import execute, put_tar


def tar_of(entries: Iterable[File | Link], moment: float) -> bytes:
    """Return a tar with numeric owners, for a machine's disk."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for entry in entries:
            info = tarfile.TarInfo(entry.path.lstrip("/"))
            info.mtime = int(moment)
            if isinstance(entry, Link):
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
                tar.addfile(info)
                continue
            info.size, info.mode, (info.uid, info.gid) = len(entry.data), entry.mode, entry.owner
            tar.addfile(info, io.BytesIO(entry.data))
    return out.getvalue()


def fill_machine(container: str, entries: Iterable[File | Link], moment: float) -> None:
    """Write files to the disk of a machine that has not started yet, with the tar's owners and modes."""
    put_tar(container, tar_of(entries, moment))


def write_machine(container: str, entries: Iterable[File | Link]) -> None:
    """Write files in a running machine, with the present time."""
    execute(container, ["tar", "-xpmf", "-", "-C", "/"], stdin=tar_of(entries, 0.0))


def write_folder(folder: Path, entries: Iterable[File | Link], *, rename: bool = False) -> None:
    """Write files in the lab's folder, in place: a mounted file stays the same inode.
    With `rename` a new inode replaces the file, as with `sed -i` and most editors."""
    for entry in entries:
        if isinstance(entry, Link):
            lab_files.link(folder, entry.path, entry.target, replace=True)
        else:
            lab_files.write_bytes(folder, entry.path, entry.data, entry.mode, rename=rename)
