"""`regex`: a `re.compile` that compiles at first use, since most runs use few patterns. No pattern may cost more than
its text is long: others write most of the texts.

fixer.pyz and the wheel hold the compiled form of the patterns for each Python version that they were built with: to
compile the two hundred of one look takes longer than to import half of its modules."""

from __future__ import annotations

import _sre  # type: ignore[import-not-found]
import marshal
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

# (flags, code, groups, index of each named group, name of each group), as `_sre.compile` takes them
Compiled: TypeAlias = tuple[int, bytes, int, dict[str, int], tuple[str | None, ...]]
ready: dict[tuple[str | bytes, int], Compiled] = {}  # by pattern and flags; whoever loads this module may fill it


def take_ready(patterns: Mapping[tuple[str | bytes, int], Compiled]) -> None:
    """Use these compiled patterns, which were made by this version of Python."""
    ready.update(patterns)


def take_ready_beside(module: str) -> None:
    """Use the compiled patterns in the file beside a module, if there is one that this engine can run. Like bytecode,
    it comes with the package and is as much its code. A torn file costs time only."""
    name = f"patterns-{sys.implementation.cache_tag.replace('cpython-', 'cp')}.bin"
    try:
        with open(f"{module.rpartition('/')[0]}/{name}", "rb") as file:  # noqa: PTH123  pathlib is slow to import
            engine, patterns = marshal.loads(file.read())  # noqa: S302  ours, as the bytecode is
    except (OSError, EOFError, TypeError, ValueError):
        return
    if engine == (_sre.MAGIC, _sre.CODESIZE, sys.byteorder):
        take_ready(patterns)


def _compile(pattern: str | bytes, flags: int) -> Any:
    found = ready.get((pattern, int(flags)))
    if found is None:
        return re.compile(pattern, flags)
    final, code, groups, index, names = found
    words = memoryview(code).cast("I").tolist()
    return re._compiler._sre.compile(pattern, final, words, groups, index, names)  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from re import compile as regex
else:

    class regex:  # noqa: N801  used like a function
        """Proxy of the compiled pattern: each of its methods is looked up once."""

        def __init__(self, pattern: str | bytes, flags: int = 0) -> None:
            self._written = (pattern, flags)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            compiled = self.__dict__.get("_compiled") or _compile(*self._written)
            found = getattr(compiled, name)
            self.__dict__.update({"_compiled": compiled, name: found})
            return found


def up_to_first(head: str) -> str:
    """Return a pattern of a line up to its first `head`, for `search`.

    A pattern `HEAD.*TAIL` reads the rest of the line again at every HEAD if no TAIL follows. With this in place of
    HEAD, it reads the line once. The match begins where the line begins.
    """
    return f"(?m:^)(?>.*?{head})"


take_ready_beside(__file__)

__all__ = ["regex", "up_to_first"]
