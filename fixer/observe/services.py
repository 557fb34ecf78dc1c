"""Services of all nodes: units, containers, programs and bare processes, with commands, bindings and logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.formats.process_table import ancestors, descendants, is_fully_started
from fixer.formats.server_bindings import bindings_of, workers_of
from fixer.formats.server_names import DAEMONS, SERVERS, is_app_server, is_nginx, runtime_of
from fixer.formats.service_log import parse_journal, parse_log_file
from fixer.formats.unit_file import path_on_machine
from fixer.lazy.dataclass import replace
from fixer.managers import manager_of
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import Command, Query, ReadFile
from fixer.model.snapshot import Binding, Container, LogLine, Manager, Process, Service, Unit
from fixer.nginx.command_line import starts_server
from fixer.observe.boot.boot_services import boot_services, with_boot_entry
from fixer.observe.boot.run_folders import hosted_server_pids
from fixer.observe.commands.dependencies import dependencies_of
from fixer.observe.commands.python_programs import is_no_web_program, ports_in_code
from fixer.observe.commands.resolved_command import ServiceCommand, command_of_process, command_of_unit, ulimits_of
from fixer.observe.commands.server_settings import configured_bindings, has_no_vassals, workers_in_settings
from fixer.observe.commands.startup_waits import command_of_shell, is_shell, waits_of
from fixer.observe.commands.written_values import (
    env_assignments,
    quoted_bindings,
    quoted_count,
    slots_of_unit,
    unit_values_of,
)
from fixer.observe.docker.container_service import container_service
from fixer.observe.files.env_file_copies import with_env_copies
from fixer.observe.files.log_files import unit_log_paths, with_unit_logs
from fixer.observe.kernel.cgroup_stats import refaults_of, throttling_of
from fixer.observe.managed import managed_services
from fixer.observe.nginx.other_proxies import gateway_bindings, gateway_of, proxy_socket_unit
from fixer.observe.supervisord.supervisord_config import is_supervisord, is_trusted_supervisord
from fixer.observe.supervisord.supervisord_log import stream_of
from fixer.observe.supervisord.supervisord_programs import program_services
from fixer.observe.systemd.forgotten_units import with_journal_state
from fixer.observe.systemd.socket_activation import all_socket_bindings, socket_of
from fixer.observe.systemd.unit_settings import settings_of
from fixer.observe.view.node_view import ENGINE, View, known_pids, node_of

JOURNAL_LINES = "200"
LOG_LIMIT = 64 << 10


def services_of(views: Mapping[str, View], containers: tuple[Container, ...]) -> tuple[Service, ...]:
    """Return every service of every node, with unique ids."""
    found: list[Service] = []
    for view in views.values():
        if view.name != ENGINE:
            programs = [*program_services(view, stream_of(view, views, containers)), *managed_services(view)]
            theirs = {pid for s in programs for pid in s.pids}
            units = [_without_pids(service, theirs | hosted_server_pids(service, view))
                     for service in unit_services(view)]
            found += [*units, *programs]
            if view.node.kind == "machine" or _runs_nginx(view):
                bare = bare_services(view, {pid for s in units for pid in s.pids} | theirs)
                found += (with_boot_entry(service, view) for service in bare)
            found += boot_services(view, found)
    for container in containers:
        if not container.is_machine:
            found.append(container_service(container, node_of(container, views), views))
    counted = [_with_cgroup_counts(service, views.get(service.node)) for service in found]
    return tuple(with_env_copies(service, views) for service in _with_unique_ids(counted))


def _with_cgroup_counts(service: Service, view: View | None) -> Service:
    limits = manager_of(service).limits()
    if limits.cpus:
        service = replace(service, throttled=throttling_of(service, view))
    return replace(service, refaults=refaults_of(service, view)) if limits.memory else service


def _runs_nginx(view: View) -> bool:
    """Return whether nginx runs in this container: other servers there are its backends, not the container itself."""
    return any(is_nginx(process.argv[0].partition(":")[0]) and starts_server(process.argv)
               for process in view.by_pid.values() if process.argv
               and process.pid not in view.process_table.containers)


def _without_pids(service: Service, pids: set[int]) -> Service:
    """Return the service without these pids: a unit of supervisord, runit or cron contains its children's processes."""
    if not pids.intersection(service.pids):
        return service
    return replace(service, pids=tuple(pid for pid in service.pids if pid not in pids))


def _with_unique_ids(services: Sequence[Service]) -> Iterator[Service]:
    seen: dict[str, int] = {}
    for service in services:
        count = seen[service.id] = seen.get(service.id, 0) + 1
        yield service if count == 1 else replace(service, id=f"{service.id}#{count}")


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


