"""Source files of an application that its log names, their backup copies, recent changes and other releases."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.formats.backup_names import LIKELY_SUFFIXES
from fixer.formats.folders import is_within
from fixer.formats.run_output import last_own_lines
from fixer.formats.start_files import app_file, installed_module_paths, release_path, start_arguments, target_files
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.facts import Known
from fixer.model.query import Query, ReadFile, ReadGlob
from fixer.model.service import Service
from fixer.observe.commands.python_programs import PROGRAM_LIMIT, program_paths
from fixer.observe.view.node_view import ENGINE, MOST_CHANGED_FILES, View

with lazy_imports():  # not needed in most looks
    from fixer.formats.source_paths import (
        drop_in_folders,
        is_library_file,
        missing_module,
        module_folders,
        named_paths,
        settings_folders,
        source_folders,
    )
    from fixer.observe.view.docker_inspect import host_path

MOST_SOURCES = 3
SOURCE_LIMIT = 128 << 10
ENTRY_MODULES = ("main", "app", "asgi", "wsgi", "server", "application", "api", "__init__")

_TRACEBACK_FILE = regex(r"(?:^\s*File \"|^|\()(?P<file>/[^\":()]+\.(?:py|js|mjs|cjs|ts))(?:\", line |:)\d+")
_CODE_ERROR = regex(
    r"^\S*(?:Error loading ASGI app|(?:SyntaxError|IndentationError|TabError|ModuleNotFoundError|ImportError|NameError|"
    r"UnboundLocalError|AttributeError|TypeError|IndexError|ZeroDivisionError|RecursionError)(?::|$))"
    r"|^Error(?: \[\w+\])?: Cannot find (?:module|package) "
)
_NO_MODULE = regex(r"ModuleNotFoundError: No module named '(?P<name>\w+)'")
_TARGET_MISSING = regex(r"Error loading ASGI app|Failed to find attribute|Cannot load application from|No module named|"
                   r"AttributeError: module '[\w.]+' has no attribute|\(callable not found or import error\)"
                   r"|There was an exception \(AttributeError\) importing your module")


def named_sources(service: Service) -> tuple[str, ...]:
    """Return the application's files that the end of its log names, the last one first, by its own paths."""
    found: dict[str, None] = {}
    lines = last_own_lines(service)
    if not any(_CODE_ERROR.search(line.text) for line in lines):
        return ()
    for line in reversed(lines):
        match = _TRACEBACK_FILE.search(line.text)
        if match is not None and not is_library_file(match["file"]):
            found.setdefault(posixpath.normpath(match["file"]))
    return tuple(found)[:MOST_SOURCES]


def locate_on_disk(service: Service, path: str) -> tuple[str, str] | None:
    """Return the permanent (node, path) of a service's file: on its machine, or the source of a container's mount."""
    box = service.container
    if box is None:
        return service.node, path
    mount = host_path(box, path)
    return None if mount is None else (ENGINE, mount[0])


def source_paths(service: Service) -> Iterator[tuple[str, str]]:
    """Yield (node, path) of each named source, of its possible backup copies, and of a module in other Pythons."""
    yield from ((service.node, path) for path in _paths_in_other_pythons(service))
    for path in named_sources(service):
        place = locate_on_disk(service, path)
        if place is not None:
            yield place
            yield from ((place[0], place[1] + end) for end in LIKELY_SUFFIXES)
    yield from _target_modules(service)


def _target_modules(service: Service) -> Iterator[tuple[str, str]]:
    """Yield (node, path) of the module that the command names, if it lacks what the command names in it."""
    box = service.container
    start = (box.working_dir or "/") if box is not None else service.start_folder
    for path in target_files(service.argv, start) if lacks_command_target(service) else ():
        place = locate_on_disk(service, path)
        if place is not None:
            yield place


def source_queries(services: Sequence[Service]) -> Iterator[tuple[str, Query]]:
    """Yield the queries for applications whose log ends with a code error."""
    for service in services:
        if not service.is_app_server:
            continue
        for node, path in source_paths(service):
            yield node, ReadFile(path, SOURCE_LIMIT)
        for path in named_sources(service):       # Python runs what is compiled beside a source that is gone
            place = locate_on_disk(service, path) if path.endswith(".py") else None
            yield from () if place is None else ((place[0], ReadFile(f"{place[1]}c", 0)),)
        if lacks_command_target(service):
            for node, folder in folders_on_disk(service):
                yield node, entry_modules_query(folder)


def port_queries(service: Service) -> Iterator[Query]:
    """Yield queries for the program of a stopped unit whose port only its code can say."""
    if service.unit is not None and not service.running and not service.bindings.or_else(()):
        yield from (ReadFile(path, PROGRAM_LIMIT) for path in program_paths(service.argv, service.start_folder))


def _paths_in_other_pythons(service: Service) -> tuple[str, ...]:
    log = last_own_lines(service) if service.container is None else ()
    match = next((m for line in reversed(log) if (m := _NO_MODULE.search(line.text)) is not None), None)
    return () if match is None else installed_module_paths(service.argv, match["name"])


def lacks_command_target(service: Service) -> bool:
    """Return whether the log reports that the module or object named by the command does not exist."""
    log = last_own_lines(service)
    return any(_TARGET_MISSING.search(line.text) for line in log)


