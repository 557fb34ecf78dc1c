"""A module that a program could not find: what its last line calls it, and the files that it would be. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.lazy.regex import regex

_UNFOUND = regex(r"Could not import module \"(?P<asgi>[\w.]+)\"|No module named '(?P<name>[\w.]+)'"
                 r"|Cannot load application from '(?P<target>[\w.]+):")

_LOOKED_INTO = ("--app-dir", "--chdir", "--pythonpath")      # of uvicorn, of gunicorn


def unfound(text: str) -> str:
    """The dotted name of the module that a line says was not found, empty where it says no such thing."""
    match = _UNFOUND.search(text)
    return next((name for name in match.groups() if name), "") if match is not None else ""


def folders_to(directory: str, module: str) -> tuple[str, ...]:
    """The folders that are looked into for a module, from the one that the program starts in."""
    parts = module.split(".")[:-1]
    return tuple(posixpath.join(directory, *parts[:n]) for n in range(len(parts) + 1))


def files_of(directory: str, module: str) -> tuple[str, ...]:
    """What the module would be: a file, or a folder with its own."""
    place = posixpath.join(directory, *module.split("."))
    return f"{place}.py", f"{place}/__init__.py"


def module_folders(argv: Sequence[str], start: str) -> tuple[str, ...]:
    """The folders that a server looks into for its application: those that its command names, then where it starts."""
    told = (folder for value in _values(argv) for folder in value.split(",") if folder)
    named = (posixpath.normpath(posixpath.join(start, folder)) for folder in told)
    return tuple(dict.fromkeys(folder for folder in (*named, start) if folder.startswith("/")))


def _values(argv: Sequence[str]) -> Iterator[str]:
    for word, following in zip(argv, (*argv[1:], ""), strict=True):
        name, equals, value = word.partition("=")
        if name in _LOOKED_INTO:
            yield value if equals else following