def _unit_service(unit: Unit, view: View, pids: tuple[int, ...]) -> Service:
    unit = with_journal_state(unit, view.node.answers.get(journal_query(unit.name)), view)
    if unit.job:
        from fixer.observe.systemd.queued_jobs import with_awaited_units  # only needed if systemd has a job for it

        unit = with_awaited_units(unit, view)
    told = command_of_unit(unit, view)
    main = view.by_pid.get(unit.main_pid)
    inner = _podman_server(main, pids, view)
    if inner is not None:      # a container on this node's network: it listens here, whoever started it
        main, told = inner, replace(command_of_process(inner, view), directory=working_directory(inner))
    argv = main.argv if main is not None and is_fully_started(main) else told.argv or unit.exec_start
    runtime = runtime_of(told.argv) or runtime_of(argv)
    if unit.main_pid and unit.main_pid not in pids and main is not None:       # `su` opened another session
        pids = (*descendants([unit.main_pid], view.by_pid), *pids)
    is_app = is_app_server(told.argv, runtime, unit.fragment_path, unit.type)
    is_app = is_app and not is_no_web_program(told.argv, told.directory, view) and not has_no_vassals(told, view)
    passing = None if is_app else gateway_bindings(unit, told, view)
    bindings = _unit_bindings(told, main, view) if is_app else passing or _command_bindings(told, view)
    front = proxy_socket_unit(unit, view)
    socket, handed = socket_of(unit, view, front) if is_app or front else (None, ())
    if handed or (socket is not None and socket.listen):
        bindings = Known(all_socket_bindings(handed, socket), (handed[0].source if handed else told.evidence,))
    workers = workers_in_settings(told, view) or workers_of(told.command, told.env, told.evidence)
    return Service(
        id=f"{view.name}/{unit.name}", name=unit.name, node=view.name, manager="systemd", unit=unit, container=None,
        pids=pids, argv=argv, bindings=quoted_bindings(bindings, view),
        env=env_assignments(told.env, unit.name), env_files=_env_file_paths(told, view),
        workers=quoted_count(workers, view),
        log=_unit_log(unit, told, view), is_app_server=is_app, gateway="" if is_app else gateway_of(unit.exec_start),
        runtime=runtime, command=tuple(word.to_argument() for word in told.command), command_style=told.style,
        env_slots=slots_of_unit(told, view), files_node=view.name,
        settings=(*settings_of(unit, told, view), *ulimits_of(told, view)),
        unit_values=unit_values_of(told), entry=told.entry.to_argument() if told.entry is not None else None,
        socket=socket,
        code_bindings=() if isinstance(bindings, Unknown) or bindings.value else ports_in_code(unit, told, view),
        startup_waits=waits_of(pids, told, view) if is_app else (),
        dependencies=dependencies_of(told.env, unit.name, view) if is_app else (),
    )


def _podman_server(main: Process | None, pids: tuple[int, ...], view: View) -> Process | None:
    """Return the server under podman's monitor (conmon) if it listens on a socket of this node.
    A container with its own network listens there: its port means nothing here."""
    if main is None or main.comm != "conmon":
        return None
    listening = {pid for fact in _listening_pids(view) for pid in fact}
    found = [view.by_pid[pid] for pid in pids if pid in listening and pid != main.pid and pid in view.by_pid]
    return next((p for p in found if runtime_of(p.argv) in SERVERS), None)


def _unit_log(unit: Unit, told: ServiceCommand, view: View) -> Fact[tuple[LogLine, ...]]:
    """Return its journal, and the ends of files that it logs to."""
    kept = [view.node.answers.get(query) for query in journal_queries(unit, told)]
    journal = parse_journal(next((a for a in reversed(kept) if a is not None and a.status == "ok"), kept[0]), unit.name)
    if unit.is_from_journal and unit.active_state == "inactive" and isinstance(journal, Known):
        lines = (line for line in journal.value if line.at is None or line.at <= unit.inactive_enter)
        journal = replace(journal, value=tuple(lines))      # a stopped attempt does not explain the exit before it
    # queried together, never on a healthy host
    files = unit_log_paths(told) if isinstance(journal, Known) else ()
    return with_unit_logs(journal, files, view) if files else journal


def socket_units(unit: Unit) -> tuple[str, ...]:
    """Return the socket units that start it."""
    return tuple(name for name in unit.triggered_by if name.endswith(".socket"))


def socket_queries(service: Service) -> Iterator[tuple[str, Query]]:
    """Yield the query for the socket units that start it: the list of all units holds only services."""
    if service.unit is not None and service.socket is None and socket_units(service.unit):
        yield service.node, Command("systemctl-show", socket_units(service.unit))


def _env_file_paths(told: ServiceCommand, view: View) -> tuple[str, ...]:
    return tuple(dict.fromkeys(slot.file for slot in slots_of_unit(told, view)))


def journal_query(unit: str) -> Command:
    """Return the query for the last lines of a unit's journal."""
    return Command("journal", (unit, JOURNAL_LINES))


