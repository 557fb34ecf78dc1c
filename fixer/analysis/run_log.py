"""The log of a service since its last start: the lines of the failed run, its end, and whether it came to serve."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from fixer.analysis.evidence import ENGINE, clock_of, find_node, log_evidence
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import is_unwatched, restart_count_of, run_state_of, start_time_of
from fixer.formats.application_servers import STARTUP_COMPLETE, WORKER_EXITING, server_of
from fixer.formats.run_output import (
    STOPPING_LINE,
    ends_run,
    is_request_line,
    is_traceback_start,
    says_goodbye,
    says_server_starting,
    says_start_failed,
    says_starting,
)
from fixer.formats.service_log import JOURNAL_MARK
from fixer.formats.unit_events import event_in, is_manager_text
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Endpoint, LogLine, Service, Snapshot
from fixer.model.unit_event import UnitEvent, UnitEventKind

_KILLED_EXIT = 137      # 128 + KILL
# `1764000000.123456 host uvicorn[812]: text` (journal as text), `2026-01-02T03:04:05.6Z text` (docker)
_PREFIX = regex(r"^(?:\d{9,}\.\d+ \S+ [^\s:\[]+(?:\[\d+\])?: |\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d) )")
_FATAL = regex(r"^gave up: \S+ entered FATAL state")      # supervisord
_SIGNAL_HANDLED = regex(r"^(?:\[[^]]*\] *)+Handling signal: (?:term|int|quit)$")
_REENTRANT_CALL = regex(r"^(?:RuntimeError|Error): reentrant call inside <_io\.\w+ name=")
_GUNICORN = server_of("gunicorn").log
_BOOTING = regex(rf"^(?:\[[^]]*\] *)+(?:{'|'.join((*_GUNICORN.starts, *_GUNICORN.ready))})")
_INTRODUCES = regex(r"(?i)\b(?:error|exception|critical|warning|during handling|direct cause)\b")
ENGINE_SLACK = 0.3       # seconds that a busy engine may be late in recording a start
_AT_ONCE = 3.0           # seconds between an end and a start of systemd that belong together
LOOPING_SPAN = 180.0     # seconds of log that count while a service restarts repeatedly
_TAIL_LINES = 120        # lines of a run's end that are read


def message_of(line: LogLine) -> str:
    """Return the text that the program wrote, without the prefix of journald or Docker."""
    return _PREFIX.sub("", line.text, count=1)


def event_of(line: LogLine) -> UnitEvent | None:
    """Return what the service manager says by that line; None for a line of the program."""
    return _event_in_line(line.text) if line.writer == "unknown" else line.event


@lru_cache(maxsize=4096)  # each cause that looks at a run asks for its lines again
def _event_in_line(text: str) -> UnitEvent | None:
    return event_in(_PREFIX.sub("", text, count=1))


def is_manager_line(line: LogLine) -> bool:
    """Return whether the service manager wrote the line, or seems to have written it."""
    if line.writer != "unknown":
        return line.writer == "manager"
    return is_manager_text(message_of(line)) or is_manager_text(line.text)


def program_lines(lines: Sequence[LogLine]) -> tuple[LogLine, ...]:
    """Return the lines of the program itself: without empty lines and without those of its service manager."""
    return tuple(line for line in lines if message_of(line).strip() and not is_manager_line(line))


def is_start_line(line: LogLine) -> bool:
    """Return whether the manager begins a start by that line, or has done it."""
    event = event_of(line)
    return event is not None and event.is_start


def _is_stop_line(line: LogLine) -> bool:
    event = event_of(line)
    return event is not None and event.is_stop


def has_kind(line: LogLine, *kinds: UnitEventKind) -> bool:
    """Return whether the manager says one of these by that line."""
    event = event_of(line)
    return event is not None and event.kind in kinds


def has_log(service: Service) -> bool:
    """Return whether the log could be read."""
    return isinstance(service.log, Known)


def lines_of(service: Service) -> tuple[LogLine, ...]:
    """Return all lines that were read."""
    return service.log.or_else(())


def skipped_by_condition(service: Service) -> bool:
    """Return whether a condition of the unit refused its last start: that is why it is down, not its last end."""
    return service.unit is not None and not service.running and not service.unit.condition_result


def last_run_lines(snapshot: Snapshot, service: Service) -> tuple[LogLine, ...]:
    """Return the lines since the last start; while the service restarts repeatedly, those of the last few minutes."""
    lines = lines_of(service)
    if is_unwatched(service):
        own = [line for line in lines if not line.where.startswith(JOURNAL_MARK)]
        return unmanaged_run_lines(own, max(_start_of_node(snapshot, service.node), start_time_of(service)))
    now = clock_of(snapshot, service.node)
    if is_restarting(service):
        recent = tuple(line for line in lines if line.at is None or line.at >= now - LOOPING_SPAN)
        return _last_two_runs(lines_since_stop_request(recent) if service.unit is not None else recent)
    begun = start_time_of(service)
    if begun:
        lines = _container_run_lines(lines, begun) if service.container is not None else tuple(
            line for line in lines if line.at is None or line.at >= begun - 2.0)
    return _lines_after_last(lines, is_start_line)


def _start_of_node(snapshot: Snapshot, name: str) -> float:
    """Return when the node last started: a container that starts does not boot its machine."""
    boxes = (s for s in snapshot.services if s.node == name and s.container is not None and not s.container.is_machine)
    return max(snapshot.node(name).boot_at.or_else(0.0), *(start_time_of(box) - ENGINE_SLACK for box in boxes), 0.0)


def unmanaged_run_lines(lines: Sequence[LogLine], booted_at: float) -> tuple[LogLine, ...]:
    """Return the lines of the last run since the boot, which no manager marks. It begins behind an orderly shutdown if
    an exception follows that, else at the server's own first line, and at the last exception that nothing introduces:
    what a server catches while it serves, it introduces."""
    # an engine's log has the empty lines between exceptions, a file's does not
    kept = [line for line in lines if (line.at is None or line.at >= booted_at) and message_of(line).strip()]
    texts = [message_of(line) for line in kept]
    after_end = _index_after_last(texts, says_goodbye)
    started = max(0, _index_after_last(texts, says_starting) - 1)
    if any(map(says_start_failed, texts[started:])) and (whole := _index_after_last(texts, says_server_starting)):
        started = min(started, whole - 1)       # a worker may boot after another one has failed
    begin = max(started, after_end) if any(map(ends_run, texts[after_end:])) else started
    raised = [i for i in range(begin, len(texts)) if is_traceback_start(texts[i])
              and not (i > begin and _INTRODUCES.search(texts[i - 1]))]
    return tuple(kept[raised[-1] if raised else begin:])


def _index_after_last(texts: Sequence[str], matches: Callable[[str], bool]) -> int:
    return next((i + 1 for i in range(len(texts) - 1, -1, -1) if matches(texts[i])), 0)


def lines_since_stop_request(lines: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    """Return the lines after the last request to stop or restart the unit: another row of tries started with it. For
    its own restarts systemd logs "Stopped", never "Stopping"."""
    return _lines_after_last(lines, lambda line: has_kind(line, "stopping"))


def _lines_after_requested_end(lines: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    """Return the lines from the start after the last request to stop it: the end before that start was asked for."""
    after = lines_since_stop_request(lines)
    first = next((at for at, line in enumerate(after) if is_start_line(line)), len(after))
    return after[first:] if len(after) < len(lines) else lines


def _last_two_runs(lines: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    """Return the last ended run and the one after it, if systemd logged their starts. What ended an earlier run may be
    repaired since."""
    begins = [at for at, line in enumerate(lines) if has_kind(line, "restart-scheduled")]
    return lines[begins[-2]:] if len(begins) > 1 else lines


def _container_run_lines(lines: Sequence[LogLine], begun: float) -> tuple[LogLine, ...]:
    """Return the lines of the last run of a container. The engine records the start some milliseconds before or after
    the first line of a program that exits at once. The run before may end in the same second, with a shutdown line."""
    kept = [line for line in lines if line.at is None or line.at >= begun - ENGINE_SLACK]
    before = [i for i, line in enumerate(kept) if line.at is not None and line.at < begun and _is_shutdown_line(line)]
    return tuple(kept[before[-1] + 1:] if before else kept)


def _is_shutdown_line(line: LogLine) -> bool:
    text = message_of(line)
    return says_goodbye(text) or (WORKER_EXITING in text and not is_request_line(text))


def is_restarting(service: Service) -> bool:
    """Return whether its service manager restarts it repeatedly, or has just done so."""
    return run_state_of(service) == "looping" or (run_state_of(service) == "running" and has_restarted(service))


_JUST_STARTED = 20.0     # seconds: a service that restarts repeatedly is "running" most of the time


def has_just_restarted(snapshot: Snapshot, service: Service) -> bool:
    """Return whether its service manager has just restarted it by itself: it may end again at any moment."""
    return run_state_of(service) == "running" and has_restarted(service) and (
        clock_of(snapshot, service.node) - start_time_of(service) < _JUST_STARTED)


def is_looping(snapshot: Snapshot, service: Service, endpoint: Endpoint) -> bool:
    """Return whether it ends again and again: between two runs, or in a run that has just started and of which its
    address shows nothing."""
    return run_state_of(service) == "looping" or (
        is_closed(endpoint) is not False and has_just_restarted(snapshot, service))


def has_restarted(service: Service) -> bool:
    """Return whether its service manager restarted it by itself. systemd does not count how often it starts a service
    on a connection: if the service ended by itself and the connection still waits, it starts again at once."""
    if restart_count_of(service) > 0 or service.socket is None:
        return restart_count_of(service) > 0
    lines = _lines_after_requested_end(lines_of(service))
    latest = max((line.at for line in lines if line.at is not None), default=0.0)
    marks = [line for line in lines if has_kind(line, "starting", "started", "succeeded", "main-exited")]
    return any(is_start_line(later) and not is_start_line(ended)
               and latest - LOOPING_SPAN <= (ended.at or 0.0) and (later.at or 0.0) - (ended.at or 0.0) <= _AT_ONCE
               for ended, later in pairwise(marks))


def is_word_on_run(line: LogLine) -> bool:
    """Return whether the manager wrote it, and not about a job that was asked of it."""
    return is_manager_line(line) and not has_kind(line, "starting", "started", "stopping", "start-failed")


def _lines_after_last(lines: Sequence[LogLine], is_mark: Callable[[LogLine], bool]) -> tuple[LogLine, ...]:
    for index in range(len(lines) - 1, -1, -1):
        if is_mark(lines[index]):
            return tuple(lines[index + 1:])
    return tuple(lines)


def gave_up_line(service: Service) -> LogLine | None:
    """Return the manager's line that it restarts the service no more, if no start follows it."""
    if service.program is not None and service.program.state != "FATAL":
        return None
    for line in reversed(lines_of(service)):
        if has_kind(line, "start-limit") or _FATAL.search(message_of(line)):
            return line
        if is_start_line(line):
            return None
    return None


