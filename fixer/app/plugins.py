"""Causes that other packages add (entry-point group `badgateway.causes`); where there are none, it costs a look."""

from __future__ import annotations

import os
import sys
from functools import cache

from fixer import causes
from fixer.analysis.cause import by_id
from fixer.causes import Cause

GROUP = "badgateway.causes"


def our_causes() -> tuple[Cause, ...]:
    """The causes of this package: its folder is listed here, where there is one on disk (pkgutil imports inspect)."""
    (folder,) = causes.__path__
    try:
        files = os.listdir(folder)      # noqa: PTH208  pathlib's import costs more than all of this
    except OSError:
        return causes.load_causes()     # inside a zip file
    modules = sorted(name.removesuffix(".py") for name in files if not name.startswith("__"))
    return causes.causes_in(tuple(modules))


@cache
def all_causes() -> tuple[Cause, ...]:
    """Ours and everybody's; a name of ours is never replaced."""
    ours = our_causes()
    if not any(_is_named_in(folder) for folder in dict.fromkeys(sys.path)):
        return ours
    # its import alone costs more than a diagnosis should: only where a package names the group
    from importlib.metadata import entry_points

    theirs = (point.load() for point in entry_points(group=GROUP))
    return by_id((*ours, *(cause for cause in theirs if isinstance(cause, Cause))))


def _is_named_in(folder: str) -> bool:
    """Whether the metadata of a package in this folder of sys.path names the group."""
    try:
        with os.scandir(folder or ".") as entries:
            packages = [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return False       # a zip file, or a folder that is not there
    return any(_names_group(f"{path}/entry_points.txt") for path in packages)


def _names_group(path: str) -> bool:
    try:
        with open(path, "rb") as file:   # noqa: PTH123  a plain open: importing pathlib costs as much as all of this
            return f"[{GROUP}]".encode() in file.read(1 << 16)
    except OSError:
        return False
