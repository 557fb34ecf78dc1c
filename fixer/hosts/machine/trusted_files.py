"""Programs that root may run: nobody but root (or this user) can replace them, nor plant one earlier in PATH."""

from __future__ import annotations

import os
import stat

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # which a user's PATH lacks
_known_paths: dict[tuple[int, str], str] = {}


def is_trusted(path: str) -> bool:
    """Return whether only root or this user could have written the file or folder, and all folders above it."""
    place, own = os.path.realpath(path), (0, os.geteuid())
    while True:
        try:
            info = os.stat(place)
        except OSError:
            return not os.path.lexists(path)  # a missing program cannot run; the command reports it
        sticky = stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX
        if info.st_uid not in own or (info.st_mode & 0o022 and not sticky):
            return False
        if place == "/":
            return True
        place = os.path.dirname(place)


def search_path(named: str) -> str:
    """Return the PATH for tools: the folders of `named` in their order, then the system's own for root's tools.
    Root's has no folder that others can change, nor one relative to the current folder: a shim there would run as
    root. Links are resolved, so that nobody can redirect one later."""
    key = (os.geteuid(), named)
    if key not in _known_paths:
        folders = [*named.split(":"), *_SYSTEM_FOLDERS]
        if key[0] == 0:
            folders = [os.path.realpath(folder) for folder in folders if _may_search(folder)]
        _known_paths[key] = ":".join(dict.fromkeys(folders))
    return _known_paths[key]


def _may_search(folder: str) -> bool:
    """Return whether root may run what lies in this folder. Files of a sticky folder (/tmp) are anybody's."""
    if not folder.startswith("/"):
        return False
    try:
        mode = os.stat(folder).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and not mode & 0o002 and is_trusted(folder)