def was_stopped(snapshot: Snapshot, service: Service) -> bool:
    """Return whether the service was stopped on request: systemd says so, or the program logged its own shutdown."""
    lines = last_run_lines(snapshot, service)
    return any(_is_stop_line(line) or STOPPING_LINE.search(message_of(line)) for line in lines[-40:])


def is_last_run_stopped(snapshot: Snapshot, service: Service) -> bool:
    """Return whether systemd logged a request to stop or restart the unit after its last start: its last run did not
    end by itself."""
    return service.unit is not None and any(has_kind(line, "stopping")
                                            for line in last_run_lines(snapshot, service))


def was_asked_to_stop(snapshot: Snapshot, service: Service) -> bool:
    """Return whether the service was asked to stop. `docker stop` kills a slow program (exit code 137) after its log
    shows the shutdown. A log call during shutdown may also have failed."""
    box = service.container
    if box is not None and box.exit_code == _KILLED_EXIT:
        return not box.oom_killed and (was_stopped(snapshot, service) or was_ended_by_person(snapshot, service))
    return _has_reentrant_exit(snapshot, service)


def was_ended_by_person(snapshot: Snapshot, service: Service) -> bool:
    """Return whether somebody ended the container by the engine: `docker stop` past its grace period, or `docker kill`.
    Its restart policy starts it again after any other end, and it stays down. An engine that does so only while it runs
    (Podman) does not after a boot."""
    box, engine = service.container, find_node(snapshot, ENGINE)
    if box is None or box.status not in ("exited", "dead") or box.exit_code != _KILLED_EXIT:
        return False
    if box.oom_killed or box.error:
        return False
    booted = engine.boot_at.or_else(0.0) if engine is not None else 0.0
    again = box.restart_policy in ("always", "unless-stopped") or (
        box.restart_policy == "on-failure" and not box.restart_count)      # else its tries may be used up
    return again and box.finished_at >= booted


