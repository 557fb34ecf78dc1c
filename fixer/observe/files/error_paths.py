"""Paths in the last error of a program: whether they exist now, and the owners of them and their parent folders."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from fixer.formats.application_servers import certificate_file_of
from fixer.formats.file_errors import (
    MISSING_CODES,
    READ_ONLY_CODES,
    absolute_path,
    inaccessible_path_at,
    unnamed_paths_at,
    unread_script_at,
)
from fixer.formats.mount_places import files_at, places_in_mounts
from fixer.formats.name_files import NAME_FILES, says_name_unresolved
from fixer.formats.run_output import last_own_lines
from fixer.formats.start_files import ACCOUNT_FILES, find_missing_module, module_files, module_folders, path_and_parents
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.query import Query, ReadFile
from fixer.model.service import Container, Service
from fixer.observe.files.application_code import locate_on_disk
from fixer.observe.files.log_files import unmanaged_log_of
from fixer.observe.view.node_view import ENGINE, View

with lazy_imports():  # only where a program was started by hand
    from fixer.analysis.exits.hand_started_run import server_of_log

ACCOUNTS_LIMIT = 256 << 10
PROGRAM_LIMIT = 64 << 10        # start scripts are short
PROC_MOUNTS = "/proc/mounts"


def closed_path_queries(services: Sequence[Service]) -> Iterator[tuple[str, Query]]:
    """Yield the queries for those paths. Only their metadata is read: they may hold anything."""
    for service in services:
        paths, why = _paths_of_last_error(service)
        for path in paths:
            place = locate_on_disk(service, path)
            if place is not None:
                yield from _path_queries(*place, why)
            elif why in MISSING_CODES:
                yield from _other_mount_queries(service, path)
        yield from _module_queries(service)
        yield from _name_queries(service)
        certificate = certificate_file_of(service)
        if certificate and (place := locate_on_disk(service, certificate)) is not None:
            yield place[0], ReadFile(place[1], 0)
        box = service.container
        if box is not None and box.status != "running":
            program = _program_on_host(service, box)
            yield from _other_mount_queries(service, _program_of(box))
            yield from ((ENGINE, ReadFile(path, 0)) for path in box.sources if path != program)
            yield from ((ENGINE, ReadFile(path, PROGRAM_LIMIT)) for path in (program,) if path)


def loose_path_queries(views: Mapping[str, View]) -> Iterator[tuple[str, Query]]:
    """Yield the queries for those paths of the newest log that no service owns."""
    for view in views.values():
        log = unmanaged_log_of(view)
        if log is not None:
            yield from closed_path_queries((server_of_log(log),))


def _program_on_host(service: Service, box: Container) -> str:
    """Return the host path of a container's program; empty if it is in the image. A script may be unexecutable."""
    program = _program_of(box)
    place = locate_on_disk(service, program) if program else None
    return place[1] if place is not None else ""


def _program_of(box: Container) -> str:
    """Return the path of a container's program; empty if its command names none."""
    named = box.argv[0] if box.argv and "/" in box.argv[0] else ""
    return posixpath.normpath(posixpath.join(box.working_dir or "/", named)) if named else ""


def _other_mount_queries(service: Service, path: str) -> Iterator[tuple[str, Query]]:
    """Yield queries for the file below the sources of the mounts, if the path is below none of them."""
    mounts = service.container.mounts if service.container is not None else ()
    for file in files_at(path, service.argv) if path else ():
        yield from ((ENGINE, ReadFile(place.host, 0)) for place in places_in_mounts(file, mounts))


def _module_queries(service: Service) -> Iterator[tuple[str, Query]]:
    """Yield queries for the possible paths of a missing module: its folder may be closed to the program's user."""
    box = service.container
    start = "" if not service.is_app_server else box.working_dir if box is not None else service.start_folder
    lines = last_own_lines(service) if start.startswith("/") else ()
    module = next((name for line in reversed(lines) if (name := find_missing_module(line.text))), "")
    if module and box is not None:
        folders = (*module_folders(service.argv, start), *(at.rstrip("/") for _, at, _ in box.mounts))
        named = (file for folder in folders for file in module_files(folder, module))
        places = (locate_on_disk(service, name)
                  for name in dict.fromkeys(name for file in named for name in path_and_parents(file)))
        yield from ((place[0], ReadFile(place[1], 0)) for place in places if place is not None)
        yield from _other_mount_queries(service, module if module.startswith("/") else "")
    elif module:
        files = (file for folder in module_folders(service.argv, start) for file in module_files(folder, module))
        names = dict.fromkeys(name for file in files for name in path_and_parents(file))
        yield from ((service.node, ReadFile(name, 0)) for name in names)
        yield from ((service.node, ReadFile(name, ACCOUNTS_LIMIT)) for name in ACCOUNT_FILES)


def _name_queries(service: Service) -> Iterator[tuple[str, Query]]:
    """Yield queries for the files that names are looked up by, if its last lines say that one has no address."""
    lines = last_own_lines(service) if service.is_app_server else ()
    if not says_name_unresolved(line.text for line in lines):
        return
    if service.container is not None:
        yield from ((ENGINE, ReadFile(place, 0)) for _, place in service.container.name_files)
        return
    for file in NAME_FILES:
        yield from _path_queries(service.node, file, "")


def _path_queries(node: str, there: str, why: str) -> Iterator[tuple[str, Query]]:
    if why in READ_ONLY_CODES and node != ENGINE:
        yield node, ReadFile(PROC_MOUNTS, ACCOUNTS_LIMIT)
    if node == ENGINE:
        yield node, ReadFile(there, 0)
        return
    yield from ((node, ReadFile(name, 0)) for name in path_and_parents(there))
    yield from ((node, ReadFile(name, ACCOUNTS_LIMIT)) for name in ACCOUNT_FILES)


def _paths_of_last_error(service: Service) -> tuple[tuple[str, ...], str]:
    lines = last_own_lines(service) if service.is_app_server else ()
    texts = [line.text.strip() for line in lines]
    for index in range(len(texts) - 1, -1, -1):
        named = inaccessible_path_at(texts, index) or unread_script_at(texts, index, service)
        if named is not None:
            return (posixpath.normpath(absolute_path(named[0], service)),), named[1]
        meant, why = unnamed_paths_at(texts, index, service)
        if meant:
            return tuple(posixpath.normpath(path) for path in meant), why
    return (), ""
