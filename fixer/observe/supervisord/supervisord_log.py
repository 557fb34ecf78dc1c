"""supervisord's own log: what it did with each program, and how each of their runs ended."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.service import ProgramState
from fixer.observe.view.docker_inspect import days_from_epoch

_LINE = regex(rb"^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d),(\d{3}) [A-Z]+ (.*)$")
_SPAWNED = regex(r"^spawned: '([^']+)' with pid (\d+)$")
_SUCCESS = regex(r"^success: (\S+) entered RUNNING state")
_EXITED = regex(r"^exited: (\S+) \((.*?)(?:; (not expected|expected))?\)$")
_STOPPED = regex(r"^stopped: (\S+) \((.*)\)$")
_SPAWN_ERROR = regex(r"^spawnerr: (.*)$")
_GAVE_UP = regex(r"^gave up: (\S+) entered FATAL state")
_BEGUN = regex(r"^supervisord started with pid (\d+)$")
_SIGNAL = regex(r"terminated by SIG([A-Z0-9]+)")
_NUMBERS = {"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "SEGV": 11, "PIPE": 13,
            "TERM": 15}
_RETRYING = 30.0     # seconds between an end and a try that somebody stopped
_TRIED = 5.0         # seconds in which such a try may have been called running: an application loads that long
RECENT = 180.0        # seconds in which an unexpected end counts as one of a row


@dataclass(frozen=True, slots=True)
class Event:
    """One line about a program (process name), or about supervisord itself (name empty)."""

    at: float
    name: str
    kind: str          # begun, spawned, success, exited, stopped, gave-up, spawn-error
    pid: int
    detail: str
    expected: bool
    text: str


@dataclass(frozen=True, slots=True)
class Course:
    """What became of one program."""

    state: ProgramState
    pid: int
    started_at: float
    ended: str
    signal: int
    expected: bool
    ended_at: float
    restarts: int
    events: tuple[Event, ...]
    ended_run: float = 0.0       # when the run began that ended last


def read_log(data: bytes, utc_offset: float) -> tuple[Event, ...]:
    """The events in order; the log's time is the machine's local time."""
    events: list[Event] = []
    spawned = ""
    for raw in data.split(b"\n"):
        match = _LINE.match(raw.rstrip(b"\r"))
        if match is None:
            continue
        year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
        midnight = days_from_epoch(year, month, day) * 86400
        at = midnight + hour * 3600 + minute * 60 + second + int(match[7]) / 1000 - utc_offset
        event = _event(at, match[8].decode("utf-8", "replace"), spawned)
        if event is not None:
            events.append(event)
            spawned = event.name or spawned
    return tuple(events)


def _event(at: float, text: str, last: str) -> Event | None:
    if m := _SPAWNED.match(text):
        return Event(at, m[1], "spawned", int(m[2]), "", True, text)
    if m := _SUCCESS.match(text):
        return Event(at, m[1], "success", 0, "", True, text)
    if m := _EXITED.match(text):
        return Event(at, m[1], "exited", 0, m[2], m[3] != "not expected", text)
    if m := _STOPPED.match(text):
        return Event(at, m[1], "stopped", 0, m[2], True, text)
    if m := _GAVE_UP.match(text):
        return Event(at, m[1], "gave-up", 0, "", False, text)
    if m := _BEGUN.match(text):
        return Event(at, "", "begun", int(m[1]), "", True, text)
    if m := _SPAWN_ERROR.match(text):
        return Event(at, last, "spawn-error", 0, m[1], False, text)
    return None


def course_of(names: Iterable[str], events: tuple[Event, ...], now: float) -> Course | None:
    """What the log tells of the program since supervisord began; None where it is silent about it."""
    wanted = set(names)
    mine: list[Event] = []
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
                # what somebody starts after a stop that was asked for is no try of a row of bad ends
                row = event.at if state == "STOPPED" and expected else row
                state, pid, started = "STARTING", event.pid, event.at
            case "success":
                state = "RUNNING"
            case "exited":
                ended, expected, ended_at, run = event.detail, event.expected, event.at, started
                state, pid = "BACKOFF" if state == "STARTING" else "EXITED", 0
            case "stopped" if not expected and event.at - ended_at < _RETRYING and (
                    state == "STARTING" or event.at - started < _TRIED):
                state, pid = "STOPPED", 0           # in the middle of its tries: it still ended as it did before them
            case "stopped":
                state, pid, ended, expected, ended_at = "STOPPED", 0, event.detail, True, event.at
            case "gave-up":
                state, pid, ended_at, expected = "FATAL", 0, ended_at or event.at, False
            case _:
                state, pid, ended, expected, ended_at = "BACKOFF", 0, event.detail, False, event.at
    bad = [e for e in mine if e.kind == "exited" and not e.expected and e.at > max(now - RECENT, row)]
    signal = _SIGNAL.search(ended)
    number = _NUMBERS.get(signal[1], 0) if signal is not None else 0
    return Course(state, pid, started, ended, number, expected, ended_at, len(bad), tuple(mine), run)
