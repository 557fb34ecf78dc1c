"""nginx instances of a node: masters, the configuration they read, `nginx -t`, and their error logs."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from fixer.formats.process_table import ProcessTable, ancestors
from fixer.formats.server_names import is_nginx
from fixer.formats.service_log import parse_journal
from fixer.formats.unit_file import last_value, unit_lines
from fixer.lazy.parse_cache import parse_once
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.nginx_config import PIPE, NginxConfig
from fixer.model.query import Answer, Command, FileAnswer, ReadFile
from fixer.model.snapshot import ErrorEvent, Process, Unit
from fixer.nginx.command_line import PROCESS_TITLE, path_options, starts_server
from fixer.nginx.config import read_config
from fixer.nginx.error_log import parse_error_log
from fixer.observe.commands.resolved_command import command_of_unit
from fixer.observe.nginx.nginx_place import (
    BUILT_BINARY,
    NginxInstance,
    deleted_log,
    has_built_binary,
    has_missing_folder,
    has_no_routes,
    truncated_config_text,
    with_build_options,
)
from fixer.observe.view.node_view import View, is_readable, is_trusted_process

DEFAULT_BINARY = "/usr/sbin/nginx"
DEFAULT_CONF = "/etc/nginx/nginx.conf"
DEFAULT_LOG = "/var/log/nginx/error.log"
LOG_TAIL = 256 << 10
MOST_EVENTS = 3000
JOURNAL_TAIL, JOURNAL_TAIL_LATER = "400", "399"      # two line counts, two queries

TEST_NEVER_ENDS = "nginx -t would wait forever: the configuration includes a pipe"
TEST_NOT_ALLOWED = "nginx runs as another user; fixer does not test that user's configuration with these rights"
_SYSLOG_HEAD = regex(r"^(?:[\w.-]+ )?(?:nginx(?:\[\d+\])?: )?(?=\d{4}/\d\d/\d\d )")      # host and tag


def find_nginxes(view: View) -> tuple[NginxInstance, ...]:
    """Return every nginx of this node, without those of its containers; empty if nothing indicates one.

    Any user can start a program with nginx's title: while the machine's own nginx runs, another user's does not count.
    """
    running = tuple(with_build_options(place, view) for place in _running_nginxes(view))
    ours = tuple(place for place in running if _is_trusted_master(place.master, view))
    return ours or running or tuple(with_build_options(place, view) for place in _stopped_nginxes(view))


def other_users_masters(view: View) -> tuple[Process, ...]:
    """Return masters of other users that are ignored while the machine's own runs."""
    running = {place.master.pid: place.master for place in _running_nginxes(view) if place.master is not None}
    taken = {place.master.pid for place in find_nginxes(view) if place.master is not None}
    return tuple(master for pid, master in running.items() if pid not in taken)


def _is_trusted_master(master: Process | None, view: View) -> bool:
    """Return whether the master runs as root or belongs to an nginx unit."""
    if master is None or is_trusted_process(master, view):
        return True
    unit = view.units.get(master.unit or "")
    return unit is not None and bool(unit.exec_start) and is_nginx(unit.exec_start[0])


def containers_with_nginx(view: View) -> tuple[str, ...]:
    """Return ids of the containers of this machine in which an nginx runs."""
    return tuple(dict.fromkeys(view.process_table.containers[p.pid] for p in view.by_pid.values()
                               if is_master(p) and p.pid in view.process_table.containers))


def is_master(process: Process) -> bool:
    """Return whether a process has the title of an nginx master and its binary: any program can set the title."""
    match = PROCESS_TITLE.match(process.argv[0]) if process.argv else None
    if match is None or match[1] != "master":
        return False
    return _can_be_nginx(process)


def _can_be_nginx(process: Process) -> bool:
    return not isinstance(process.exe, Known) or is_nginx(process.exe.value)


