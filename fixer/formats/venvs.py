"""A virtual environment that was made for another Python: what it holds, the one that runs now does not see. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

_VERSIONS = range(6, 16)        # of Python 3
_OF_SYSTEM = frozenset({"/", "/usr", "/usr/local"})


def environment_of(argv: Sequence[str]) -> str:
    """The folder of the environment that a command's program lies in, empty where it is the system's or none."""
    folder, _, _ = argv[0].rpartition("/") if argv else ("", "", "")
    root, name = posixpath.split(folder)
    return root if name == "bin" and root.startswith("/") and root not in _OF_SYSTEM else ""


def module_places(argv: Sequence[str], module: str) -> tuple[str, ...]:
    """Where an environment keeps a package or a module for each version of Python."""
    root, top = environment_of(argv), module.partition(".")[0]
    if not root or not top.isidentifier():
        return ()
    return tuple(f"{root}/lib/python3.{version}/site-packages/{top}{end}"
                 for version in _VERSIONS for end in ("/__init__.py", ".py"))
