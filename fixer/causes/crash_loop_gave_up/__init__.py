"""The backend failed so often that its manager starts it no more, or goes on starting it in vain.
nginx finds no listener (`111: Connection refused`, 502). Mend what its log complains of, then start it.

By hand
  journalctl -u UNIT -n 50                                           # why did it end? mend that first
  systemctl reset-failed UNIT; systemctl start UNIT
  systemctl reset-failed NAME.socket; systemctl start NAME.socket    # where systemd holds the socket
  docker logs --tail 50 CONTAINER; docker start CONTAINER
  supervisorctl status; supervisorctl tail PROGRAM stderr; supervisorctl start PROGRAM

What it is
  systemd stops after a number of starts in a short time ("Start request repeated too quickly"), Docker after
  on-failure:N, supervisord after startretries ("entered FATAL state"). Below that limit the service is started again
  for ever and never gets as far as listening. Where systemd holds the socket (socket activation), it closes the socket
  too. A restart that somebody asked for looks the same to visitors while it lasts (restart-window): it is told as
  advice, and nothing is to be repaired.

Why nginx says 502
  Nothing listens: `connect() failed (111: Connection refused) while connecting to upstream`.

How it is told apart
  It is a consequence as long as its own log names a reason that still holds: see crash-missing-env, crash-port-in-use.
  It is the root where the reason has gone (it was killed from outside, the variable is set now, the port is free)
  or lies in another system (a database that refused it then): the manager has stopped trying, and only a start tells.
  So it is where systemd refused a start because restarts were requested too quickly: its last run was stopped on
  request. Seen between two ends it answers well: then the manager's count of restarts, and the requests that nginx lost
  right before the last start, tell that it ends in the middle of requests.

The repair and its safety
  start-service (safe): reset the failure counter, without which a start is refused, and start; then wait until it
  accepts. Where its log ends in an error of its own, a start would end the same way: that is for a person, and the
  last lines of its log are shown; unless its code or its settings were changed after that, which is named.

Variants
  start-limit-hit          systemd stopped trying: start request repeated too quickly
  crash-loop-below-limit   systemd goes on starting it in vain
  supervisor-fatal         supervisord stopped trying: FATAL state
  container-crash-loop     Docker goes on starting the container in vain, or stopped after on-failure:N
  socket-activation-limit  systemd closed the socket that starts the service
  restart-window           somebody restarts it right now (advice)
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import bindings_of, log_evidence, shorten
from fixer.analysis.exits.exec_step import has_failed_before_start, start_error_text
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.exits.kills import FAULT_SIGNALS, fault_signal_text, last_exit_signal
from fixer.analysis.nginx_errors import refused_evidence
from fixer.analysis.run_log import (
    gave_up_line,
    has_kind,
    has_log,
    is_word_on_run,
    program_lines,
)
from fixer.analysis.service_state import state_evidence
from fixer.causes.crash_loop_gave_up.lost_requests import lost_request_findings
from fixer.causes.crash_loop_gave_up.requested_restart import pid_file_text, restart_window_findings
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex, up_to_first
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Unknown
from fixer.repairs.on_demand import restart_steps, start_steps

with lazy_imports():  # only for what has ended
    from fixer.analysis.exits.exit_reason import (
        address_unavailable_line,
        has_variable_or_port_reason,
        last_error_lines,
        names_error,
        port_in_use_line,
        reported_error_lines,
    )
    from fixer.analysis.exits.last_output import silent_exit_text
    from fixer.causes.crash_loop_gave_up.loop_state import (
        ReasonState,
        change_evidence,
        has_failed_socket,
        has_given_up,
        is_in_restart_loop,
        is_restarted_too_often,
        reason_state,
        spawn_error_text,
    )

# The manager tries no more.
_GIVEN_UP = frozenset({"start-limit-hit", "supervisor-fatal", "socket-activation-limit"})
_UNPRIVILEGED_PORT = 1024      # lower ports need root, unless a sysctl allows them
_PERMISSION_DENIED = regex(r"(?i)permission denied")
_EXEC_NO_FILE = regex(up_to_first("couldn't exec ") + ".*ENOENT")


def judge(case: Case) -> Verdict:
    """Judge each failed service: has its manager given up, or does it restart the service in vain?"""
    all_of = failed_runs(case)
    findings: list[Finding] = []
    missing = list(all_of.missing)
    ruled: list[Evidence] = [*all_of.ruled_out]
    for crash in all_of.found:
        unexplained = manager_of(crash.service).exit_signal() is None and not _has_other_cause(crash)
        free = port_in_use_line(crash.end) is not None and reason_state(case, crash) == "gone"
        if is_in_restart_loop(crash) or has_given_up(crash) or free or (
                unexplained and (_has_unreadable_log(crash) or change_evidence(case, crash))):
            findings.append(_found(case, crash))
        elif unexplained:
            missing.append(f"why {crash.service.name} failed: its log ends with: {_last_line_text(crash)}")
        else:
            ruled.append(state_evidence(crash.service))
    known = {finding.service for finding in findings}
    findings += [found for found in lost_request_findings(case, CAUSE.id) if found.service not in known]
    findings += restart_window_findings(case, CAUSE.id)
    return conclude(findings, missing, ruled)


def _has_unreadable_log(crash: FailedRun) -> bool:
    """Return whether a container failed by itself and its log driver does not support reading."""
    box, log = crash.service.container, crash.service.log
    return box is not None and isinstance(log, Unknown) and "does not support reading" in log.reason and (
        box.status in ("exited", "dead") and box.exit_code != 0)


def _has_clean_exit(crash: FailedRun) -> bool:
    """Return whether its command ends with exit code 0 each time, instead of staying up."""
    box, unit = crash.service.container, crash.service.unit
    if unit is not None and is_in_restart_loop(crash) and not crash.has_running_parent:
        ends = [line for line in crash.lines if has_kind(line, "succeeded", "failed")]      # a new run has no status
        return bool(ends) and has_kind(ends[-1], "succeeded")
    return box is not None and not box.is_machine and box.exit_code == 0 and (
        box.status == "restarting" or (box.status == "exited" and box.restart_count > 0))


def _has_other_cause(crash: FailedRun) -> bool:
    """Return whether another cause explains the failure."""
    unit = crash.service.unit
    by_file = unit is not None and (unit.result in ("resources", "oom-kill") or has_failed_before_start(crash.service))
    return by_file or has_variable_or_port_reason(crash.end) or address_unavailable_line(crash.end) is not None


def _found(case: Case, crash: FailedRun) -> Finding:
    service, state, name = crash.service, reason_state(case, crash), crash.ended_name
    unrun = spawn_error_text(crash)
    changed = change_evidence(case, crash) if state == "unknown" else ()
    state = "changed" if changed else state
    manner = "fails again and again" if is_in_restart_loop(crash) else "failed"
    if has_failed_socket(crash):
        manner = "failed at every connection until systemd closed its socket"
    elif has_given_up(crash):
        manner = "failed too often and is no longer restarted"
    elif crash.has_running_parent:
        manner = "ends again and again" if name != service.name else "runs, but its workers end at once"
    newer = changed[0].where if changed else ""
    told = "its log ends with an error" if names_error(crash.lines) else "see the last lines of its log"
    why = f"supervisord reports: {unrun}" if unrun else {
        "holds": "the reason still holds",
        "gone": "its last run was stopped on request, and starts were requested too quickly"
                if is_restarted_too_often(case, crash) else "the reason no longer holds",
        "unknown": told,
        "outside": "another system did not answer it then",
        "changed": f"{told}; {newer} was changed after that, and only a start shows its effect",
    }[state]
    if state == "unknown" and not has_log(crash.service):
        why = "the reason is unknown: its log could not be read"
    if state == "unknown" and _has_clean_exit(crash):
        manner, why = "ends again and again", "its command exits without an error (exit code 0)"
        if names_error(crash.lines):
            why = "its exit code is 0, though its log ends with an error"
    elif state == "unknown" and _has_no_own_lines(crash):
        why = start_error_text(crash.service) or "its log does not say why"
    number = last_exit_signal(crash)
    if number in FAULT_SIGNALS and state == "unknown":
        why = fault_signal_text(number)
    return Finding(
        cause=CAUSE.id, variant=(variant := _variant(crash)), role="root",
        confidence="certain" if state == "gone" else "likely",
        summary=f"{name} {manner}; {why}", detail=(), routes=crash.routes, service=service.name,
        node=service.node, evidence=(*changed, *_evidence(case, crash)), repairs=_repairs(case, crash, state),
        has_given_up=variant in _GIVEN_UP,
    )


def _variant(crash: FailedRun) -> str | None:
    if crash.service.container is not None:
        return "container-crash-loop"
    if crash.service.program is not None and has_given_up(crash):
        return "supervisor-fatal"
    if has_failed_socket(crash):
        return "socket-activation-limit"
    if is_in_restart_loop(crash):
        return "crash-loop-below-limit"
    return "start-limit-hit" if has_given_up(crash) else None


def _evidence(case: Case, crash: FailedRun) -> tuple[Evidence, ...]:
    trouble, limit, socket = crash.failing_addresses[0], gave_up_line(crash.service), crash.service.socket
    return tuple(dict.fromkeys((
        state_evidence(crash.service),
        *((Evidence("unit", socket.name, f"{socket.active_state}, Result={socket.result}"),) if socket else ()),
        *((log_evidence(limit.text, limit.where),) if limit is not None else ()),
        *(log_evidence(line.text, line.where) for line in reported_error_lines(crash.lines)),
        *refused_evidence(case, trouble),
    )))


def _repairs(case: Case, crash: FailedRun, state: ReasonState) -> tuple[Repair, ...]:
    service = crash.service
    if state == "holds":
        return ()
    endpoint = crash.failing_addresses[0].endpoint
    if crash.has_running_parent and state == "gone":
        again = restart_steps(case.snapshot, service, endpoint)
        if again:
            return (Repair("restart-service", "disruptive", f"restart {service.name}", again),)
    steps = start_steps(case.snapshot, service, endpoint)
    if steps and (state in ("gone", "changed") or (state == "outside" and has_given_up(crash))):
        return (Repair("start-service", "safe", f"clear the failures of {service.name} and start it", steps),)
    unrun, program = spawn_error_text(crash), service.program
    if unrun and program is not None:
        manual = (f"supervisord could not run {service.name}: {unrun}. Correct its section at {program.file}:"
                  f"{program.line} (command=, user=, directory=) or restore the file{_interpreter_text(unrun)}. Then "
                  f"run supervisorctl update; supervisorctl start {program.name}")
        return (Repair("start-service", "manual", f"let supervisord run the command of {service.name}", (),
                       manual=manual),)
    if last_exit_signal(crash) in FAULT_SIGNALS and state == "unknown" and not program_lines(crash.lines)[-1:]:
        manual = f"{service.name} would end the same way again, without a log line{_core_dump_text(crash)}"
    elif _has_clean_exit(crash) and not names_error(crash.lines):
        last = "" if _has_no_own_lines(crash) else f"; its log ends with: {_last_line_text(crash)}"
        script = "" if service.container is None else " end an entry script with exec \"$@\", and"
        manual = (f"{service.name} would end the same way again{last}. Its command must keep running:{script} run the "
                  "server in the foreground")
    elif isinstance(service.log, Unknown):
        by_hand = manager_of(service).unread_log_text(service.log.reason)
        manual = (f"{service.name} would end the same way again, and its log could not be read "
                  f"({service.log.reason}). {by_hand}. Correct the error, then start it")
    elif _has_no_own_lines(crash):
        manual = f"{service.name} would end the same way again; {silent_exit_text(service)}"
    else:
        manual = (f"{service.name} would end the same way again; its log ends with: {_last_line_text(crash)}"
                  f"{pid_file_text(case, service, crash.lines) or _low_port_text(crash) or _try_by_hand_text(crash)}")
    return (Repair("start-service", "manual", f"correct what ends {service.name}", (), manual=manual),)


def _has_no_own_lines(crash: FailedRun) -> bool:
    """Return whether the journal of the unit was read and holds no line of the program."""
    return crash.service.unit is not None and has_log(crash.service) and not program_lines(crash.lines)


def _low_port_text(crash: FailedRun) -> str:
    """Return a hint if a non-root service got "permission denied" and is configured for a port below 1024, or ""."""
    unit, port = crash.service.unit, next((b.port for b in bindings_of(crash.service)
                                           if 0 < b.port < _UNPRIVILEGED_PORT), 0)
    if not port or unit is None or unit.user in ("", "root",
                                                 "0") or not _PERMISSION_DENIED.search(_last_line_text(crash)):
        return ""
    return (f"; it is configured to listen on port {port}. A port below {_UNPRIVILEGED_PORT} needs "
            f"AmbientCapabilities=CAP_NET_BIND_SERVICE in its unit if it runs as {unit.user}. Or set a port of "
            f"{_UNPRIVILEGED_PORT} or above, there and in nginx")


def _interpreter_text(unrun: str) -> str:
    """Return a hint about a missing interpreter: the kernel reports it like a missing file (ENOENT)."""
    interpreter = ", or the interpreter in its first line (#!), if only that is missing"
    return interpreter if _EXEC_NO_FILE.search(unrun) else ""


def _try_by_hand_text(crash: FailedRun) -> str:
    """Return a command that shows why the service ends, if its log does not."""
    unit = crash.service.unit
    if last_error_lines(crash.lines) and not any(map(is_word_on_run, last_error_lines(crash.lines)[-1:])):
        return ""
    if unit is None or not crash.service.argv:
        return ""
    who = f"sudo -u {unit.user} " if unit.user else ""
    return f"; start it by hand to see why: cd {unit.working_directory or '/'} && {who}{' '.join(crash.service.argv)}"


def _core_dump_text(crash: FailedRun) -> str:
    """Return commands that locate a crash without log lines."""
    unit, argv = crash.service.unit, crash.service.argv
    if unit is None or not argv:
        return ""
    who = f"sudo -u {unit.user} " if unit.user else ""
    return (f". To see where, run coredumpctl info {unit.name} (if core dumps are stored), or start it by hand: "
            f"cd {unit.working_directory or '/'} && {who}env PYTHONFAULTHANDLER=1 {' '.join(argv)}")


def _last_line_text(crash: FailedRun) -> str:
    last = last_error_lines(program_lines(crash.lines))[-1:] or last_error_lines(crash.lines)[-1:]
    if last:
        return shorten(last[0].text.strip(), 200)
    return "(no line)" if has_log(crash.service) else "(the log could not be read)"


CAUSE = Cause(
    id="crash-loop-gave-up",
    title="the backend failed too often and is no longer restarted",
    family="backend crashed, or exits at once",
    variants=(
        "start-limit-hit", "crash-loop-below-limit", "supervisor-fatal", "container-crash-loop",
        "socket-activation-limit", "restart-window",
    ),
    verdict=judge,
    page=__doc__,
)
