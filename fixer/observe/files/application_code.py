"""The application's own source files that a service's log names, and where an older state of them may lie."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.formats.backup_names import LIKELY_ENDS
from fixer.formats.venvs import module_places
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.query import Query, ReadFile, ReadGlob
from fixer.model.service import Service
from fixer.observe.view.docker_inspect import host_path
from fixer.observe.view.node_view import ENGINE

LAST_LINES = 80          # of a log: a traceback at its end is what counts
MOST_SOURCES = 3
LIMIT = 128 << 10
ENTRIES = ("main", "app", "asgi", "wsgi", "server", "application", "api", "__init__")

_PLACE = regex(r"(?:^\s*File \"|^|\()(?P<file>/[^\":()]+\.(?:py|js|mjs|cjs|ts))(?:\", line |:)\d+")
_LIBRARY = regex(r"/(?:site|dist)-packages/|^/usr/(?:local/)?lib/python|/lib/python\d|/node_modules/")
_OF_CODE = regex(
    r"^\S*(?:Error loading ASGI app|(?:SyntaxError|IndentationError|TabError|ModuleNotFoundError|ImportError|NameError|"
    r"UnboundLocalError|AttributeError|TypeError|IndexError|ZeroDivisionError|RecursionError)(?::|$))"
    r"|^Error(?: \[\w+\])?: Cannot find (?:module|package) "
)
_NO_MODULE = regex(r"ModuleNotFoundError: No module named '(?P<name>\w+)'")
_NO_TARGET = regex(r"Error loading ASGI app|Failed to find attribute|Cannot load application from|No module named|"
                   r"AttributeError: module '[\w.]+' has no attribute|\(callable not found or import error\)")


def named_sources(service: Service) -> tuple[str, ...]:
    """Files of the application that the end of its log names, the last one first, as the service sees them."""
    found: dict[str, None] = {}
    lines = service.log.value[-LAST_LINES:] if isinstance(service.log, Known) else ()
    if not any(_OF_CODE.search(line.text) for line in lines):
        return ()
    for line in reversed(lines):
        match = _PLACE.search(line.text)
        if match is not None and not _LIBRARY.search(match["file"]):
            found.setdefault(posixpath.normpath(match["file"]))
    return tuple(found)[:MOST_SOURCES]


def on_disk(service: Service, path: str) -> tuple[str, str] | None:
    """(node, path) under which a file of the service lasts: on its machine, or behind a container's mount."""
    box = service.container
    if box is None:
        return service.node, path
    mount = host_path(box, path)
    return None if mount is None else (ENGINE, mount[0])


def source_paths(service: Service) -> Iterator[tuple[str, str]]:
    """(node, path) of every such file and of what may be an older state of it; and where the environment may keep a
    module that was not found for another Python."""
    yield from ((service.node, path) for path in _of_other_pythons(service))
    for path in named_sources(service):
        place = on_disk(service, path)
        if place is not None:
            yield place
            yield from ((place[0], place[1] + end) for end in LIKELY_ENDS)


def source_queries(services: Sequence[Service]) -> Iterator[tuple[str, Query]]:
    """What to read of an application that ended with an error of its own."""
    for service in services:
        if not service.is_app_server:
            continue
        for node, path in source_paths(service):
            yield node, ReadFile(path, LIMIT)
        if names_no_target(service):
            for node, folder in folders_on_disk(service):
                yield node, entries_query(folder)


def _of_other_pythons(service: Service) -> tuple[str, ...]:
    log = service.log.value[-LAST_LINES:] if isinstance(service.log, Known) and service.container is None else ()
    match = next((m for line in reversed(log) if (m := _NO_MODULE.search(line.text)) is not None), None)
    return () if match is None else module_places(service.argv, match["name"])


def names_no_target(service: Service) -> bool:
    """Its log says that what its command is to serve is not there."""
    log = service.log.value[-LAST_LINES:] if isinstance(service.log, Known) else ()
    return any(_NO_TARGET.search(line.text) for line in log)


def entries_query(folder: str) -> ReadGlob:
    """Where a folder keeps what a server can be pointed at, in it and one level below."""
    plain = "".join(f"\\{c}" if c in "*?[\\" else c for c in folder.rstrip("/"))
    return ReadGlob((*(f"{plain}/{name}.py" for name in ENTRIES), *(f"{plain}/*/{name}.py" for name in ENTRIES)),
                    LIMIT, 40)


def folders_on_disk(service: Service) -> Iterator[tuple[str, str]]:
    """(node, folder) of what it finds its modules in: where it starts, and for a container what is mounted there."""
    box = service.container
    if box is None:
        folder = service.unit.working_directory if service.unit is not None else ""
        if folder.startswith("/") and folder != "/":
            yield service.node, folder
        return
    for source, destination, _ in box.mounts:
        if _is_within(destination, box.working_dir) or _is_within(box.working_dir, destination):
            yield ENGINE, source


def _is_within(path: str, folder: str) -> bool:
    return folder not in ("", "/") and (path == folder or path.startswith(folder.rstrip("/") + "/"))