def _running_nginxes(view: View) -> tuple[NginxInstance, ...]:
    """Return them, looked for once: thousands of processes may run here."""
    return parse_once(lambda: tuple(_each_running(view.process_table, view.by_pid)), "nginxes", view.process_table)


def _each_running(table: ProcessTable, by_pid: Mapping[int, Process]) -> Iterator[NginxInstance]:
    for process in by_pid.values():
        if process.pid not in table.containers and (is_master(process) or _is_single_process(process, by_pid)):
            workers = tuple(p for p in by_pid.values() if p.ppid == process.pid and _is_live_worker(p))
            yield _make_instance(_command_of_master(process), process, workers)


def _is_single_process(process: Process, by_pid: Mapping[int, Process]) -> bool:
    """Return whether a process is an nginx that serves without a master's title (`master_process off`)."""
    return (process.comm == "nginx" and bool(process.argv) and starts_server(process.argv) and not _is_worker(process)
            and not any(p.comm == "nginx" for p in ancestors(process.pid, by_pid)) and _can_be_nginx(process))


def _is_worker(process: Process) -> bool:
    match = PROCESS_TITLE.match(process.argv[0]) if process.argv else None
    return match is not None and match[1] == "worker"


def _is_live_worker(process: Process) -> bool:
    return _is_worker(process) and "shutting down" not in process.argv[0] and process.state != "Z"


def _command_of_master(process: Process) -> list[str]:
    """Return the command that started a master, from its title; its binary from /proc if readable."""
    match = PROCESS_TITLE.match(process.argv[0])
    words = match[2].split() if match else list(process.argv)
    if isinstance(process.exe, Known):
        words = [process.exe.value.removesuffix(" (deleted)"), *words[1:]]
    return words


def instance_of_command(command: Sequence[str]) -> NginxInstance:
    """Return what an nginx command reads, whether or not it runs."""
    return _make_instance(list(command), None, ())


def instance_of_unit(unit: Unit, view: View) -> NginxInstance:
    """Return what the nginx of a unit reads. nginx.org's package names the file by a variable (`-c ${CONFFILE}`), whose
    value stands in the unit's files."""
    has_variable = any("$" in word for word in unit.exec_start)
    return instance_of_command(command_of_unit(unit, view).argv if has_variable else unit.exec_start)


def _make_instance(words: list[str], master: Process | None, workers: tuple[Process, ...]) -> NginxInstance:
    binary = words[0] if words and words[0].startswith("/") else DEFAULT_BINARY
    options = path_options(words)
    home = posixpath.dirname(posixpath.dirname(binary))
    prefix = options.get("-p") or ("/usr/share/nginx" if home == "/usr" else home)
    default = DEFAULT_CONF if home == "/usr" else posixpath.join(home, "conf/nginx.conf")
    base = options["-p"] if "-p" in options else posixpath.dirname(default)
    conf = posixpath.normpath(posixpath.join(base, options["-c"])) if "-c" in options else default
    explicit = "-c" in options or "-p" in options
    return NginxInstance(binary, conf, prefix, explicit, master, workers, options.get("-e", ""),
                      "-c" in options)


def _stopped_nginxes(view: View) -> Iterator[NginxInstance]:
    """Yield the stopped nginx as it would start: from its unit's command, else from the default configuration.

    Of several units prefer one that is not disabled, then one whose configuration has routes.
    """
    units = [u for u in dict.fromkeys(view.units.values()) if u.exec_start and is_nginx(u.exec_start[0])]
    unit = min(units, key=lambda u: (is_disabled(u), _has_no_routes(instance_of_unit(u, view), view)),
               default=None)
    place = instance_of_unit(unit, view) if unit is not None else _make_instance([DEFAULT_BINARY], None, ())
    if unit is None and (DEFAULT_CONF not in view.conf_files or view.conf_files[DEFAULT_CONF].status == "absent"):
        return
    built = _make_instance([BUILT_BINARY], None, ())
    rests = (unit is None or is_disabled(unit)) and _has_no_routes(place, view) and has_built_binary(view)
    yield built if rests and not _has_no_routes(with_build_options(built, view), view) else place


