"""Files of a container that differ from its image: only these can a repair inside it have changed."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

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
        seen = docker_engine.inspect(container)
        changes = _changes(container, seen)
    except docker.errors.APIError:
        return {}
    found: dict[str, Entry] = {}
    layer = _own_layer(seen) if changes else None
    for path, is_deleted in changes.items():
        if not is_counted(path, roots):
            continue
        entry = (0, 0, 0, "deleted") if is_deleted else _entry(container, path, layer)
        if entry is not None:
            found[path] = entry
    return found


def _changes(container: str, seen: Mapping[str, Any]) -> dict[str, bool]:
    """Return the paths that differ from the image, each with whether it was deleted. To answer that, the engine reads
    all files of the image, for seconds: where this machine may mount the image, only the container's own are read."""
    data = seen.get("GraphDriver", {}).get("Data") or {}
    if data.get("UpperDir") and data.get("LowerDir") and os.access(data["UpperDir"], os.R_OK):
        with _mounted_image(data["LowerDir"]) as image:
            if image is not None:
                return dict(layer_changes(Path(data["UpperDir"]), image))
    return {str(change["Path"]): change["Kind"] == DELETED
            for change in docker_engine.engine().api.diff(container) or ()}


@contextmanager
def _mounted_image(layers: str) -> Iterator[Path | None]:
    """Mount the layers of an image, to be read only; yield None if this machine cannot."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={layers}", folder]
        old_call = {**os.environ, "LIBMOUNT_FORCE_MOUNT2": "always"}     # the new one takes 255 bytes of layers
        is_mounted = subprocess.run(command, env=old_call, capture_output=True, check=False).returncode == 0
        try:
            yield Path(folder) if is_mounted else None
        finally:
            if is_mounted:
                subprocess.run(["umount", folder], capture_output=True, check=True)


def layer_changes(layer: Path, image: Path) -> Iterator[tuple[str, bool]]:
    """Yield (path, deleted) of what the layer of a container holds that differs from the image, as the engine compares
    them: by kind, mode, owner and device, a file also by size and time; a folder with changes differs, too."""
    changed: set[Path] = set()
    for folder, folders, files in os.walk(layer, topdown=False):
        for own in (Path(folder, name) for name in sorted((*folders, *files))):
            inside = own.relative_to(layer)
            now, before = _stat_of(own), _stat_of(image / inside)
            if now is None:
                continue        # a program of the container has removed it meanwhile
            is_folder = stat.S_ISDIR(now.st_mode)
            hidden = list(_hidden_names(own, image / inside)) if is_folder and before is not None else []
            yield from ((f"/{inside}/{name}", True) for name in hidden)
            is_whiteout = stat.S_ISCHR(now.st_mode) and now.st_rdev == 0
            if (before is not None) if is_whiteout else (
                    hidden or own in changed or before is None or _identity(now) != _identity(before)):
                changed.add(own.parent)
                yield f"/{inside}", is_whiteout


def _stat_of(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _hidden_names(own: Path, under: Path) -> Iterator[str]:
    """Yield what the image has in a folder that was deleted and made again."""
    try:
        is_opaque = "trusted.overlay.opaque" in os.listxattr(own)
    except FileNotFoundError:
        return
    if is_opaque and under.is_dir():
        yield from (one.name for one in sorted(under.iterdir()) if not os.path.lexists(own / one.name))


def _identity(seen: os.stat_result) -> tuple[float, ...]:
    same = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_rdev)
    return same if stat.S_ISDIR(seen.st_mode) else (*same, seen.st_size, seen.st_mtime_ns)


def is_counted(path: str, roots: Sequence[str]) -> bool:
    """Return whether a manifest lists a path: below a root, and nothing that Docker or Python writes by itself."""
    return path not in IGNORED_PATHS and IGNORED_NAMES.isdisjoint(PurePosixPath(path).parts) \
        and any(path.startswith(f"{root}/") for root in roots)


def _own_layer(seen: Mapping[str, Any]) -> Path | None:
    """Return the folder of this machine with what differs from the image, of a container that was never started. To
    read an archive of one, the engine makes the places of its mounts: the next manifest would hold them as new."""
    state, data = seen.get("State", {}), seen.get("GraphDriver", {}).get("Data") or {}
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
