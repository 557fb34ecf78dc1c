"""supervisord's log: its events for each program, and how each run ended."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import zip_longest

from fixer.formats.application_servers import MASTER_FINISHED, SERVER_FINISHED, SERVER_STARTED, STARTUP_COMPLETE
from fixer.formats.ini_file import IniSection
from fixer.formats.run_output import WORKER_DIED, WORKER_RECYCLED
from fixer.formats.server_names import is_nginx
from fixer.formats.service_log import days_from_epoch, parse_docker_logs
from fixer.lazy.dataclass import dataclass
from fixer.lazy.parse_cache import parse_once
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.query import Command
from fixer.model.service import ProgramState
from fixer.model.snapshot import Container, LogLine
from fixer.observe.supervisord.supervisord_config import Supervisord, main_sections, supervisord_log_query
from fixer.observe.view.node_view import ENGINE, View, container_of

_LINE = regex(rb"^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d),(\d{3}) [A-Z]+ (.*)$")
_SPAWNED = regex(r"^spawned: '([^']+)' with pid (\d+)$")
_SUCCESS = regex(r"^success: (\S+) entered RUNNING state")
_EXITED = regex(r"^exited: (\S+) \((.*?)(?:; (not expected|expected))?\)$")
_STOPPED = regex(r"^stopped: (\S+) \((.*)\)$")
_SPAWN_ERROR = regex(r"^spawnerr: (.*)$")
_GAVE_UP = regex(r"^gave up: (\S+) entered FATAL state")
_DAEMON_STARTED = regex(r"^supervisord started with pid (\d+)$")
_SIGNAL = regex(r"terminated by SIG([A-Z0-9]+)")
_SIGNAL_NUMBERS = {"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "SEGV": 11,
                   "PIPE": 13,
            "TERM": 15}
_RETRY_SECONDS = 30.0     # seconds between an exit and a retry that somebody stopped
_TRY_SECONDS = 5.0         # seconds: such a retry may be RUNNING for this time while the application loads
RECENT_SECONDS = 180.0        # seconds in which unexpected exits count as one series


@dataclass(frozen=True, slots=True)
class ProgramEvent:
    """One log line about a program (process name), or about supervisord itself (name empty)."""

    at: float
    name: str
    kind: str          # begun, spawned, success, exited, stopped, gave-up, spawn-error
    pid: int
    detail: str
    expected: bool
    text: str


@dataclass(frozen=True, slots=True)
class ProgramHistory:
    """The state and last exit of one program, from its events."""

    state: ProgramState
    pid: int
    started_at: float
    exit_detail: str
    signal: int
    expected: bool
    ended_at: float
    restarts: int
    events: tuple[ProgramEvent, ...]
    last_run_started_at: float = 0.0       # start of the run that ended last

    @property
    def stopped_try_at(self) -> float:
        """Return the second in which the try began that somebody stopped before it failed; inf if there was none."""
        was_tried = self.state == "STOPPED" and not self.expected and self.started_at > self.last_run_started_at
        return math.floor(self.started_at) if was_tried else math.inf


def log_events(place: Supervisord, view: View, stream: Stream = ()) -> tuple[ProgramEvent, ...]:
    """Return the events of its log, or of the container's log if it is the first process there."""
    answer = view.node.answers.get(supervisord_log_query(main_sections(place, view), posixpath.dirname(place.conf)))
    file = answer.files[0] if answer is not None and answer.files else None
    data = (file.data if file is not None else b"") or _stream_bytes(stream)
    return parse_once(partial(parse_supervisord_log, data, view.node.utc_offset), "supervisor", data,
                      view.node.utc_offset)


def parse_supervisord_log(data: bytes, utc_offset: float) -> tuple[ProgramEvent, ...]:
    """Return the events in order; the log's timestamps are local time."""
    events: list[ProgramEvent] = []
    spawned = ""
    for raw in data.split(b"\n"):
        match = _LINE.match(raw.rstrip(b"\r"))
        if match is None:
            continue
        year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
        midnight = days_from_epoch(year, month, day) * 86400
        at = midnight + hour * 3600 + minute * 60 + second + int(match[7]) / 1000 - utc_offset
        event = _parse_event(at, match[8].decode("utf-8", "replace"), spawned)
        if event is not None:
            events.append(event)
            spawned = event.name or spawned
    return tuple(events)


