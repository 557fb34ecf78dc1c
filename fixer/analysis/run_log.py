"""A service's own log since its last start: which lines belong to the run that failed, and what they say of its end."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fixer.analysis.evidence import clock_of, log_evidence
from fixer.analysis.service_state import restart_count_of, run_state_of, start_time_of
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import LogLine, Service, Snapshot

# `1764000000.123456 host uvicorn[812]: text` (journal, short-unix), `2026-01-02T03:04:05.6Z text` (docker)
_PREFIX = regex(r"^(?:\d{9,}\.\d+ \S+ [^\s:\[]+(?:\[\d+\])?: |\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d) )")
_MANAGER_LINE = regex(
    r"^\S+\.service: |^(?:Started|Starting|Stopped|Stopping|Failed to start|Scheduled restart) ?"
    r"|^\d{9,}\.\d+ \S+ (?:systemd(?:\[\d+\])?|\(\S+\)\[\d+\]): "
)
_STARTED = regex(r"^(?:Started|Starting) \S")
_SCHEDULED = regex(r"^\S+\.service: Scheduled restart job")
_GAVE_UP = regex(r"[Ss]tart request repeated too quickly|^gave up: \S+ entered FATAL state")
_STOPPING = regex(r"^Stopping \S")
_STOPPED = regex(r"^(?:Stopping|Stopped) \S")
_GRACEFUL_SHUTDOWN = regex(
    r"^(?:INFO: +|\[[^]]*\] *)*(?:Shutting down|Waiting for (?:connections to close|application shutdown|"
    r"background tasks)|Application shutdown|Handling signal: term|Received SIGTERM, exiting|Stopping parent process)"
)
_SIGNAL_HANDLED = regex(r"^(?:\[[^]]*\] *)+Handling signal: (?:term|int|quit)$")
_REENTRANT_CALL = regex(r"^(?:RuntimeError|Error): reentrant call inside <_io\.\w+ name=")
STARTUP_COMPLETE = regex(r"Application startup complete")      # uvicorn's own word, said once in a run
SERVING_LINE = regex(r"Application startup complete|[Rr]unning on (?:http|unix)|Listening at: |Serving on http")
_BOOTING = regex(r"^(?:\[[^]]*\] *)+(?:Booting worker|Starting gunicorn|Listening at)")
_FINISHED = regex(r"(?:Finished server process|Worker exiting|Shutting down: Master)")
_CLEAN_EXIT = regex(r"Deactivated successfully|: Succeeded\.$")
ENGINE_SLACK = 0.3       # seconds by which the engine's note of a start may be late, on a busy machine
LOOPING_SPAN = 180.0     # seconds of log that matter while a service is started again and again


def message_of(line: LogLine) -> str:
    """The text a program wrote, without what journald or Docker put before it."""
    return _PREFIX.sub("", line.text, count=1)


def program_lines(lines: Sequence[LogLine]) -> tuple[LogLine, ...]:
    """What the program itself wrote: without empty lines, and without what its manager says of it."""
    return tuple(line for line in lines if (said := message_of(line)).strip() and not _MANAGER_LINE.search(said)
                 and not _MANAGER_LINE.search(line.text))


def has_log(service: Service) -> bool:
    """Whether its log could be read."""
    return isinstance(service.log, Known)


def lines_of(service: Service) -> tuple[LogLine, ...]:
    """All lines that were read."""
    return service.log.or_else(())


def skipped_by_condition(service: Service) -> bool:
    """The last start was refused by a condition of the unit: that is why it is down, whatever it ended over before."""
    return service.unit is not None and not service.running and not service.unit.condition_result


def last_run_lines(snapshot: Snapshot, service: Service) -> tuple[LogLine, ...]:
    """The lines since the last start; while it is started again and again, those of the last few minutes."""
    lines = lines_of(service)
    now = clock_of(snapshot, service.node)
    if is_restarting(service):
        recent = tuple(line for line in lines if line.at is None or line.at >= now - LOOPING_SPAN)
        return _last_two_runs(lines_since_stop_request(recent) if service.unit is not None else recent)
    begun = start_time_of(service)
    if begun:
        lines = _container_run_lines(lines, begun) if service.container is not None else tuple(
            line for line in lines if line.at is None or line.at >= begun - 2.0)
    return _lines_after_last(lines, _STARTED)


def lines_since_stop_request(lines: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    """Without what came before somebody stopped or restarted the unit: with that another row of tries began. Of its own
    restarts systemd says "Stopped", never "Stopping"."""
    return _lines_after_last(lines, _STOPPING)


def _last_two_runs(lines: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    """The last run that ended and the one after it, where systemd says where they begin: what ended an earlier one may
    be mended since."""
    begins = [at for at, line in enumerate(lines) if _SCHEDULED.search(message_of(line))]
    return lines[begins[-2]:] if len(begins) > 1 else lines


def _container_run_lines(lines: Sequence[LogLine], begun: float) -> tuple[LogLine, ...]:
    """The engine notes the start some milliseconds before or after the first words of a program that ends at once;
    the run before may have ended in the same second, and then says that it was stopped."""
    kept = [line for line in lines if line.at is None or line.at >= begun - ENGINE_SLACK]
    before = [i for i, line in enumerate(kept) if line.at is not None and line.at < begun and _is_shutdown_line(line)]
    return tuple(kept[before[-1] + 1:] if before else kept)


def _is_shutdown_line(line: LogLine) -> bool:
    text = message_of(line)
    return _GRACEFUL_SHUTDOWN.search(text) is not None or _FINISHED.search(text) is not None


def is_restarting(service: Service) -> bool:
    """Its manager starts it again and again, or has just done so."""
    return run_state_of(service) == "looping" or (run_state_of(service) == "running" and restart_count_of(service) > 0)


def _lines_after_last(lines: Sequence[LogLine], mark: re.Pattern[str]) -> tuple[LogLine, ...]:
    for index in range(len(lines) - 1, -1, -1):
        if mark.search(message_of(lines[index])):
            return tuple(lines[index + 1:])
    return tuple(lines)


def gave_up_line(service: Service) -> LogLine | None:
    """The manager's own line that it starts the service no more, when it is the last word on the matter."""
    if service.program is not None and service.program.state != "FATAL":
        return None
    for line in reversed(lines_of(service)):
        text = message_of(line)
        if _GAVE_UP.search(text):
            return line
        if _STARTED.search(text):
            return None
    return None