def reads_same_files(unit: Unit, place: NginxInstance, view: View) -> bool:
    """Return whether the unit would start nginx with the same files."""
    other = with_build_options(instance_of_unit(unit, view), view)
    return (other.conf, other.prefix) == (place.conf, place.prefix)


def is_disabled(unit: Unit) -> bool:
    """Return whether nothing starts it at boot and it has not failed: somebody disabled it."""
    return unit.unit_file_state in ("disabled", "masked") and unit.active_state != "failed"


def is_idle(place: NginxInstance, view: View) -> bool:
    """Return whether an nginx that does not run serves nobody: nothing starts it, or it has no route."""
    if place.master is not None:
        return False
    units = [u for u in dict.fromkeys(view.units.values()) if u.exec_start and is_nginx(u.exec_start[0])]
    return all(map(is_disabled, units)) or _has_no_routes(place, view)


def _has_no_routes(place: NginxInstance, view: View) -> bool:
    return has_no_routes(parsed_config(with_build_options(place, view), view))


def config_of(place: NginxInstance, view: View) -> Fact[NginxConfig]:
    """Return the configuration in the files on disk."""
    if apart := _own_root_setting(place, view):
        return Unknown(f"{apart} gives nginx its own root folder: it does not read {place.conf} of this node")
    main = view.conf_files.get(place.conf)
    config = parsed_config(place, view)
    if config is None:
        return Unknown(f"{place.conf}: {main.status if main else 'not read'}")
    more = f"{place.conf}: too large, and the rest was not read" if config.cut else ""
    cut = truncated_config_text(config, view) or more
    return Unknown(cut) if cut else Known(config, (Evidence("nginx-config", place.conf, ""),))


def _own_root_setting(place: NginxInstance, view: View) -> str:
    """Return the unit setting that gives nginx another root directory, empty if there is none."""
    unit = view.units.get((place.master.unit if place.master is not None else None) or "nginx.service")
    if unit is None or place.binary not in unit.exec_start[:1]:
        return ""
    contents = view.contents()
    lines = [x for path in (unit.fragment_path, *unit.drop_in_paths) for x in unit_lines(path, contents.get(path, b""))]
    said = ((key, last_value(lines, key).strip("\"'")) for key in ("RootDirectory", "RootImage"))
    return next((f"{key}={value}" for key, value in said if value not in ("", "/")), "")


def parsed_config(place: NginxInstance, view: View) -> NginxConfig | None:
    """Return the configuration in the bytes read so far; None if the main file was not read."""
    main = view.conf_files.get(place.conf)
    if main is None or not is_readable(main):
        return None
    pipes = [file for file in view.conf_files.values() if _is_pipe(file)]
    read = [*(file for file in view.conf_files.values() if is_readable(file)), *pipes]
    waits = frozenset(file.path for file in pipes)
    return parse_once(
        lambda: read_config({f.path: f.data for f in read}, place.conf, prefix=place.prefix, pipes=waits),
        "nginx", place.conf, *read,
    )


def _is_pipe(file: FileAnswer) -> bool:
    return file.stat is not None and file.stat.end.kind == "fifo"


def config_mtime(config: NginxConfig, view: View) -> Fact[float]:
    """Return the newest mtime of its files; for a link, of the link and of its target."""
    times = [time for path in config.files for time in change_times(view.conf_files.get(path))]
    return Known(max(times)) if times else Unknown("no file was read")


def change_times(file: FileAnswer | None) -> Iterator[float]:
    """Yield when a file changed; for a link, when the link and its target did."""
    if file is not None and file.stat is not None:
        yield file.stat.mtime
        if file.stat.target is not None:
            yield file.stat.target.mtime


