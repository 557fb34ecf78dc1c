"""Services that no manager keeps: processes that listen or serve, and shells that will start a server."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.formats.launchers import skip_launchers
from fixer.formats.process_table import ancestors, descendants, is_supervisord, working_directory
from fixer.formats.server_bindings import bindings_of, workers_of
from fixer.formats.server_names import DAEMONS, is_app_server, runtime_of
from fixer.formats.service_log import parse_log_file
from fixer.lazy.dataclass import replace
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import Query, ReadFile
from fixer.model.snapshot import Container, LogLine, Manager, Process, Service
from fixer.observe.boot.boot_entries import boot_commands_of
from fixer.observe.boot.boot_services import runs_command
from fixer.observe.commands.python_programs import is_no_web_program
from fixer.observe.commands.resolved_command import command_of_process
from fixer.observe.commands.server_settings import configured_bindings
from fixer.observe.commands.startup_waits import command_of_shell, is_shell, waits_of
from fixer.observe.commands.written_values import variable_arguments
from fixer.observe.docker.container_service import output_beside_nginx
from fixer.observe.files.log_files import log_file_paths, log_file_query
from fixer.observe.supervisord.supervisord_config import is_trusted_supervisord
from fixer.observe.view.node_view import View, listening_pids

LOG_LIMIT = 64 << 10


def bare_services(view: View, taken: set[int], own: Container | None = None) -> list[Service]:
    """Return processes that listen or serve outside of units, each group under its topmost process. Also the server of
    a boot entry or a start script, whatever kind of program it is: it may not listen yet. `own` is the container that
    the node is."""
    listening = {pid for fact in listening_pids(view) for pid in fact}
    told = [found.command.argv for found in boot_commands_of(view, own)]
    last_words = {posixpath.basename(argv[-1]) for argv in told if argv}      # thousands of processes have another one
    roots: dict[int, Process] = {}
    for process in view.by_pid.values():
        if process.pid in taken or process.pid in view.process_table.containers or process.pid == 1:
            continue
        if process.pid in listening or runtime_of(process.argv) not in ("", "binary", "python") or (
                process.argv and posixpath.basename(process.argv[-1]) in last_words
                and any(runs_command(process.argv, argv) for argv in told)):
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


def _topmost_process(process: Process, view: View, taken: set[int]) -> Process:
    """Return the highest parent that belongs to the service, below shells, inits, supervisors, and programs of unknown
    kind that start a known server and wait for it (`runuser … start-shop`)."""
    top = process
    strangers = ("", "binary") if runtime_of(process.argv) not in ("", "binary") else ("",)
    for parent in ancestors(process.pid, view.by_pid):
        if parent.pid == 1 or parent.pid in taken or runtime_of(parent.argv) in strangers or is_supervisord(parent):
            break
        top = parent
    return top


def _launched_by(root: Process, view: View) -> Process:
    """Return the process that a launcher (`runuser … uvicorn`) has started and waits for, which runs in the folder of
    the application; the process itself if it is no launcher."""
    words = root.argv[skip_launchers(root.argv):]
    started = (p for p in view.by_pid.values() if p.ppid == root.pid and p.argv[-len(words):] == words)
    return next(started, root) if words and words != root.argv else root


def _bare_service(root: Process, view: View) -> Service:
    told, started = command_of_process(root, view), _launched_by(root, view)
    runtime = runtime_of(root.argv)
    name = runtime if runtime not in ("", "python", "binary") else started.comm
    above = next(iter(ancestors(root.pid, view.by_pid)), None)
    manager: Manager = "supervisord" if above is not None and is_trusted_supervisord(above, view) else "none"
    is_app = is_app_server(root.argv, runtime, "", "") and root.comm not in DAEMONS
    is_app = is_app and not is_no_web_program(root.argv, working_directory(started), view)
    return Service(
        id=f"{view.name}/{name}[{root.pid}]", name=f"{name}[{root.pid}]", node=view.name, manager=manager, unit=None,
        container=None, pids=descendants([root.pid], view.by_pid), argv=root.argv,
        bindings=Known(bindings_of(told.command, told.env, told.evidence, working_directory(started)),
                       (told.evidence,)),
        env=(),
        env_files=(),
        workers=workers_of(told.command, told.env, told.evidence), log=_bare_log(root, view), is_app_server=is_app,
        runtime=runtime, command=tuple(word.to_argument() for word in told.command), files_node=view.name,
        variable_arguments=variable_arguments(runtime, told.env),
        cwd=started.cwd.or_else(""),
    )


def stdout_query(pid: int) -> ReadFile:
    """Return the query for the end of a process's output file; a pipe or terminal has a stat and no bytes."""
    return ReadFile(f"/proc/{pid}/fd/1", LOG_LIMIT, tail=True)


