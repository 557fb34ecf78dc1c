"""OpenRC's services: its marks in /run/openrc, the runlevels, and the scripts of /etc/init.d with their settings.

A started service that has no process has crashed: OpenRC calls it so when asked, and marks nothing. Its own supervisor
`supervise-daemon` restarts what ends, and marks the service as failed when it gives up."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterator, Mapping

from fixer.formats.numbers import is_number
from fixer.formats.process_table import descendants, is_fully_started
from fixer.formats.server_names import is_app_server, managed_runtime
from fixer.formats.shell_words import Word, literal_word
from fixer.formats.wrapper_scripts import ShellRun, read_script
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.deployment import ManagedService
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.query import FileStat, Query, ReadFile, ReadGlob
from fixer.model.service import Binding, EnvSlot, LogLine, Service
from fixer.observe.commands.dependencies import dependencies_of, proxy_variables_of
from fixer.observe.commands.python_programs import is_no_web_program, program_paths
from fixer.observe.commands.resolved_command import CommandTrace, ServiceCommand, trace_command
from fixer.observe.commands.server_settings import configured_bindings, configured_workers, settings_path
from fixer.observe.commands.startup_waits import waits_of
from fixer.observe.commands.written_values import (
    absent_env_files,
    env_assignments,
    missing_file,
    quoted_bindings,
    slots_of_unit,
    variable_arguments,
)
from fixer.observe.files.log_files import log_file_paths, log_file_query, output_lines
from fixer.observe.view.node_view import MOST_PROGRAM_FILES, PEEK_BYTES, View

_MARKS = ("started", "failed", "starting", "inactive", "stopping")      # folders of /run/openrc with a link each
_STATE = ReadGlob((*(f"/run/openrc/{mark}/*" for mark in _MARKS), "/etc/runlevels/*/*"), 0, MOST_PROGRAM_FILES)
_VALUES = ReadGlob(("/run/openrc/daemons/*/*", *(
    f"/run/openrc/options/*/{name}" for name in ("child_pid", "start_count", "start_time"))), 4096, MOST_PROGRAM_FILES)
_SCRIPTS = ReadGlob(("/etc/init.d/*", "/etc/conf.d/*"), 64 << 10, MOST_PROGRAM_FILES)
_PIDFILE_LIMIT, _FILE_LIMIT = 64, 64 << 10
_MARK = regex(r"^/run/openrc/(?P<mark>[a-z]+)/(?P<name>[^/]+)$")
_RUNLEVEL = regex(r"^/etc/runlevels/(?P<level>[^/]+)/(?P<name>[^/]+)$")
_EXPORT = regex(rb"^[ \t]*export[ \t]+(?P<name>[A-Za-z_]\w*)")
_SUPERVISOR = "supervise-daemon"
_MASK = "[masked"       # in a bundle: it shows no value of a script's variable
_MASKED_ARGUMENTS = regex(rb"^[ \t]*command_args\w*=[^\n]*?\[masked", re.MULTILINE)
_ARGUMENT = regex(r"\S+")
_COMMAND_KEYS = {True: ("command", "command_args", "command_args_foreground"),
                 False: ("command", "command_args", "command_args_background")}


@dataclass(frozen=True, slots=True)
class InitScript:
    """A script of /etc/init.d as far as it names a server: its command and account, where its output goes, and the
    file with its process id."""

    name: str
    path: str
    command: ServiceCommand
    user: str
    pidfile: str
    is_supervised: bool


def queries(view: View) -> Iterator[Query]:
    """Yield the queries for OpenRC's marks, then for its scripts, then for what these name."""
    yield _STATE
    if not _marks(view):
        return
    yield from (_VALUES, _SCRIPTS)
    for script in _init_scripts(view):
        told = script.command
        if script.pidfile:
            yield ReadFile(script.pidfile, _PIDFILE_LIMIT)
        settings = settings_path(told)
        if told.entry is not None and told.entry.text.startswith("/") and not _is_started(script, view):
            yield ReadFile(told.entry.text, PEEK_BYTES)      # start-stop-daemon refuses one that is missing
        for path in (*told.source_files, *((settings,) if settings else ()), *program_paths(told.argv, told.directory)):
            if path.startswith("/"):
                yield ReadFile(path, _FILE_LIMIT)


def _is_started(script: InitScript, view: View) -> bool:
    mark = _marks(view).get(script.name)
    return mark is not None and mark[0] == "started"


def services(view: View) -> Iterator[Service]:
    """Yield a service for each script that names a server."""
    if _marks(view):
        yield from (_service_of(script, view) for script in _init_scripts(view))


