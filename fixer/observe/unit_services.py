"""One service for each startable unit of systemd."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.process_table import descendants, is_fully_started, working_directory
from fixer.formats.server_bindings import bindings_of
from fixer.formats.server_names import SERVERS, is_app_server, managed_runtime, runtime_of
from fixer.formats.unit_file import path_on_machine
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.snapshot import Binding, Process, Service, Unit
from fixer.observe.commands.dependencies import dependencies_of, proxy_variables_of
from fixer.observe.commands.python_programs import is_no_web_program, ports_in_code
from fixer.observe.commands.resolved_command import ServiceCommand, command_of_process, command_of_unit, ulimits_of
from fixer.observe.commands.server_settings import configured_bindings, configured_workers, has_no_vassals
from fixer.observe.commands.startup_waits import waits_of
from fixer.observe.commands.written_values import (
    absent_env_files,
    env_assignments,
    missing_file,
    quoted_bindings,
    slots_of_unit,
    unit_values_of,
    variable_arguments,
)
from fixer.observe.nginx.other_proxies import gateway_bindings, gateway_of, proxy_socket_unit
from fixer.observe.systemd.socket_activation import all_socket_bindings, socket_of
from fixer.observe.systemd.unit_journal import unit_log, with_journal
from fixer.observe.systemd.unit_settings import settings_of
from fixer.observe.view.node_view import View, listening_pids

with lazy_imports():
    from fixer.observe.systemd.queued_jobs import with_awaited_units  # only needed if systemd has a job for it


def unit_services(view: View) -> list[Service]:
    """Return one service for each startable unit, by name, without templates and systemd's own units."""
    groups = _pids_by_unit(view)
    units = {unit.name: unit for unit in view.units.values()}
    return [_unit_service(unit, view, groups.get(unit.name, ())) for _,
            unit in sorted(units.items()) if _is_startable(unit)]


def _is_startable(unit: Unit) -> bool:
    if not unit.name.endswith(".service") or unit.name.startswith("systemd-") or unit.name.endswith("@.service"):
        return False
    return unit.load_state != "not-found" or unit.main_pid > 0


def _pids_by_unit(view: View) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for process in view.by_pid.values():
        if process.unit:
            found.setdefault(process.unit, []).append(process.pid)
    return {unit: tuple(pids) for unit, pids in found.items()}


def _runs_local_file(unit: Unit) -> bool:
    """Return whether it runs a file of the administrator, though a package brings the unit (`/etc/rc.local`)."""
    program = unit.exec_start[0] if unit.exec_start else ""
    return program.startswith("/etc/") and not program.startswith("/etc/init.d/")


def _unit_service(unit: Unit, view: View, pids: tuple[int, ...]) -> Service:
    unit = with_journal(unit, view)
    if unit.job:
        unit = with_awaited_units(unit, view)
    told = command_of_unit(unit, view)
    main = view.by_pid.get(unit.main_pid)
    inner = _podman_server(main, pids, view)
    if inner is not None:      # a container on this node's network: it listens here, whoever started it
        main, told = inner, replace(command_of_process(inner, view), directory=working_directory(inner))
    argv = main.argv if main is not None and is_fully_started(main) else told.argv or unit.exec_start
    runtime = managed_runtime(told.argv) or managed_runtime(argv)
    if unit.main_pid and unit.main_pid not in pids and main is not None:       # `su` opened another session
        pids = (*descendants([unit.main_pid], view.by_pid), *pids)
    is_app = is_app_server(told.argv, runtime, "" if _runs_local_file(unit) else unit.fragment_path, unit.type)
    is_app = is_app and not is_no_web_program(told.argv, told.directory, view) and not has_no_vassals(told, view)
    passing = None if is_app else gateway_bindings(unit, told, view)
    bindings = _unit_bindings(told, main, view) if is_app else passing or _command_bindings(told, view)
    front = proxy_socket_unit(unit, view)
    socket, handed = socket_of(unit, view, front) if is_app or front else (None, ())
    if handed or (socket is not None and socket.listen):
        bindings = Known(all_socket_bindings(handed, socket), (handed[0].source if handed else told.evidence,))
    return Service(
        id=f"{view.name}/{unit.name}", name=unit.name, node=view.name, manager="systemd", unit=unit, container=None,
        pids=pids, argv=argv, bindings=quoted_bindings(bindings, view),
        env=env_assignments(told.env, unit.name), env_files=_env_file_paths(told, view),
        workers=configured_workers(told, view),
        log=unit_log(unit, told, view), is_app_server=is_app, gateway="" if is_app else gateway_of(unit.exec_start),
        variable_arguments=variable_arguments(runtime, told.env),
        runtime=runtime, command=tuple(word.to_argument() for word in told.command), command_style=told.style,
        env_slots=slots_of_unit(told, view), files_node=view.name,
        absent_env_files=absent_env_files(told, view), missing_file=missing_file(told, view),
        runs_as=told.runs_as,
        settings=(*settings_of(unit, told, view), *ulimits_of(told, view)),
        unit_values=unit_values_of(told), entry=told.entry.to_argument() if told.entry is not None else None,
        socket=socket,
        code_bindings=() if bindings.or_else(()) else ports_in_code(unit, told, view),
        startup_waits=waits_of(pids, told, view) if is_app else (),
        dependencies=dependencies_of(told.env, unit.name, view) if is_app else (),
        proxies=proxy_variables_of(told.env, unit.name),
    )


def _podman_server(main: Process | None, pids: tuple[int, ...], view: View) -> Process | None:
    """Return the server under podman's monitor (conmon) if it listens on a socket of this node.
    A container with its own network listens there: its port means nothing here."""
    if main is None or main.comm != "conmon":
        return None
    listening = {pid for fact in listening_pids(view) for pid in fact}
    found = [view.by_pid[pid] for pid in pids if pid in listening and pid != main.pid and pid in view.by_pid]
    return next((p for p in found if runtime_of(p.argv) in SERVERS), None)


def _env_file_paths(told: ServiceCommand, view: View) -> tuple[str, ...]:
    return tuple(dict.fromkeys(slot.file for slot in slots_of_unit(told, view)))


def _command_bindings(told: ServiceCommand, view: View) -> Fact[tuple[Binding, ...]]:
    return Known(configured_bindings(told, view), (told.evidence,))


def bindings_outside_root(found: list[Binding], told: ServiceCommand) -> Iterator[Binding]:
    """Yield the bindings of a unit with its own root by the paths that nginx sees.
    Such a path does not occur in its files, so it has no byte position."""
    for binding in found:
        path = path_on_machine(told.lines, binding.unix) if binding.unix is not None else binding.unix
        if path == binding.unix:
            yield binding
        elif path:
            yield replace(binding, unix=path, start=None, end=None)


def _unit_bindings(told: ServiceCommand, main: Process | None, view: View) -> Fact[tuple[Binding, ...]]:
    """Return the bindings in its files, then those of the running process that differ."""
    found = list(configured_bindings(told, view))
    if main is not None:
        running = command_of_process(main, view)
        places = {(b.port, b.unix) for b in found}
        held = bindings_of(running.command, told.env, running.evidence, working_directory(main))
        found += [b for b in held if (b.port, b.unix) not in places]
    unread = [path for path in told.source_files if not view.was_asked(path)]
    if not found and unread:
        return Unknown(f"not read: {', '.join(unread)}")
    return Known(tuple(bindings_outside_root(found, told)), (told.evidence,))
