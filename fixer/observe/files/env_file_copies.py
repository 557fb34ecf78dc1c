"""Backup copies of a service's environment files: the variable names in each, never the values."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from fixer.formats.backup_names import backup_patterns, is_backup_name
from fixer.formats.run_output import last_own_lines
from fixer.formats.shell_words import Word
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.query import FileAnswer, Query, ReadFile, ReadGlob
from fixer.model.service import EnvCopy, Service
from fixer.observe.view.node_view import View, is_readable

with lazy_imports():  # not needed in most looks
    from fixer.formats.env_file import read_env_file, read_unit_env_file

ENV_FILE_LIMIT = 64 << 10
MOST_NAMES = 40             # names in the folder of one file
MOST_COPIES = 4       # copies of one file that are read

_LAST_LINES = 120      # of a log: its end counts

_MISSING_VARIABLE = regex(r"KeyError: |[Vv]ariable|[Ff]ield required|\b(?:not "
                          r"(?:set|found|defined)|missing|required|unset|empty|"
               r"must be set|[Pp]lease set|[Nn]eed to set|must set)\b|[Mm]issing ")
_EnvReader = Callable[[str, bytes], dict[str, Word]]


def env_copy_queries(services: Sequence[Service], views: Mapping[str, View]) -> Iterator[tuple[str, Query]]:
    """Yield queries for the names of copies, then for their full content; none for a service without a failure."""
    for service in services:
        for node, path in _env_files(service):
            if node in views:
                yield node, ReadGlob(backup_patterns(path), 0, MOST_NAMES)
                copies = _copies_of_file(views[node], path)
                yield from ((node, ReadFile(name, ENV_FILE_LIMIT)) for name in (*copies, *((path,) if copies else ())))


def with_env_copies(service: Service, views: Mapping[str, View]) -> Service:
    """Return the service with the backup copies of its environment files."""
    found = tuple(copy for node, path in _env_files(service) if node in views
                  for copy in _env_copies(service, views[node], path))
    return replace(service, env_copies=found) if found else service


def env_copy_paths(service: Service) -> Iterator[tuple[str, str]]:
    """Yield (node, path) of the copies that were read, and of their originals."""
    for copy in service.env_copies:
        yield from ((copy.node, copy.path), (copy.node, copy.original_path))


def _env_files(service: Service) -> tuple[tuple[str, str], ...]:
    """Return (node, path) of the environment files of a failed service, present or not.
    Includes the `.env` in a unit's working directory, which the application itself may read."""
    if not service.is_app_server or not _has_ended(service):
        return ()
    found = [(slot.node, slot.file) for slot in service.env_slots if slot.style in ("env-file", "dotenv")]
    unit = service.unit
    if unit is not None:
        found += [(service.node, word.split(" ")[0].removeprefix("-")) for word in unit.environment_files]
        if unit.working_directory.startswith("/") and unit.working_directory != "/":
            found.append((service.node, posixpath.join(unit.working_directory, ".env")))
    return tuple(dict.fromkeys((node, path) for node, path in found if path.startswith("/") and backup_patterns(path)))


def _has_ended(service: Service) -> bool:
    """Return whether a missing variable may have ended it; the causes decide whether it did."""
    unit, box = service.unit, service.container
    if unit is not None and unit.result == "resources":
        return True
    if unit is not None:
        ended = unit.result in ("exit-code", "signal") or unit.n_restarts > 0
    else:
        ended = box is not None and (box.status not in ("running", "paused") or box.restart_count > 0)
    lines = last_own_lines(service, _LAST_LINES) if ended else ()
    return any(_MISSING_VARIABLE.search(line.text) for line in lines)


def _copies_of_file(view: View, path: str) -> tuple[str, ...]:
    """Return regular files named like a copy of it, the newest first."""
    folder, name = posixpath.split(path)
    found = [(-file.stat.mtime, other) for other, file in view.files.items()
             if posixpath.dirname(other) == folder and is_backup_name(posixpath.basename(other), name)
             and file.stat is not None and file.stat.kind == "file" and (file.stat.real_path or other) == other]
    return tuple(other for _, other in sorted(found))[:MOST_COPIES]


def _env_copies(service: Service, view: View, path: str) -> Iterator[EnvCopy]:
    unit = service.unit
    told = unit is not None and any(word.split(" ")[0].removeprefix("-") == path for word in unit.environment_files)
    read: _EnvReader = read_unit_env_file if told else read_env_file
    now = view.files.get(path)
    if now is None or (now.status != "absent" and not _is_complete(now)):
        return
    there = None if now.status == "absent" else tuple(name for name, word in read(path, now.data).items() if word.text)
    for other in _copies_of_file(view, path):
        file = view.files[other]
        held = tuple(_variable_lines(file.data, read)) if _is_complete(file) else ()
        if held:
            yield EnvCopy(view.name, other, path, held, there)


def _is_complete(file: FileAnswer) -> bool:
    return is_readable(file) and not file.truncated


def _variable_lines(data: bytes, read: _EnvReader) -> Iterator[tuple[str, int, int]]:
    """Yield (name, start, end) of lines that set a variable and still do so when parsed alone."""
    for name, word in read("", data).items():
        at = next((piece.start for piece in word.pieces if piece.start is not None), None)
        if not word.text or at is None:
            continue
        start = data.rfind(b"\n", 0, at) + 1
        last = max(piece.start + len(piece.text) for piece in word.pieces if piece.start is not None)
        end = data.find(b"\n", last)
        end = len(data) if end < 0 else end
        alone = {key: value.text for key, value in read("", data[start:end]).items()}
        named = re.match(rb"[ \t]*(?:export[ \t]+)?" + re.escape(name.encode("latin-1")) + rb"[ \t]*=", data[start:end])
        if alone == {name: word.text} and named is not None:
            yield name, start, end