def log_queries(service: Service, view: View) -> Iterator[Query]:
    """Yield the queries for the files that its output goes to."""
    for script in _init_scripts(view):
        if service.managed is not None and script.name == service.managed.name:
            yield from (log_file_query(path) for path in log_file_paths(script.command, view))


def _marks(view: View) -> Mapping[str, tuple[str, FileStat]]:
    """Return name -> (mark, its link) of the services that OpenRC has marked; `failed` of one with several."""
    found: dict[str, tuple[str, FileStat]] = {}
    for path, file in view.files.items():
        match = _MARK.match(path)
        if match is not None and match["mark"] in _MARKS and file.stat is not None:
            found.setdefault(match["name"], (match["mark"], file.stat))
    return found


def _runlevels(name: str, view: View) -> tuple[str, ...]:
    found = (_RUNLEVEL.match(path) for path in view.files)
    return tuple(sorted(match["level"] for match in found if match is not None and match["name"] == name))


def _init_scripts(view: View) -> Iterator[InitScript]:
    contents = view.contents()
    for path, data in contents.items():
        if path.startswith("/etc/init.d/") and (script := _read_init_script(path, data, contents)) is not None:
            yield script


def _read_init_script(path: str, data: bytes, contents: Mapping[str, bytes]) -> InitScript | None:
    """Read /etc/conf.d/NAME and then the script, as openrc-run does; None if the script names no server."""
    name = path.rpartition("/")[2]
    known = {"RC_SVCNAME": literal_word(name), "SVCNAME": literal_word(name)}
    conf = f"/etc/conf.d/{name}"
    before = read_script(contents.get(conf, b"").decode("latin-1"), conf, known, contents)
    run = read_script(data.decode("latin-1"), path, before.env, contents)
    supervised = _text(run, "supervisor") == _SUPERVISOR
    words = _command_words(run, supervised)
    if not words:
        return None
    if _MASKED_ARGUMENTS.search(data) is not None:
        words = [words[0], literal_word(_MASK)]
    line = next((p.line for word in words for p in word.pieces if p.file == path), 1)
    said = Evidence("file", f"{path}:{line}", data.split(b"\n")[line - 1].decode("utf-8", "replace").strip())
    follow = CommandTrace(contents, _text(run, "directory") or run.directory or "/", source_files=[path, conf])
    exported = {match["name"].decode() for text in (contents.get(conf, b""), data) for row in text.split(b"\n")
                if (match := _EXPORT.match(row)) is not None}
    env = {key: word for key, word in run.env.items() if key in exported}
    entry = words[0]
    words, env, _, said = trace_command(words, env, said, follow)
    output = tuple(text for key in ("output_log", "error_log") if (text := _text(run, key)))
    told = ServiceCommand(tuple(words), env, said, "shell", follow.directory, tuple(dict.fromkeys(follow.source_files)),
                          tuple(dict.fromkeys(follow.env_files)), (path,), follow.script or path, entry=entry,
                          output_files=(*output, *follow.output_files), required_files=tuple(follow.required_files))
    user = _text(run, "command_user").partition(":")[0]
    pidfile = "" if supervised else _text(run, "pidfile") or f"/run/{name}.pid"
    return InitScript(name, path, told, user, pidfile if pidfile.startswith("/") else "", supervised)


def _command_words(run: ShellRun, supervised: bool) -> list[Word]:
    """Return the command: of OpenRC's own variables, of a start function, or the DAEMON of a script of Debian's."""
    if "command" in run.env:
        told = [run.env[key] for key in _COMMAND_KEYS[supervised] if key in run.env]
        return [word.slice(match.start(), match.end()) for word in told for match in _ARGUMENT.finditer(word.text)]
    daemon = run.env.get("DAEMON")
    return run.command or ([daemon] if daemon is not None and daemon.text.startswith("/") else [])


def _text(run: ShellRun, key: str) -> str:
    return run.env[key].text if key in run.env else ""