def loaded_at(place: NginxInstance) -> Fact[float]:
    """Return the load time of the running configuration: the oldest live worker's start (crashed ones restart
    later)."""
    if place.master is None:
        return Unknown("nginx does not run")
    if not place.workers:
        return Known(place.master.started_at)
    oldest = min(place.workers, key=lambda p: p.started_at)
    return Known(oldest.started_at, (Evidence("nginx-process", f"pid {oldest.pid}", oldest.argv[0]),))


def can_test_config(place: NginxInstance, view: View) -> bool:
    """Return whether its `nginx -t` may run. As root on another user's configuration it would load their modules.
    It would also create the folders named there and change their owner."""
    return place.master is None or place.master.uid <= 0 or (view.node.kind != "machine" and not view.node.root)


def has_included_pipe(place: NginxInstance, view: View) -> bool:
    """Return whether its `nginx -t` would hang at an included pipe, which our own parser already shows."""
    config = parsed_config(place, view)
    return config is not None and any(problem.kind == PIPE for problem in config.problems)


def needs_config_test(place: NginxInstance, config: Fact[NginxConfig], view: View) -> bool:
    """Return whether `nginx -t` could add a fact: not running, edited since loading, a problem, or no log folder."""
    if isinstance(config, Unknown) or place.master is None or config.value.problems:
        return True
    if has_missing_folder(error_log_paths(place, config), view):
        return True
    loaded, edited = loaded_at(place), config_mtime(config.value, view)
    return isinstance(loaded, Known) and isinstance(edited, Known) and edited.value > loaded.value


def config_test_query(place: NginxInstance) -> Command:
    """Return the query for `nginx -t` as the running master would read its configuration."""
    prefix = place.prefix if place.explicit else ""
    return Command("nginx-test", (place.binary, place.conf if place.explicit else "", prefix))


def config_test_result(place: NginxInstance, view: View) -> Fact[tuple[int, str]]:
    """Return exit code and output of `nginx -t`, if it was run."""
    answer = view.node.answers.get(config_test_query(place))
    if answer is None and not can_test_config(place, view):
        return Unknown(TEST_NOT_ALLOWED)
    if answer is None and has_included_pipe(place, view):
        return Unknown(TEST_NEVER_ENDS)
    if answer is None:
        return Unknown("not tested: the running configuration is the one on disk")
    if answer.returncode is None:
        return Unknown(answer.message or answer.status)
    text = (answer.stderr + answer.data).decode("utf-8", "replace")
    where = f"{place.binary} -t"
    return Known((answer.returncode, text), (Evidence("nginx-test", where, text.strip()[-500:]),))


def error_log_paths(place: NginxInstance, config: Fact[NginxConfig]) -> tuple[str, ...]:
    """Return the files it logs errors to, the main one first; `stderr` if a container logs to its engine."""
    named = config.value.error_logs if isinstance(config, Known) else ()
    logs = [posixpath.normpath(posixpath.join(place.prefix, log)) if log != "stderr" else log for log in named]
    return tuple(dict.fromkeys([*logs, *([] if logs else [place.log_option or DEFAULT_LOG])]))


def log_query(path: str) -> ReadFile:
    """Return the query for the end of a log."""
    return ReadFile(path, LOG_TAIL, tail=True)


def later_log_query(path: str) -> ReadFile:
    """Return the query for the end of a log after our own requests; it differs from the first one."""
    return ReadFile(path, LOG_TAIL - 1, tail=True)


def journal_log_query(place: NginxInstance, config: Fact[NginxConfig], *, later: bool = False) -> Command | None:
    """Return the query for its unit's journal if its errors go there, by stderr or syslog.
    `later` is a different query, after our own requests."""
    unit = place.master.unit if place.master is not None else None
    if not unit or isinstance(config, Unknown) or not config.value.logs_to_journal:
        return None
    return Command("journal", (unit, JOURNAL_TAIL_LATER if later else JOURNAL_TAIL))