def _has_reentrant_exit(snapshot: Snapshot, service: Service) -> bool:
    """Return whether gunicorn's signal handler failed in a log call: a worker ended during a write (status 1)."""
    run = last_run_lines(snapshot, service)
    since = _lines_after_last(run, lambda line: _SIGNAL_HANDLED.search(message_of(line)) is not None)
    return len(since) < len(run) and any(_REENTRANT_CALL.search(message_of(line)) for line in since) and not any(
        _BOOTING.search(message_of(line)) for line in since)


def has_exited_by_itself(snapshot: Snapshot, service: Service) -> bool:
    """Return whether its log reaches back to a start and shows an end without a request to stop."""
    lines = lines_of(service)
    run = _lines_after_last(lines, is_start_line)
    ended = any(has_kind(line, "succeeded") for line in run)
    return len(run) < len(lines) and ended and not any(map(_is_stop_line, run))


def stop_request_line(service: Service, since: float, until: float) -> LogLine | None:
    """Return the first line of that time that shows the request to stop before the last start: none of an earlier
    run."""
    lines = [line for line in lines_of(service) if line.at is not None and since <= line.at <= until]
    starts = [n for n, line in enumerate(lines) if is_start_line(line)]
    stops = [n for n, line in enumerate(lines) if (not starts or n < starts[-1]) and (
        _is_stop_line(line) or STOPPING_LINE.search(message_of(line)))]
    begun = max((n for n in starts if stops and n < stops[-1]), default=-1)
    return next((lines[n] for n in stops if n > begun), None)


