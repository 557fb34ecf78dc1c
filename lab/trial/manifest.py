"""Manifests of files with bytes, mode and owner: the difference of two shows what a repair or undo changed."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lab.stack.docker_engine import execute, read_folder
from lab.trial import walk

Manifest = Mapping[str, walk.Entry]
ROOTS = ("/etc", "/srv", "/opt", "/home", "/var/www", "/usr/local", "/usr/lib/systemd/system", "/var/spool")


def container_manifest(container: str, roots: Iterable[str]) -> Manifest:
    """Return the files under the roots of a container, running or not."""
    return {path: entry for root in roots if (data := read_folder(container, root)) is not None
            for path, entry in _entries_of_tar(data, posixpath.dirname(root))}


def _entries_of_tar(data: bytes, parent: str) -> Iterator[tuple[str, walk.Entry]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            path = posixpath.join(parent, member.name)
            if path in walk.IGNORED_PATHS or not walk.IGNORED_NAMES.isdisjoint(path.split("/")):
                continue
            file = tar.extractfile(member) if member.isfile() else None
            content = hashlib.sha256(file.read()).hexdigest() if file is not None else member.linkname
            yield path, (member.mode, member.uid, member.gid, content)


def machine_manifest(container: str, roots: Iterable[str]) -> Manifest:
    """Return the files under the roots inside a running container that has Python."""
    program = Path(walk.__file__).read_bytes()
    ran = execute(container, ["python3", "-", *roots], stdin=program)
    return {path: (mode, uid, gid, content) for path, (mode, uid, gid, content) in json.loads(ran.out).items()}


def folder_manifest(root: Path) -> Manifest:
    """Return the files under a folder of this machine."""
    return walk.walk_roots([str(root)])


def differences(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """Return the differences, one line per path."""
    lines = [f"{path}: removed" for path in before.keys() - after.keys()]
    lines += [f"{path}: new" for path in after.keys() - before.keys()]
    for path in before.keys() & after.keys():
        (mode, uid, gid, content), (new_mode, new_uid, new_gid, new_content) = before[path], after[path]
        if content != new_content:
            lines.append(f"{path}: other content")
        if mode != new_mode:
            lines.append(f"{path}: mode {mode:o}, now {new_mode:o}")
        if (uid, gid) != (new_uid, new_gid):
            lines.append(f"{path}: owner {uid}:{gid}, now {new_uid}:{new_gid}")
    return tuple(sorted(lines))
