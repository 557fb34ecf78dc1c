"""Files of a container that differ from its image: only these can a repair inside it have changed."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lab.lazy_module import lazy_module
from lab.stack import docker_engine
from lab.trial.manifest import Manifest
from lab.trial.walk import IGNORED_NAMES, IGNORED_PATHS, Entry, read_entry

if TYPE_CHECKING:
    import docker
else:
    docker = lazy_module("docker")

DELETED = 2     # Docker's number for it
_TYPES = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK}


def changed_files(container: str, roots: Sequence[str]) -> Manifest:
    """Return the changed files below the roots with mode, owner and digest; a deleted one has the digest `deleted`.
    The container need not run; one that is gone has none. A mounted file counts as the container sees it."""
    try:
        changes = docker_engine.engine().api.diff(container) or ()
    except docker.errors.APIError:
        return {}
    found: dict[str, Entry] = {}
    layer = _own_layer(container) if changes else None
    for change in changes:
        path = str(change["Path"])
        if not is_counted(path, roots):
            continue
        entry = (0, 0, 0, "deleted") if change["Kind"] == DELETED else _entry(container, path, layer)
        if entry is not None:
            found[path] = entry
    return found


def is_counted(path: str, roots: Sequence[str]) -> bool:
    """Return whether a manifest lists a path: below a root, and nothing that Docker or Python writes by itself."""
    return path not in IGNORED_PATHS and IGNORED_NAMES.isdisjoint(PurePosixPath(path).parts) \
        and any(path.startswith(f"{root}/") for root in roots)


def _own_layer(container: str) -> Path | None:
    """Return the folder of this machine with what differs from the image, of a container that was never started. To
    read an archive of one, the engine makes the places of its mounts: the next manifest would hold them as new."""
    found = docker_engine.inspect(container)
    state, data = found.get("State", {}), found.get("GraphDriver", {}).get("Data") or {}
    is_new = state.get("Status") == "created" and str(state.get("StartedAt", "")).startswith("0001-")
    return Path(data["UpperDir"]) if is_new and data.get("UpperDir") else None


def _entry(container: str, path: str, layer: Path | None) -> Entry | None:
    if layer is not None:
        own = layer / path.lstrip("/")
        return read_entry(own) if os.path.lexists(own) else None
    try:
        chunks, _ = docker_engine.engine().api.get_archive(container, path)
        return first_entry(b"".join(chunks))
    except docker.errors.APIError:
        return None     # it went meanwhile


def first_entry(archive: bytes) -> Entry:
    """Return the entry of the first member of a tar."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.getmembers()[0]
        taken = tar.extractfile(member) if member.isfile() else None
        content = hashlib.sha256(taken.read()).hexdigest() if taken is not None else member.linkname
    return member.mode | _TYPES.get(member.type, stat.S_IFREG), member.uid, member.gid, content