def _parse_event(at: float, text: str, last: str) -> ProgramEvent | None:
    if m := _SPAWNED.match(text):
        return ProgramEvent(at, m[1], "spawned", int(m[2]), "", True, text)
    if m := _SUCCESS.match(text):
        return ProgramEvent(at, m[1], "success", 0, "", True, text)
    if m := _EXITED.match(text):
        return ProgramEvent(at, m[1], "exited", 0, m[2], m[3] != "not expected", text)
    if m := _STOPPED.match(text):
        return ProgramEvent(at, m[1], "stopped", 0, m[2], True, text)
    if m := _GAVE_UP.match(text):
        return ProgramEvent(at, m[1], "gave-up", 0, "", False, text)
    if m := _DAEMON_STARTED.match(text):
        return ProgramEvent(at, "", "begun", int(m[1]), "", True, text)
    if m := _SPAWN_ERROR.match(text):
        return ProgramEvent(at, last, "spawn-error", 0, m[1], False, text)
    return None


def history_of(names: Iterable[str], events: tuple[ProgramEvent, ...], now: float) -> ProgramHistory | None:
    """Return the program's history since supervisord started; None if the log does not mention it."""
    wanted = set(names)
    mine: list[ProgramEvent] = []
    for event in events:
        if event.kind == "begun":
            mine = []
        elif event.name in wanted:
            mine.append(event)
    if not mine:
        return None
    state: ProgramState = "UNKNOWN"
    pid, started, ended_at, ended, expected, run, row = 0, 0.0, 0.0, "", True, 0.0, 0.0
    for event in mine:
        match event.kind:
            case "spawned":
                # a start after a requested stop begins a new series of exits
                row = event.at if state == "STOPPED" and expected else row
                state, pid, started = "STARTING", event.pid, event.at
            case "success":
                state = "RUNNING"
            case "exited":
                ended, expected, ended_at, run = event.detail, event.expected, event.at, started
                state, pid = "BACKOFF" if state == "STARTING" else "EXITED", 0
            case "stopped" if not expected and event.at - ended_at < _RETRY_SECONDS and (
                    state == "STARTING" or event.at - started < _TRY_SECONDS):
                state, pid = "STOPPED", 0           # stopped during its retries: the exit before them counts
            case "stopped":
                state, pid, ended, expected, ended_at = "STOPPED", 0, event.detail, True, event.at
            case "gave-up":
                state, pid, ended_at, expected = "FATAL", 0, ended_at or event.at, False
            case _:
                state, pid, ended, expected, ended_at = "BACKOFF", 0, event.detail, False, event.at
    # an expected exit counts as others do if supervisord itself starts the program again
    bad = [e for e, after in zip_longest(mine, mine[1:]) if e.kind == "exited" and e.at > max(now - RECENT_SECONDS, row)
           and not (e.expected and (after is None or after.kind != "spawned" or after.at - e.at > _RETRY_SECONDS))]
    signal = _SIGNAL.search(ended)
    number = _SIGNAL_NUMBERS.get(signal[1], 0) if signal is not None else 0
    return ProgramHistory(state, pid, started, ended, number, expected, ended_at, len(bad), tuple(mine), run)


# Log lines of supervisord and its programs in the log of a container whose first process it is.
STREAM_LINES = "2000"     # includes nginx's access log
_STREAM_FILES = frozenset(f"{folder}{name}" for folder, names in (
    ("/dev/", ("stdout", "stderr", "fd/1", "fd/2")), ("/proc/self/fd/", ("1", "2"))) for name in names)
