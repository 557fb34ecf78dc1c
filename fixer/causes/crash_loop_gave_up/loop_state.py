"""How a crash loop stands: whether the manager has given up, and whether the reason of the last failure holds."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.analysis.case import Case
from fixer.analysis.exits.failed_run import FailedRun, reported_port_conflict
from fixer.analysis.exits.kills import FAULT_SIGNALS, last_exit_signal
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import gave_up_line, is_last_run_stopped, is_restarting, message_of
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.changed_since import changed_files_evidence
    from fixer.analysis.exits.exit_reason import dependency_error_line, missing_variables, port_in_use_line
    from fixer.analysis.exits.last_output import is_stale_socket
    from fixer.repairs.write_variables import is_variable_set

ReasonState: TypeAlias = Literal["holds", "gone", "outside", "changed", "unknown"]

_SPAWN_ERROR = regex(r"^(?:can't find command|command at|no permission to run|bad filename|couldn't|unknown error)")
_CHILD_ERROR = regex(r"supervisor: (?P<said>(?:couldn't|can't) .*|error trying to .*)$")


def has_given_up(crash: FailedRun) -> bool:
    """Return whether the manager has stopped starting the service."""
    box = crash.service.container
    if box is not None:
        tries = box.restart_policy.partition(":")[0] == "on-failure" and box.restart_count > 0
        return tries and box.status in ("exited", "dead")
    return gave_up_line(crash.service) is not None or has_failed_socket(crash)


def has_failed_socket(crash: FailedRun) -> bool:
    """Return whether systemd closed the service's socket because too many starts failed."""
    socket = crash.service.socket
    return socket is not None and socket.active_state == "failed" and socket.result.endswith("limit-hit")


def is_in_restart_loop(crash: FailedRun) -> bool:
    """Return whether the service, or its workers, restart again and again."""
    return crash.has_running_parent or is_restarting(crash.service)


def reason_state(case: Case, crash: FailedRun) -> ReasonState:
    """Return whether the reason of the last failure holds, has ended, lies in another system, or is unknown."""
    if is_restarted_too_often(case, crash):
        return "gone"
    variables = missing_variables(crash.end)
    if variables:
        return "gone" if all(is_variable_set(crash.service, s.name) for s in variables) else "holds"
    if port_in_use_line(crash.end) is not None:
        endpoint = crash.failing_addresses[0].endpoint
        is_free = is_closed(endpoint) is True and not is_stale_socket(endpoint)
        return "gone" if is_free and reported_port_conflict(case, crash.service) is None else "holds"
    number = last_exit_signal(crash)
    if number is not None:      # a kill from outside may not recur; a fault of the program does
        return "unknown" if number in FAULT_SIGNALS else "gone"
    return "outside" if dependency_error_line(crash.end) is not None else "unknown"


def is_restarted_too_often(case: Case, crash: FailedRun) -> bool:
    """Return whether systemd refused its start only because restarts were requested too quickly: its last run was
    stopped on request."""
    return gave_up_line(crash.service) is not None and is_last_run_stopped(case.snapshot, crash.service)


def change_evidence(case: Case, crash: FailedRun) -> tuple[Evidence, ...]:
    """Return changes since the exit that a start would use. Changes that the manager has not loaded do not count."""
    unit = crash.service.unit
    if spawn_error_text(crash) or (unit is not None and unit.need_daemon_reload):
        return ()
    return changed_files_evidence(case.snapshot, crash)


def spawn_error_text(crash: FailedRun) -> str:
    """Return supervisord's error for a command that it could not start, or "" if the program ran."""
    program = crash.service.program
    if program is None:
        return ""
    of_child = [match["said"] for line in crash.lines[-20:] if (match := _CHILD_ERROR.match(message_of(line).strip()))]
    return program.ended if _SPAWN_ERROR.search(program.ended) else of_child[-1] if of_child else ""
