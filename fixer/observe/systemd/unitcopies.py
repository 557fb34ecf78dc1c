"""Copies beside the files of a unit that systemd could not start, the package's own among them, and what they name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.formats.backup_names import patterns_beside
from fixer.formats.exec_status import ended_before
from fixer.formats.start_files import ACCOUNTS
from fixer.formats.unit_file import OWN, PACKAGES, folder_of, is_copy_of_unit, program_of, sandbox_of, unit_lines
from fixer.model.query import Query, ReadFile, ReadGlob
from fixer.model.snapshot import Unit
from fixer.observe.view.node_view import LOOK, View, is_readable

LIMIT = 64 << 10
MOST = 40             # names beside one file
MOST_COPIES = 6       # that are read


def copy_queries(unit: Unit, view: View) -> Iterator[Query]:
    """First what lies there, by name; then each copy whole; then whether what it names is there."""
    if not ended_before(unit):
        return
    for path in _own_files(unit):
        yield ReadGlob(patterns_beside(path), 0, MOST)
        if posixpath.dirname(path) == OWN:
            yield from (ReadFile(f"{folder}/{posixpath.basename(path)}", LIMIT) for folder in PACKAGES)
    copies = unit_copies(unit, view)
    if copies:
        yield from (ReadFile(path, LIMIT) for path in (*copies, *ACCOUNTS))
    for path in copies:
        lines = unit_lines(path, view.data(path) or b"")
        named = ((program_of(lines), LOOK), (folder_of(lines), 0), *((p, 0) for p in sandbox_of(lines)[:MOST_COPIES]))
        yield from (ReadFile(place, limit) for place, limit in named if place.startswith("/") and "%" not in place)


def unit_copies(unit: Unit, view: View) -> tuple[str, ...]:
    """Regular files that are called like a copy of one of the unit's own; the newest first."""
    if not ended_before(unit):
        return ()
    own = _own_files(unit)
    found = {path: file.stat for path, file in view.files.items()
             if file.stat is not None and file.stat.kind == "file" and (file.stat.real_path or path) == path
             and path not in own and any(is_copy_of_unit(path, of) for of in own)}
    return tuple(sorted(found, key=lambda path: (-found[path].mtime, path)))[:MOST_COPIES]


def copies_read(unit: Unit, view: View) -> Iterator[str]:
    """Those of them that were read whole."""
    for path in unit_copies(unit, view):
        if is_readable(view.files[path]) and not view.files[path].truncated:
            yield path


def _own_files(unit: Unit) -> tuple[str, ...]:
    """What the administrator wrote: what a package brings is put back by the package."""
    return tuple(p for p in (unit.fragment_path, *unit.drop_in_paths) if p.startswith("/etc/") and patterns_beside(p))