# Lines that end a healthy or orderly run: older lines do not count. gunicorn logs its master's end as an error if its
# workers fail to boot, and is restarted at once.
_RUN_FINISHED = regex(rf"{STARTUP_COMPLETE}|{SERVER_FINISHED}|\[INFO\] {MASTER_FINISHED}")
# gunicorn before 22 logs the same line after a failure, and then the reason
_FAILURE_REASON = regex(r"\] Reason: \S")
_OTHER_WRITER = regex(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ (?:spawned|success|exited|stopped|gave up|waiting|"
    r"supervisord|Set uid|RPC|Included|daemonizing|spawnerr|received|Unlinking|reaped)\b"
    r"|^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\w+\] \d+#\d+: "
    r"|^\S+ - \S+ \[[^\]]+\] \""
)

LEAST_RUNS, MOST_RUNS = 2, 4      # ended runs that are compared
_ENDS = frozenset({"exited", "stopped", "gave-up", "spawn-error"})
_NUMBER = regex(r"0x[0-9a-f]+|\d+")      # times, process ids and addresses differ from run to run

Stream = tuple[LogLine, ...]


def stream_query(box: Container) -> Command:
    """Return the query for the last lines of the container's log."""
    return Command("docker-logs", (box.name, STREAM_LINES))


def stream_container(view: View, containers: tuple[Container, ...]) -> Container | None:
    """Return the container of a node if its first process may write to the container's log."""
    return container_of(view.name, containers) if view.init != "systemd" else None


def stream_of(view: View, views: Mapping[str, View], containers: tuple[Container, ...]) -> Stream:
    """Return the lines read from that log; empty on a machine."""
    box, engine = stream_container(view, containers), views.get(ENGINE)
    read = parse_docker_logs(engine.node.answers.get(stream_query(box)), box.name) if box and engine else None
    return read.value if isinstance(read, Known) else ()


def _stream_bytes(stream: Stream) -> bytes:
    """Return the lines as supervisord's log file would contain them."""
    return "\n".join(line.text for line in stream).encode()


def own_stream_lines(section: IniSection, programs: Sequence[IniSection], stream: Stream,
                     since: float, until: float = math.inf) -> Stream | None:
    """Return the program's own lines since its run started; None if other programs than nginx write there too."""
    writers = [one for one in programs if _writes_to_stream(one) and not _runs_nginx(one)]
    if not stream or [(one.file, one.line) for one in writers] != [(section.file, section.line)]:
        return None
    return lines_since_healthy(tuple(line for line in stream if (line.at is None or line.at >= since - 2.0)
                            and not _OTHER_WRITER.search(line.text)), since, until)


def lines_of_each_run(names: Collection[str], stream: Stream) -> Stream:
    """Return the lines of the last ended run that every recent run said, and nobody said between its runs: among
    several writers they are the program's own. None of a program that ended once."""
    runs: list[list[LogLine]] = []
    others: set[str] = set()
    run: list[LogLine] | None = None
    torn = True         # the first lines may be of a run whose start was cut off
    for line in stream:
        head = _LINE.match(line.text.encode("utf-8", "replace"))
        event = _parse_event(0.0, head[8].decode("utf-8", "replace"), "") if head is not None else None
        if event is not None and event.kind == "begun":
            runs, run, others, torn = [], None, set(), False
        elif event is not None and event.name in names:
            if run is not None and event.kind in _ENDS:
                runs.append(run)
            run = [] if event.kind == "spawned" else None if event.kind in _ENDS else run
            torn = False
        elif not _OTHER_WRITER.search(line.text):
            if run is not None:
                run.append(line)
            elif not torn:
                others.add(_without_numbers(line))
    if len(runs) < LEAST_RUNS:
        return ()
    said = [set(map(_without_numbers, one)) for one in runs[-MOST_RUNS:]]
    own = set.intersection(*said) - others
    return lines_since_healthy(tuple(line for line in runs[-1] if _without_numbers(line) in own))


def _without_numbers(line: LogLine) -> str:
    return _NUMBER.sub("0", line.text)


def _writes_to_stream(section: IniSection) -> bool:
    return any(section.text(f"{stream}_logfile") in _STREAM_FILES for stream in ("stdout", "stderr"))


def _runs_nginx(section: IniSection) -> bool:
    words = section.text("command").split()
    return bool(words) and is_nginx(posixpath.basename(words[0]))


def lines_since_healthy(lines: tuple[LogLine, ...], since: float = 0.0, until: float = math.inf) -> tuple[LogLine, ...]:
    """Return the lines since the program was last healthy, before `until`; and from before, since that time, its words
    on workers that ended, for their successors are healthy at once."""
    for index in range(len(lines) - 1, -1, -1):
        after = lines[index + 1].text if index + 1 < len(lines) else ""
        if (lines[index].at or 0.0) >= until:
            continue
        if _RUN_FINISHED.search(lines[index].text) and not _FAILURE_REASON.search(after) and _reached_serving(lines,
                                                                                                              index):
            return (*(line for line in lines[:index] if line.at is not None and line.at >= since and (
                WORKER_DIED.search(line.text) or WORKER_RECYCLED.search(line.text))), *lines[index + 1:])
    return lines


def _reached_serving(lines: tuple[LogLine, ...], end: int) -> bool:
    """Return whether the finished run had served: uvicorn also logs "Finished" if a retry is stopped."""
    if SERVER_FINISHED not in lines[end].text:
        return True
    before = (line.text for line in reversed(lines[:end]) if SERVER_STARTED in line.text
              or STARTUP_COMPLETE in line.text)
    return SERVER_STARTED not in next(before, "")
