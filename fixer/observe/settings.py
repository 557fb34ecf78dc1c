"""Configuration files of servers that are Python themselves: gunicorn's `bind` and `workers`."""

from __future__ import annotations

import posixpath
import re

from fixer.model.facts import Evidence, Known
from fixer.model.regex import regex
from fixer.model.snapshot import Binding
from fixer.observe.bindings import option, parse_address
from fixer.observe.runtimes import runtime_of
from fixer.observe.told import Told
from fixer.observe.view import View
from fixer.observe.words import Piece, Word

_BIND = regex(rb"^\s*bind\s*=\s*\[?\s*[\"']([^\"'\n]+)[\"']", re.MULTILINE)
_WORKERS = regex(rb"^\s*workers\s*=\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)


def settings_path(told: Told) -> str | None:
    """The configuration file that the command reads, None for a server that has none."""
    if runtime_of(told.argv) != "gunicorn":
        return None
    named = option(told.command, ("-c", "--config"))
    name = named.text.removeprefix("file:") if named is not None else "gunicorn.conf.py"
    return posixpath.normpath(posixpath.join(told.directory or "/", name))


def bindings_in_settings(told: Told, view: View) -> tuple[Binding, ...]:
    """`bind = "…"` of gunicorn's file, where the command line does not say it (that wins)."""
    path = settings_path(told)
    data = view.data(path) if path else None
    if path is None or data is None or option(told.command, ("-b", "--bind")) is not None:
        return ()
    match = _BIND.search(data)
    if match is None:
        return ()
    word, said = _setting(path, data, match)
    binding = parse_address(word, said)
    return (binding,) if binding is not None else ()


def workers_in_settings(told: Told, view: View) -> Known[int] | None:
    """`workers = N` of gunicorn's file, where the command line does not say it."""
    path = settings_path(told)
    data = view.data(path) if path else None
    match = _WORKERS.search(data) if data is not None else None
    if path is None or data is None or match is None or option(told.command, ("-w", "--workers")) is not None:
        return None
    word, said = _setting(path, data, match)
    return Known(max(int(word.text), 1), (said,))


def _setting(path: str, data: bytes, match: re.Match[bytes]) -> tuple[Word, Evidence]:
    line = data.count(b"\n", 0, match.start(1)) + 1
    word = Word((Piece(match[1].decode("latin-1"), path, line, match.start(1)),))
    return word, Evidence("file", f"{path}:{line}", match[0].decode("utf-8", "replace").strip())
