"""Services of boot entries that do not run: the server that cron, rc.local and the like start, with its log.
A manager records how a program ended. Here only the file that its output goes to does."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from fixer.formats.launchers import skip_launchers
from fixer.formats.server_bindings import server_folder
from fixer.formats.server_names import runtime_of
from fixer.lazy.dataclass import replace
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import Query, ReadFile
from fixer.model.snapshot import Binding, Container, LogLine, Process, Service
from fixer.observe.boot.boot_entries import ACCOUNTS, START_SCRIPTS, BootCommand, boot_commands_of, boot_entry_queries
from fixer.observe.commands.dependencies import dependencies_of, proxy_variables_of
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.commands.server_settings import configured_bindings, configured_workers
from fixer.observe.commands.written_values import (
    absent_env_files,
    env_assignments,
    missing_file,
    quoted_bindings,
    slots_of_unit,
    variable_arguments,
)
from fixer.observe.docker.container_service import output_beside_nginx
from fixer.observe.files.log_files import log_file_paths, log_file_query, output_lines
from fixer.observe.view.node_view import View

_NO_LOG = "its output does not go to a file"


def boot_services(view: View, others: Sequence[Service], own: Container | None = None,
                  engine: View | None = None) -> Iterator[Service]:
    """Yield a service for each boot entry whose address no other server of the node has: neither a process that runs
    now nor what a service manager starts there. Another kind of program may hold its port. `own` is nginx's own
    container, whose script starts servers beside it: their output is in the log that the engine keeps of it."""
    taken = {(b.unix, 0 if b.unix else b.port) for s in others
             if s.node == view.name and (s.is_app_server or s.gateway) for b in s.bindings.or_else(())}
    alive = [s for s in others if s.node == view.name and s.pids]
    running = {*(s.argv for s in alive), *(p.argv for s in alive for pid in s.pids
                                           if (p := view.by_pid.get(pid)) is not None)}
    managed = _files_of(s for s in others if s.node == view.name and s.manager != "none")
    for found in (found for found in boot_commands_of(view, own) if not found.by_unit):
        bindings = configured_bindings(found.command, view)
        places = {(b.unix, 0 if b.unix else b.port) for b in bindings}
        told = found.command
        if found.entry.kind == "by-hand" and managed.intersection((found.entry.file, told.script)):
            continue
        if places and not places & taken and not any(runs_command(argv, told.argv) for argv in running):
            taken |= places
            service = _boot_service(found, bindings, view)
            if own is not None and found.entry.kind == "entrypoint" and not log_file_paths(found.command, view):
                service = replace(service, log=output_beside_nginx(own, engine))
            yield service


def _files_of(services: Iterable[Service]) -> frozenset[str]:
    """Return the files that their commands name or stand in: a script of a service manager is nobody's to run."""
    words = (word for s in services for word in (*s.command, *((s.entry,) if s.entry is not None else ())))
    return frozenset(path for word in words for path in (word.text, word.file) if path)


def with_boot_entry(service: Service, view: View, own: Container | None = None) -> Service:
    """Return the service of a bare process with the boot entry of root that starts it: the same command, as the account
    that the entry names. What a user's own crontab starts, that user chose. `own` is the container that the node is."""
    ours = _user_processes(service, view)
    if not ours:
        return service
    names = frozenset.intersection(*(_accounts_of(view, process.uid) for process in ours))
    for found in (found for found in boot_commands_of(view, own) if found.entry.is_run_at_boot):
        if found.entry.user in names and all(_is_of_root(path, view) for path in _files_of_script(found)) and any(
                runs_command(process.argv, found.command.argv) for process in ours):
            return replace(service, boot_entry=found.entry)
    return _with_start_script(service, view, names)


def _with_start_script(service: Service, view: View, names: frozenset[str]) -> Service:
    """Return the service with the script of root by which somebody started it, if root chose the account too: the
    folder that the script goes to belongs to that account, and root alone may write above it."""
    for found, folder in _start_scripts_of(service, view):
        files = _files_of_script(found)
        if all(_is_of_root(path, view) for path in (*files, *map(posixpath.dirname, files))) and (
                not found.entry.user or found.entry.user in names) and _is_assigned(folder, service, view):
            name = next(iter(names)) if len(names) == 1 else ""
            return replace(service, boot_entry=replace(found.entry, user=name))
    return service


def root_start_queries(view: View, services: Iterable[Service], own: Container | None = None) -> Iterator[Query]:
    """Yield the queries that show whether root chose a server that runs without a manager: for boot entries, for the
    scripts by which somebody may have started it, and for the owners of the folders of a script with its command."""
    yield from boot_entry_queries(view, own)
    for service in (s for s in services if s.node == view.name and s.is_app_server and _is_of_user(s, view)):
        yield START_SCRIPTS
        for found, folder in _start_scripts_of(service, view):
            folders = (*map(posixpath.dirname, _files_of_script(found)), folder, posixpath.dirname(folder))
            yield from (ReadFile(path, 0) for path in folders)