def clean_exit_evidence(service: Service) -> tuple[Evidence, ...]:
    """Return systemd's own line that the unit ended successfully, without a request to stop."""
    for line in reversed(lines_of(service)):
        if has_kind(line, "succeeded"):
            return (log_evidence(line.text, line.where),)
    return ()


# One kill from outside, after which systemd restarted the unit: a restart, not a loop.
_SYSTEMD_KILLS = ("oom-kill", "start-timeout", "stop-timeout", "timeout", "watchdog", "runtime-limit")
# signals that a person or a script sends; the others are the program's own faults
_EXTERNAL_SIGNALS = frozenset({1, 2, 3, 9, 15})


def single_external_kill(snapshot: Snapshot, service: Service) -> LogLine | None:
    """Return systemd's line about the only end of the last minutes, if it was such a kill and the next run started."""
    unit = service.unit
    if unit is None or not unit.n_restarts or unit.sub_state == "auto-restart" or not service.running:
        return None
    since = clock_of(snapshot, service.node) - LOOPING_SPAN
    recent = lines_since_stop_request(tuple(line for line in lines_of(service) if line.at is not None
                                            and line.at >= since))
    events = [(line, event) for line in recent if (event := event_of(line)) is not None]
    ends = [(line, event) for line, event in events if event.kind == "main-exited"]
    if len(ends) != 1 or any(event.kind in _SYSTEMD_KILLS or event.result not in ("", "signal") for _, event in events):
        return None
    line, event = ends[0]
    return line if event.code == "killed" and event.status in _EXTERNAL_SIGNALS else None


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The last lines of a run. `texts` are their messages; the text of a request line is empty: it proves nothing.

    `served_at` is the index of the last line that says that this run came up, -1 if no line does.
    """

    lines: tuple[LogLine, ...]
    texts: tuple[str, ...]
    served_at: int

    def newest_first(self) -> Iterator[int]:
        """Return the indices from the last line back to the one that says that the run came up."""
        return iter(range(len(self.lines) - 1, self.served_at, -1))

    def find_last(self, matches: Callable[[str], object]) -> int | None:
        """Return the index of the last line that matches, wherever the run came up."""
        return next((i for i in range(len(self.texts) - 1, -1, -1) if self.texts[i] and matches(self.texts[i])), None)

    def last_line(self, pattern: re.Pattern[str]) -> LogLine | None:
        """Return the last line in which the pattern occurs."""
        index = self.find_last(pattern.search)
        return None if index is None else self.lines[index]

    def above(self, line: LogLine, most: int) -> tuple[str, ...]:
        """Return the texts of up to `most` lines above the line."""
        index = next((i for i, one in enumerate(self.lines) if one is line), 0)
        return self.texts[max(0, index - most):index]


NO_OUTPUT = RunEnd((), (), -1)


def read_run_end(lines: Sequence[LogLine], since: float = 0.0, most: int = _TAIL_LINES) -> RunEnd:
    """Read the last `most` lines of a run that began at `since`: an earlier run may have come up before it."""
    tail = tuple(lines[-most:])
    texts = tuple("" if is_request_line(text) else text for line in tail for text in (message_of(line).rstrip(),))
    served = [i for i, line in enumerate(tail) if STARTUP_COMPLETE in texts[i]
              and (line.at is None or line.at >= since)]
    return RunEnd(tail, texts, served[-1] if served else -1)


def may_tell_of_proxy(service: Service) -> bool:
    """Return whether a variable of an application names a proxy, and its log speaks of one: a look before any
    pattern."""
    return service.is_app_server and any(not variable.is_exception for variable in service.proxies) and any(
        "roxy" in line.text or "unnel" in line.text or "CONNECT" in line.text for line in service.log.or_else(()))
