"""The compiled form of fixer's patterns for one version of Python, as fixer.lazy.regex takes it. Runs on that Python.

`compiled_patterns.py SOURCES TARGET` imports the modules of SOURCES/fixer, notes what each gives to `regex`, and writes
marshal of (what identifies the engine, {(pattern, flags): compiled}). A module that this Python cannot import (typer is
not there) gives none: a pattern that is missing is compiled where it is used."""

from __future__ import annotations

import _sre
import array
import importlib
import marshal
import re
import sys
from pathlib import Path
from typing import Any

LEFT_OUT = ("fixer.agent.mcp_server", "fixer.__main__")     # one needs its SDK, the other is the program


def compiled(sources: Path) -> tuple[tuple[int, int, str], dict[tuple[Any, int], tuple[Any, ...]]]:
    """Return what identifies this engine, and the compiled form of each pattern."""
    sys.path.insert(0, str(sources))
    lazy: Any = importlib.import_module("fixer.lazy.regex")
    made: list[Any] = []

    class Noted(lazy.regex):  # type: ignore[misc]
        def __new__(cls, *_: Any) -> Any:      # a class made of it may take other words
            made.append(super().__new__(cls))
            return made[-1]

    lazy.regex = Noted
    for path in sorted((sources / "fixer").rglob("*.py")):
        parts = path.relative_to(sources).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not name.startswith(LEFT_OUT):
            try:
                importlib.import_module(name)
            except ImportError as error:
                if error.name and error.name.startswith("fixer"):
                    raise
    named = {(pattern, int(flags)) for pattern, flags in (one._written for one in made)}
    identity = (_sre.MAGIC, _sre.CODESIZE, sys.byteorder)
    if array.array("I").itemsize != _sre.CODESIZE:
        return identity, {}
    return identity, {key: _words_of(*key) for key in sorted(named, key=repr)}


def _words_of(pattern: str | bytes, flags: int) -> tuple[Any, ...]:
    """Return what `re` gives to its engine for a pattern."""
    compiler: Any = re._compiler  # type: ignore[attr-defined]

    class Engine:
        words: tuple[Any, ...] = ()

        def __getattr__(self, name: str) -> Any:
            return getattr(_sre, name)

        def compile(self, *words: Any) -> Any:
            self.words = words
            return _sre.compile(*words)

    kept, compiler._sre = compiler._sre, (engine := Engine())
    try:
        compiler.compile(pattern, flags)
    finally:
        compiler._sre = kept
    _, final, code, groups, index, names = engine.words
    return int(final), array.array("I", code).tobytes(), groups, dict(index), tuple(names)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    found = compiled(Path(sys.argv[1]))
    data = marshal.dumps(found)
    Path(sys.argv[2]).write_bytes(data)
    print(len(found[1]), "patterns,", len(data) // 1024, "KiB", file=sys.stderr)