def _service_of(script: InitScript, view: View) -> Service:
    told, mark = script.command, _marks(view).get(script.name)
    root = _supervised_pid(script, view) if script.is_supervised else _pid_of_file(script, view)
    pids = descendants([root], view.by_pid) if root else ()
    main = view.by_pid.get(root)
    argv = main.argv if main is not None and is_fully_started(main) else told.argv
    runtime = managed_runtime(told.argv) or managed_runtime(argv)
    is_app = is_app_server(told.argv, runtime, "", "") and not is_no_web_program(told.argv, told.directory, view)
    slots = _env_slots(script, view)
    return Service(
        id=f"{view.name}/{script.name}", name=script.name, node=view.name, manager="openrc", unit=None, container=None,
        pids=pids, argv=argv, bindings=quoted_bindings(_bindings_of(told, view), view),
        env=env_assignments(told.env, script.path), env_files=tuple(dict.fromkeys(slot.file for slot in slots)),
        workers=configured_workers(told, view), log=_log_of(told, view), is_app_server=is_app, runtime=runtime,
        variable_arguments=variable_arguments(runtime, told.env),
        command=tuple(word.to_argument() for word in told.command), command_style="shell", env_slots=slots,
        files_node=view.name, entry=told.entry.to_argument() if told.entry is not None else None,
        managed=_managed(script, mark, bool(root), view),
        dependencies=dependencies_of(told.env, script.path, view) if is_app else (),
        proxies=proxy_variables_of(told.env, script.path),
        startup_waits=waits_of(pids, told, view) if is_app else (),
        absent_env_files=absent_env_files(told, view), missing_file=missing_file(told, view),
    )


def _managed(script: InitScript, mark: tuple[str, FileStat] | None, alive: bool, view: View) -> ManagedService:
    state, at = ("stopped", 0.0) if mark is None else (mark[0], mark[1].mtime)
    if state == "started" and not alive:
        state = "restarting" if script.is_supervised and _has_supervisor(script, view) else "crashed"
    started = _start_time(script.name, view) or (at if state in ("started", "crashed", "restarting") else 0.0)
    restarts = _value(script.name, "start_count", view)
    return ManagedService(
        script.name, state, script.path, _runlevels(script.name, view), script.user, script.command.directory, started,
        at if state == "failed" else 0.0, int(restarts) if is_number(restarts) else 0, script.is_supervised,
    )


def _has_supervisor(script: InitScript, view: View) -> bool:
    return any(process.argv[:2] == (_SUPERVISOR, script.name) for process in view.by_pid.values())


def _supervised_pid(script: InitScript, view: View) -> int:
    """Return the process that its supervisor has started; 0 if none runs."""
    text = _value(script.name, "child_pid", view)
    process = view.by_pid.get(int(text)) if is_number(text) else None
    above = view.by_pid.get(process.ppid) if process is not None else None
    return process.pid if process is not None and above is not None and above.argv[:2] == (
        _SUPERVISOR, script.name) else 0


def _pid_of_file(script: InitScript, view: View) -> int:
    """Return the process of its pid file, if that runs its program: the file may be old, or the service's own."""
    text = (view.data(script.pidfile) or b"").decode("ascii", "replace").strip()
    process = view.by_pid.get(int(text)) if is_number(text) else None
    if process is None:
        return 0
    program = script.command.argv[0].rpartition("/")[2]
    tail = script.command.argv[1:]
    same = process.argv[len(process.argv) - len(tail):] == tail if tail else any(
        word.rpartition("/")[2].partition(":")[0] == program for word in process.argv[:2])
    return process.pid if same else 0


def _value(name: str, key: str, view: View) -> str:
    return (view.data(f"/run/openrc/options/{name}/{key}") or b"").decode("ascii", "replace").strip()


def _start_time(name: str, view: View) -> float:
    """Return when its supervisor last started it, which it writes in the machine's own time."""
    try:
        parsed = time.strptime(_value(name, "start_time", view), "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return 0.0
    return calendar.timegm(parsed) - view.node.utc_offset


def _env_slots(script: InitScript, view: View) -> tuple[EnvSlot, ...]:
    """Return the files of its wrapper, then its /etc/conf.d file: what that exports, its processes have."""
    conf = f"/etc/conf.d/{script.name}"
    data = view.data(conf)
    if data is None:
        return slots_of_unit(script.command, view)
    before = "" if not data or data.endswith(b"\n") else "\n"
    return (*slots_of_unit(script.command, view),
            EnvSlot(view.name, conf, len(data), before + "export {name}={value}\n", "shell"))


def _bindings_of(told: ServiceCommand, view: View) -> Fact[tuple[Binding, ...]]:
    if any("$" in word.text or word.text.startswith(_MASK) for word in told.command):
        return Unknown("its arguments could not be read")
    return Known(configured_bindings(told, view), (told.evidence,))


def _log_of(told: ServiceCommand, view: View) -> Fact[tuple[LogLine, ...]]:
    found = [output_lines(path, view) for path in log_file_paths(told, view)]
    lines = tuple(line for part in found for line in part.or_else(()))
    return Known(lines) if any(isinstance(part, Known) for part in found) else next(iter(found), Unknown(
        "its output does not go to a file"))