def _stdout_of(pid: int, view: View) -> str:
    """Return what the output of a process leads to: a path, `pipe:[…]`, or empty if it was not asked."""
    answer = view.node.answers.get(stdout_query(pid))
    file = answer.files[0] if answer is not None and answer.files else None
    return (file.stat.link_target or "") if file is not None and file.stat is not None else ""


def is_output_unreadable(pid: int, view: View) -> bool:
    """Return whether it was asked where the output of a process leads, and this user may not read that: in containers
    root lacks the right for the processes of other accounts."""
    return stdout_query(pid) in view.node.answers and not _stdout_of(pid, view)


def writes_to_container_log(pid: int, view: View) -> bool:
    """Return whether a process of a container has the output of process 1, of which the engine keeps the log."""
    own = _stdout_of(pid, view)
    return own.startswith(("pipe:", "/dev/pts/")) and own == _stdout_of(1, view)


def with_container_log(services: list[Service], view: View, own: Container, engine: View | None) -> list[Service]:
    """Return the services of a container with its log where their output goes there. The lines of nginx can be told
    apart, those of several servers cannot."""
    first = view.by_pid.get(1)
    names = [s.name for s in services if s.is_app_server and s.pids and writes_to_container_log(s.pids[0], view)]
    others = [first.comm] if first is not None and runtime_of(first.argv) not in ("", "binary", "python") else []
    log = output_beside_nginx(own, engine)
    if len(names) + len(others) > 1:
        log = Unknown(f"one log, docker logs {own.name}, has the output of {', '.join((*names, *others))}")
    return [replace(service, log=log) if service.name in names else service for service in services]


def _bare_log(root: Process, view: View) -> Fact[tuple[LogLine, ...]]:
    answer, path = view.node.answers.get(stdout_query(root.pid)), _stdout_of(root.pid, view)
    if answer is None or not path.startswith("/") or path.startswith("/dev/"):
        return Unknown("not asked" if answer is None else "its output does not go to a file" if path else
                       "where its output goes could not be read")
    return parse_log_file(answer, path, view.node.utc_offset)


def start_log_queries(service: Service, view: View, own: Container | None = None) -> Iterator[Query]:
    """Yield the queries for the log files that the command of a bare process's start names, where its own output cannot
    be read."""
    yield from (log_file_query(path) for path in _start_log_paths(service, view, own))


def with_start_log(service: Service, view: View, own: Container | None = None) -> Service:
    """Return the service of a bare process with such a file as its log."""
    for path in _start_log_paths(service, view, own):
        log = parse_log_file(view.node.answers.get(log_file_query(path)), path, view.node.utc_offset)
        if isinstance(log, Known):
            return replace(service, log=log)
    return service


def _start_log_paths(service: Service, view: View, own: Container | None) -> tuple[str, ...]:
    if not service.pids or not is_output_unreadable(service.pids[0], view):
        return ()
    ours = [process for pid in service.pids if (process := view.by_pid.get(pid)) is not None]
    for found in boot_commands_of(view, own):
        paths = log_file_paths(found.command, view)
        if paths and any(runs_command(process.argv, found.command.argv) for process in ours):
            return paths
    return ()