def was_stopped(snapshot: Snapshot, service: Service) -> bool:
    """Somebody stopped it: systemd says so, or the program went through its own shutdown."""
    lines = last_run_lines(snapshot, service)
    return any(_STOPPED.search(message_of(line)) or _GRACEFUL_SHUTDOWN.search(message_of(line)) for line in lines[-40:])


def was_asked_to_stop(snapshot: Snapshot, service: Service) -> bool:
    """`docker stop` ends a program that is slow to go with KILL, exit code 137; its log shows that it was going.
    And one that tripped over its own last words had been asked to go before."""
    box = service.container
    if box is not None and box.exit_code == 137:
        return not box.oom_killed and was_stopped(snapshot, service)
    return _has_reentrant_exit(snapshot, service)


def _has_reentrant_exit(snapshot: Snapshot, service: Service) -> bool:
    """gunicorn logs from within a signal's handler: a worker that ends while it writes makes it end with status 1."""
    run = last_run_lines(snapshot, service)
    since = _lines_after_last(run, _SIGNAL_HANDLED)
    return len(since) < len(run) and any(_REENTRANT_CALL.search(message_of(line)) for line in since) and not any(
        _BOOTING.search(message_of(line)) for line in since)


def has_exited_by_itself(snapshot: Snapshot, service: Service) -> bool:
    """Its log reaches back to a start and holds an end without anybody having asked for it."""
    lines = lines_of(service)
    run = _lines_after_last(lines, _STARTED)
    ended = any(_CLEAN_EXIT.search(message_of(line)) for line in run)
    return len(run) < len(lines) and ended and not any(_STOPPED.search(message_of(line)) for line in run)


def stop_request_line(service: Service, since: float, until: float) -> LogLine | None:
    """The first line of that time which shows that it was asked to stop."""
    for line in lines_of(service):
        if line.at is not None and since <= line.at <= until:
            text = message_of(line)
            if _STOPPED.search(text) or _GRACEFUL_SHUTDOWN.search(text):
                return line
    return None


def clean_exit_evidence(service: Service) -> tuple[Evidence, ...]:
    """systemd's own line that the unit ended well, without a request to stop."""
    for line in reversed(lines_of(service)):
        if _CLEAN_EXIT.search(message_of(line)):
            return (log_evidence(line.text, line.where),)
    return ()


# One kill from outside, after which systemd started the unit again: what follows is a start, not a loop.
_PROCESS_EXITED = regex(r"Main process exited, code=(?P<code>\w+), status=(?P<status>\d+)")
_INTERNAL_KILL = regex(r"oom-kill|OOM killer|timed out|[Ww]atchdog|Failed with result '(?!signal)")
# what a person or a script sends; the rest are faults of its own
_EXTERNAL_SIGNALS = frozenset({"1", "2", "3", "9", "15"})


def single_external_kill(snapshot: Snapshot, service: Service) -> LogLine | None:
    """systemd's line about the only end of the last minutes, where it was such a kill and the next run has begun."""
    unit = service.unit
    if unit is None or not unit.n_restarts or unit.sub_state == "auto-restart" or not service.running:
        return None
    since = clock_of(snapshot, service.node) - LOOPING_SPAN
    recent = lines_since_stop_request(tuple(line for line in lines_of(service) if line.at is not None
                                            and line.at >= since))
    ends = [(line, match) for line in recent if (match := _PROCESS_EXITED.search(message_of(line))) is not None]
    if len(ends) != 1 or any(_INTERNAL_KILL.search(message_of(line)) for line in recent):
        return None
    line, match = ends[0]
    return line if match["code"] == "killed" and match["status"] in _EXTERNAL_SIGNALS else None