def journal_queries(unit: Unit, told: ServiceCommand) -> tuple[Command, ...]:
    """Return that query, and a second one for the unit's own journal namespace (LogNamespace=)."""
    plain = journal_query(unit.name)
    return (plain, Command("journal", (*plain.args, told.namespace))) if told.namespace else (plain,)


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


def bare_services(view: View, taken: set[int]) -> list[Service]:
    """Return processes that listen or serve outside of units, each group under its topmost process."""
    listening = {pid for fact in _listening_pids(view) for pid in fact}
    roots: dict[int, Process] = {}
    for process in view.by_pid.values():
        if process.pid in taken or process.pid in view.process_table.containers or process.pid == 1:
            continue
        if process.pid in listening or runtime_of(process.argv) not in ("", "binary", "python"):
            root = _topmost_process(process, view, taken)
            roots[root.pid] = root
    found = [_bare_service(root, view) for _, root in sorted(roots.items())]
    held = {pid for service in found for pid in service.pids} | taken
    return [*found, *(s for p in view.by_pid.values() if is_shell(p.argv) and p.pid not in held
                      and (s := _shell_service(p, view, held)) is not None)]


def _shell_service(root: Process, view: View, held: set[int]) -> Service | None:
    """Return a background shell as a service if its script will start a server: nothing listens yet."""
    pids = descendants([root.pid], view.by_pid)
    above = view.by_pid.get(root.ppid)
    if held.intersection(pids) or root.pid in view.process_table.containers or (above is not None
                                                                                and is_shell(above.argv)):
        return None
    told = command_of_shell(root, view)
    if told is None:
        return None
    name = f"{told.script.rpartition('/')[2] or root.comm}[{root.pid}]"
    unknown = any("$" in word.text for word in told.command)
    return Service(
        id=f"{view.name}/{name}", name=name, node=view.name, manager="none", unit=None, container=None, pids=pids,
        argv=root.argv, bindings=Unknown("its variables were not read") if unknown else Known(
            configured_bindings(told, view), (told.evidence,)),
        env=(), env_files=(), workers=Known(1), log=_bare_log(root, view), is_app_server=True,
        runtime=runtime_of(told.argv), command=tuple(word.to_argument() for word in told.command), files_node=view.name,
        startup_waits=waits_of(pids, told, view),
    )


def _listening_pids(view: View) -> Iterator[tuple[int, ...]]:
    for listener in view.listeners.or_else(()):
        if listener.family != "unix" or not listener.address.startswith(("@", "/run/systemd", "/run/user")):
            yield known_pids(listener.pids)


def _topmost_process(process: Process, view: View, taken: set[int]) -> Process:
    """Return the highest parent that belongs to the service, below shells, inits and supervisors."""
    top = process
    for parent in ancestors(process.pid, view.by_pid):
        if parent.pid == 1 or parent.pid in taken or not runtime_of(parent.argv) or is_supervisord(parent):
            break
        top = parent
    return top


def _bare_service(root: Process, view: View) -> Service:
    told = command_of_process(root, view)
    runtime = runtime_of(root.argv)
    name = runtime if runtime not in ("", "python", "binary") else root.comm
    above = next(iter(ancestors(root.pid, view.by_pid)), None)
    manager: Manager = "supervisord" if above is not None and is_trusted_supervisord(above, view) else "none"
    is_app = is_app_server(root.argv, runtime, "", "") and root.comm not in DAEMONS
    is_app = is_app and not is_no_web_program(root.argv, working_directory(root), view)
    return Service(
        id=f"{view.name}/{name}[{root.pid}]", name=f"{name}[{root.pid}]", node=view.name, manager=manager, unit=None,
        container=None, pids=descendants([root.pid], view.by_pid), argv=root.argv,
        bindings=Known(bindings_of(told.command, told.env, told.evidence, working_directory(root)), (told.evidence,)),
        env=(),
        env_files=(),
        workers=workers_of(told.command, told.env, told.evidence), log=_bare_log(root, view), is_app_server=is_app,
        runtime=runtime, command=tuple(word.to_argument() for word in told.command), files_node=view.name,
    )


def working_directory(process: Process) -> str:
    """Return the working directory of a process, `/` if it is not readable."""
    return process.cwd.or_else("/")


def stdout_query(pid: int) -> ReadFile:
    """Return the query for the end of a process's output file; a pipe or terminal has a stat and no bytes."""
    return ReadFile(f"/proc/{pid}/fd/1", LOG_LIMIT, tail=True)


def _bare_log(root: Process, view: View) -> Fact[tuple[LogLine, ...]]:
    answer = view.node.answers.get(stdout_query(root.pid))
    file = answer.files[0] if answer is not None and answer.files else None
    path = file.stat.link_target if file is not None and file.stat is not None else None
    if answer is None or file is None or not path or not path.startswith("/") or path.startswith("/dev/"):
        return Unknown("not asked" if answer is None else "its output does not go to a file")
    return parse_log_file(answer, path)