def entry_modules_query(folder: str) -> ReadGlob:
    """Return the query for the usual entry modules in a folder and one level below."""
    plain = "".join(f"\\{c}" if c in "*?[\\" else c for c in folder.rstrip("/"))
    return ReadGlob((*(f"{plain}/{name}.py" for name in ENTRY_MODULES),
                     *(f"{plain}/*/{name}.py" for name in ENTRY_MODULES)),
                    SOURCE_LIMIT, 40)


def folders_on_disk(service: Service) -> Iterator[tuple[str, str]]:
    """Yield (node, folder) where it finds its modules: its working directory, for a container the mounts there."""
    box = service.container
    if box is None:
        folder = service.start_folder
        if folder.startswith("/") and folder != "/":
            yield service.node, folder
        return
    for source, destination, _ in box.mounts:
        if "/" not in (destination, box.working_dir) and (
                is_within(destination, box.working_dir) or is_within(box.working_dir, destination)):
            yield ENGINE, source


_MOST_FOLDERS = 4


def change_queries(services: Sequence[Service]) -> Iterator[tuple[str, Query]]:
    """Yield queries for changes after a service ended by itself: names and ages of code and settings, no content."""
    for service in services:
        if not service.is_app_server or not isinstance(service.log, Known) or not manager_of(service).has_ended():
            continue
        if service.container is not None:
            yield from _mount_queries(service)
            continue
        patterns = tuple(_change_patterns(service))
        if patterns:
            yield service.node, ReadGlob(patterns, 0, MOST_CHANGED_FILES)
        yield from ((service.node, ReadFile(path, 0)) for path in named_paths(service))


def _mount_queries(service: Service) -> Iterator[tuple[str, Query]]:
    """Yield queries for a container's mounts. Its other files come from the image and do not change."""
    named = (locate_on_disk(service, folder) for folder in source_folders(service))
    places = dict.fromkeys((*(place for place in named if place is not None), *folders_on_disk(service)))
    for node, folder in tuple(places)[:_MOST_FOLDERS]:
        plain = _escape_glob(folder.rstrip("/"))
        yield node, ReadGlob((f"{plain}/*", f"{plain}/.env*", f"{plain}/*/*.py"), 0, MOST_CHANGED_FILES)


def _change_patterns(service: Service) -> Iterator[str]:
    for folder in map(_escape_glob, source_folders(service)):
        yield from (f"{folder}/*", f"{folder}/.env*", f"{folder}/*/*.py")
    for place in map(_escape_glob, settings_folders(service)):
        yield from (place, f"{place}.*", f"{place}/*")
    yield from map(_escape_glob, drop_in_folders(service))
    module = missing_module(service)
    if module:
        name = _escape_glob(module.split(".")[0] if service.runtime != "node" else module)
        ends = ("",) if service.runtime == "node" else ("", ".py", ".*.so")
        for folder in module_folders(service):
            yield folder
            yield from (f"{folder}/{name}{end}" for end in ends)


def _escape_glob(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[\\" else c for c in text)


MAX_PATH_DEPTH = 6                # folders of a path that are checked
MOST_RELEASES = 40                # releases that are read
_SYSTEM_FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share", "/etc/", "/proc/", "/dev/", "/bin/", "/lib",
                   "/sbin/")


def release_queries(service: Service, view: View | None) -> Iterator[Query]:
    """Yield queries for links (`current`) to the start folder, then for the same file in sibling releases."""
    if view is None or service.container is not None:
        return
    sources = _release_sources(service)
    for path in _start_folders(service) if sources else ():
        yield ReadFile(path, 1)
    for source in sources:
        yield from (query for query in (_other_releases_query(view, service, source),) if query is not None)


def release_paths(service: Service, view: View | None) -> Iterator[str]:
    """Yield the files of other releases that were read."""
    for source in _release_sources(service) if view is not None and service.container is None else ():
        query = _other_releases_query(view, service, source) if view is not None else None
        answer = view.node.answers.get(query) if view is not None and query is not None else None
        yield from (file.path for file in answer.files if file.status == "ok") if answer is not None else ()


def _release_sources(service: Service) -> tuple[str, ...]:
    """Return the sources that the log names, and the application file if it is missing in the start folder."""
    folder = service.start_folder
    inside = app_file(service.argv) if folder.startswith("/") and lacks_command_target(service) else None
    return (*named_sources(service), *(() if inside is None else (posixpath.join(folder, inside),)))


def _other_releases_query(view: View, service: Service, source: str) -> ReadGlob | None:
    for path in _start_folders(service):
        file = view.files.get(path)
        place = None if file is None or file.stat is None else release_path(path, file.stat, source)
        if place is not None:
            release, inner = place
            plain = "".join(f"\\{c}" if c in "*?[\\" else c for c in posixpath.dirname(release))
            return ReadGlob((f"{plain}/*/{inner}",), SOURCE_LIMIT, MOST_RELEASES)
    return None


def _start_folders(service: Service) -> tuple[str, ...]:
    """Return the parent folders of the working directory and of paths in the command."""
    words = start_arguments(service)
    found: dict[str, None] = {}
    for word in words:
        parts = posixpath.normpath(word).strip("/").split("/") if word.startswith("/") else []
        for count in range(2, min(len(parts), MAX_PATH_DEPTH) + 1):
            found.setdefault("/" + "/".join(parts[:count]))
    return tuple(path for path in found if not path.startswith(_SYSTEM_FOLDERS))