def _journal_events(place: NginxInstance, config: Fact[NginxConfig], view: View) -> tuple[ErrorEvent, ...] | None:
    """Return its errors in the journal; None if not asked or not answered."""
    queries = (journal_log_query(place, config, later=True), journal_log_query(place, config))
    for answer in (view.node.answers.get(query) for query in queries if query is not None):
        if answer is not None and answer.status == "ok":
            unit = place.master.unit if place.master is not None else ""
            lines = parse_journal(answer, unit or "")
            texts = [_SYSLOG_HEAD.sub("", line.text) for line in lines.value] if isinstance(lines, Known) else []
            return _parse_events("\n".join(texts).encode("utf-8", "surrogateescape"), f"journal {unit}",
                                 view.node.utc_offset)
    return None


def error_events(place: NginxInstance, config: Fact[NginxConfig], view: View, docker_logs: Answer | None,
              container: str = "") -> Fact[tuple[ErrorEvent, ...]]:
    """Return the newest events of the error logs, oldest first. `docker_logs` is the log of `container`."""
    events: list[ErrorEvent] = []
    reasons: list[str] = []
    seen = False
    for path in error_log_paths(place, config):
        file = _later_log(path, view) or _file_answer(log_query(path), view)
        held = deleted_log(place, path, view, LOG_TAIL) if file is None or file.status == "absent" else None
        if held is not None:
            seen = True
            events += _parse_events(held.data, f"{path} (deleted)", view.node.utc_offset, held.truncated)
        elif file is not None and is_readable(file) and file.stat is not None and _is_regular_file(file):
            seen = True
            events += _parse_events(file.data, path, view.node.utc_offset, file.truncated)
        elif docker_logs is not None and docker_logs.status == "ok":
            seen = True
            events += _parse_events(_without_docker_stamps(docker_logs), f"docker logs {container}".rstrip(), 0.0)
        else:
            reasons.append(f"{path}: {_unread_reason(file, docker_logs)}")
    kept = _journal_events(place, config, view)
    if kept is not None:
        seen, events = True, [*events, *kept]
    if not seen:
        return Unknown("; ".join(reasons))
    return Known(tuple(sorted(events, key=lambda event: event.at)[-MOST_EVENTS:]))


def _unread_reason(file: FileAnswer | None, docker_logs: Answer | None) -> str:
    """Return why a log was not read. For one that is no regular file (stderr) it is the reason of `docker logs`."""
    if file is None:
        return "not read"
    if file.status == "ok" and docker_logs is not None:
        return docker_logs.message or docker_logs.status
    return file.status if file.status != "ok" else "it is no file"


def _file_answer(query: ReadFile, view: View) -> FileAnswer | None:
    answer = view.node.answers.get(query)
    return answer.files[0] if answer is not None and answer.files else None


def _later_log(path: str, view: View) -> FileAnswer | None:
    """Return the later reading of a log; None if it was read only once."""
    file = _file_answer(later_log_query(path), view)
    return file if file is not None and is_readable(file) else None


def _is_regular_file(file: FileAnswer) -> bool:
    stat = file.stat.target if file.stat is not None and file.stat.target is not None else file.stat
    return stat is not None and stat.kind == "file"


def _parse_events(data: bytes, where: str, utc_offset: float, cut: bool = False) -> tuple[ErrorEvent, ...]:
    return parse_once(lambda: parse_error_log(data, where=where, utc_offset=utc_offset, cut=cut), "errors", data, where,
                      utc_offset, cut)


def _without_docker_stamps(answer: Answer) -> bytes:
    """Return the lines of `docker logs --timestamps` without Docker's timestamp."""
    lines = (answer.data + b"\n" + answer.stderr).split(b"\n")
    return b"\n".join(line.split(b" ", 1)[-1] for line in lines)
