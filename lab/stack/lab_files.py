"""Files of a lab's folder: every path is entered folder by folder, and no link on the way is followed.

A scenario, and the containers that mount the folder, may make links in it. A write of the lab, which may be root on the
Docker host, must not follow one out of the folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import ScenarioError
from lab.scenario.step_limits import link_problem, path_problem

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def _open_parent(root: Path, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
    """Yield a descriptor of the path's folder and the name in it; raise ScenarioError if the path leaves `root`."""
    if path.startswith("/") or (problem := path_problem(path)):
        raise ScenarioError(f"{path}: {'is absolute' if path.startswith('/') else problem}; the lab writes only there")
    *folders, name = [part for part in path.split("/") if part not in ("", ".")]
    if create:
        root.mkdir(parents=True, exist_ok=True)
    fd = os.open(root, _FOLDER_FLAGS & ~os.O_NOFOLLOW)
    try:
        for part in folders:
            if create and not _exists(fd, part):
                os.mkdir(part, 0o755, dir_fd=fd)
            inner = os.open(part, _FOLDER_FLAGS, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd, name
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise ScenarioError(f"{path}: a link leads elsewhere; the lab follows none in its folder") from error
        raise
    finally:
        os.close(fd)


def _exists(folder: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def read_bytes(root: Path, path: str) -> bytes:
    """Return a file of the folder."""
    with _open_parent(root, path) as (folder, name), os.fdopen(
            os.open(name, os.O_RDONLY | _FILE_FLAGS, dir_fd=folder), "rb") as file:
        return file.read()


def write_bytes(root: Path, path: str, data: bytes, mode: int | None = None, *, rename: bool = False) -> None:
    """Write a file in place, so that a mounted file stays the same inode; with `rename` as a new inode.
    `mode` None keeps the mode; a new file gets 0644."""
    with _open_parent(root, path, create=True) as (folder, name):
        place = f".{name}.new" if rename else name
        fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FILE_FLAGS, 0o644, dir_fd=folder)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        if rename:
            os.rename(place, name, src_dir_fd=folder, dst_dir_fd=folder)


def remove(root: Path, path: str) -> None:
    """Remove a file or link of the folder, if it exists."""
    try:
        with _open_parent(root, path) as (folder, name):
            os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def link(root: Path, path: str, target: str, *, replace: bool = False) -> None:
    """Make a symbolic link to a path of the same folder."""
    if problem := link_problem(path, target):
        raise ScenarioError(f"{path}: {target!r} {problem}")
    with _open_parent(root, path, create=True) as (folder, name):
        if replace and _exists(folder, name):
            os.unlink(name, dir_fd=folder)
        os.symlink(target, name, dir_fd=folder)
