"""What fixer asks of each node: the files that start its units and programs, and what these need."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.process_table import working_directory
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.query import Command, Query, ReadFile
from fixer.model.snapshot import Service
from fixer.observe.boot.learned_services import learned_queries
from fixer.observe.commands.dependencies import dependency_queries
from fixer.observe.commands.python_programs import program_paths
from fixer.observe.commands.resolved_command import command_of_unit
from fixer.observe.commands.server_settings import is_unmodified_packaged_unit, settings_path, vassal_queries
from fixer.observe.look import Look
from fixer.observe.managed import managed_queries
from fixer.observe.service_queries import is_troubled
from fixer.observe.supervisord.supervisord_config import find_supervisords
from fixer.observe.systemd.failed_units import failed_unit_queries
from fixer.observe.systemd.socket_activation import socket_unit_queries
from fixer.observe.systemd.unit_journal import with_journal
from fixer.observe.systemd.unit_settings import paths_to_check
from fixer.observe.view.node_view import ENGINE, View

with lazy_imports():
    from fixer.observe.supervisord.supervisord_programs import supervisord_queries

SERVICE_FILE_LIMIT = 64 << 10
MOST_UNLOADED = 100
MOST_PROGRAMS = 4


def node_queries(look: Look) -> Iterator[tuple[str, Query]]:
    """Yield what is asked of each node but the engine: who starts which program, and what that needs."""
    for view in look.views.values():
        if view.name == ENGINE:
            continue
        learned = look.options.learned if view.node.kind == "machine" else ()
        supervised = supervisord_queries(view) if find_supervisords(view) else ()
        yield from ((view.name, query) for query in (
            *_unit_file_queries(view, look), *_program_source_queries(view, look.services), *supervised,
            *socket_unit_queries(view), *managed_queries(view), *(learned_queries(view, learned) if learned else ()),
            *dependency_queries(view, look.services)))


def _unit_file_queries(view: View, look: Look) -> Iterator[Query]:
    """Yield queries for units on disk that systemd has not loaded, and for files that configure applications."""
    if view.init != "systemd":
        return
    paths = [path for path in view.files if path.endswith(".service") and "/systemd/system/" in path]
    if any(_is_mask(path, view) for path in paths) and not is_troubled(look):
        paths = [path for path in paths if not _is_mask(path, view)]     # nobody misses what nothing can start
    on_disk = {path.rsplit("/", 1)[-1] for path in paths}
    own = tuple(sorted(n for n in on_disk - set(view.units) if not n.endswith("@.service") and n[:8] != "systemd-"))
    if own:
        yield Command("systemctl-show", own[:MOST_UNLOADED])
    for unit in dict.fromkeys(view.units.values()):
        if is_unmodified_packaged_unit(unit):
            continue
        told = command_of_unit(unit, view)
        yield from (ReadFile(path, SERVICE_FILE_LIMIT) for path in paths_to_check(unit, told))
        if unit.load_state == "masked":
            continue
        yield from vassal_queries(told, settings := settings_path(told), view)
        for path in (*told.source_files, *((settings,) if settings else ()), *program_paths(told.argv, told.directory)):
            if path.startswith("/"):
                yield ReadFile(path, SERVICE_FILE_LIMIT)
        yield from failed_unit_queries(with_journal(unit, view), told, view)


def _is_mask(path: str, view: View) -> bool:
    stat = view.files[path].stat
    return stat is not None and stat.link_target == "/dev/null"


def _program_source_queries(view: View, services: tuple[Service, ...]) -> Iterator[Query]:
    """Yield queries for the sources of python programs without a unit file: do they serve a web application?"""
    for service in services:
        if service.node == view.name and service.unit is None and service.runtime == "python":
            for pid in service.pids[:MOST_PROGRAMS]:
                process = view.by_pid.get(pid)
                for path in program_paths(process.argv, working_directory(process)) if process is not None else ():
                    yield ReadFile(path, SERVICE_FILE_LIMIT)