def _is_of_user(service: Service, view: View) -> bool:
    """Return whether a user's processes without a manager are the service, on a machine."""
    managed = service.manager != "none" or service.unit is not None or service.container is not None
    return not managed and view.node.kind == "machine" and bool(_user_processes(service, view))


def _user_processes(service: Service, view: View) -> list[Process]:
    """Return its processes that are not root's."""
    return [process for pid in service.pids if (process := view.by_pid.get(pid)) is not None and process.uid]


def _start_scripts_of(service: Service, view: View) -> Iterator[tuple[BootCommand, str]]:
    """Yield each script that somebody runs and the folder that it goes to, if a user's processes run its command there,
    and none of that user's does so besides this service: which of two root wanted is unknown."""
    ours = _user_processes(service, view) if _is_of_user(service, view) else []
    uids = {process.uid for process in ours}
    for found in (found for found in boot_commands_of(view) if ours and not found.entry.is_run_at_boot):
        told = found.command
        folder = posixpath.normpath(server_folder(told.command, runtime_of(told.argv), told.directory))
        same = [p for p in view.by_pid.values() if p.uid in uids and runs_command(p.argv, told.argv)]
        if folder != "/" and {p.cwd.or_else("") for p in same} == {folder} and {p.pid for p in same} <= {
                p.pid for p in ours}:
            yield found, folder


def _files_of_script(found: BootCommand) -> tuple[str, ...]:
    return tuple(path for path in (found.entry.file, found.command.script) if path)


def _is_assigned(folder: str, service: Service, view: View) -> bool:
    """Return whether root assigned the folder to the only account of the service. Nobody else makes a folder of another
    account, and there root alone can."""
    file = view.files.get(folder)
    stat = file.stat if file is not None else None
    return stat is not None and stat.kind == "dir" and _is_of_root(posixpath.dirname(folder), view) and \
        {process.uid for process in _user_processes(service, view)} == {stat.uid}


def runs_command(running: Sequence[str], told: Sequence[str]) -> bool:
    """Return whether a process runs that command, behind what only starts it (`runuser`, `env`); the kernel puts the
    interpreter of a script before it."""
    told = told[skip_launchers(told):]
    size = len(told)
    return len(running) >= size > 0 and tuple(running[len(running) - size + 1:]) == tuple(told[1:]) and \
        posixpath.basename(running[len(running) - size]) == posixpath.basename(told[0])


def _is_of_root(path: str, view: View) -> bool:
    """Return whether root owns the file and nobody else may write it."""
    file = view.files.get(path)
    stat = file.stat.end if file is not None and file.stat is not None else None
    return stat is not None and stat.uid == 0 and not stat.mode & 0o022


def _accounts_of(view: View, uid: int) -> frozenset[str]:
    rows = (line.split(":") for line in (view.data(ACCOUNTS.path) or b"").decode("utf-8", "replace").splitlines())
    return frozenset(row[0] for row in rows if len(row) > 2 and row[2] == str(uid))


def boot_log_queries(view: View, own: Container | None = None) -> Iterator[Query]:
    """Yield the queries for the files that the output of boot entries goes to."""
    for found in boot_commands_of(view, own):
        yield from (log_file_query(path) for path in log_file_paths(found.command, view))


def _boot_service(found: BootCommand, bindings: Sequence[Binding], view: View) -> Service:
    told, entry = found.command, found.entry
    own = "" if entry.kind == "entrypoint" else entry.name       # there it is the container's name
    name = own or posixpath.basename(told.script) or runtime_of(told.argv)
    return Service(
        id=f"{view.name}/{name}", name=name, node=view.name, manager="none", unit=None, container=None, pids=(),
        argv=told.argv, bindings=quoted_bindings(Known(tuple(bindings), (told.evidence,)), view),
        env=env_assignments(told.env, entry.file), env_files=told.env_files, workers=configured_workers(told, view),
        log=_log_of(told, view), is_app_server=True, runtime=runtime_of(told.argv),
        variable_arguments=variable_arguments(runtime_of(told.argv), told.env),
        command=tuple(word.to_argument() for word in told.command), command_style=told.style,
        env_slots=() if entry.kind == "entrypoint" else slots_of_unit(told, view),      # a container's do not last
        files_node=view.name, boot_entry=entry, absent_env_files=absent_env_files(told, view),
        missing_file=missing_file(told, view),
        dependencies=dependencies_of(told.env, entry.file, view),
        proxies=proxy_variables_of(told.env, entry.file),
    )


def _log_of(told: ServiceCommand, view: View) -> Fact[tuple[LogLine, ...]]:
    found = [output_lines(path, view) for path in log_file_paths(told, view)]
    known = [lines for lines in found if isinstance(lines, Known)]
    if known:
        return Known(tuple(line for lines in known for line in lines.value))
    return found[0] if found else Unknown(_NO_LOG)
