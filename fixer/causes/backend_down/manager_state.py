"""Failures that the service manager reports: a missing socket, an ordering cycle, a lost server, supervisord errors."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import find_node, log_evidence, processes_of, shorten
from fixer.analysis.exits.failed_run import exited_zero_on_error
from fixer.analysis.ownership.configured import is_configured_at
from fixer.analysis.run_log import (
    event_of,
    has_kind,
    has_log,
    is_start_line,
    last_run_lines,
    lines_of,
    message_of,
    program_lines,
    read_run_end,
)
from fixer.analysis.service_state import run_state_of
from fixer.formats.launchers import REAPERS, SHELLS
from fixer.formats.run_output import says_ready
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import LogLine, Process, Service, Snapshot, Unit

with lazy_imports():  # not needed in most looks
    from fixer.managers.systemd_steps import is_socket_down
    from fixer.repairs.start_service import restart_steps

_TAIL_LINES = 8
_BAD_DESCRIPTOR = regex(r"\[Errno (?:9|88)\]|Socket operation on non-socket|Bad file descriptor")


def missing_socket_line(snapshot: Snapshot, service: Service) -> LogLine | None:
    """Return the log line about a bad descriptor, if the service's socket unit does not listen."""
    if service.unit is None or not is_socket_down(service):
        return None
    return read_run_end(program_lines(last_run_lines(snapshot, service)), most=_TAIL_LINES).last_line(_BAD_DESCRIPTOR)


def finding_without_socket(service: Service, said: LogLine, found: Finding) -> Finding:
    """Return the finding of the stopped socket unit. It explains the failure of the service."""
    socket = service.socket
    assert socket is not None
    instead = found.summary.partition("; ")[2]
    return replace(
        found, summary=f"{service.name} was started without {socket.name}, which provides its socket; {instead}",
        evidence=(log_evidence(said.text, said.where), *found.evidence),
        effects=("run-ends", "last-words", "stale-config"))


def is_stopped_silently(snapshot: Snapshot, service: Service) -> bool:
    """Return whether somebody stopped it after a failure of which its log says nothing: only a start shows why."""
    return manager_of(service).is_stopped_after_failure() and has_log(service) and not program_lines(
        last_run_lines(snapshot, service))


def tell_silent_failure(service: Service, found: Finding) -> Finding:
    """Return the finding of a stopped service, changed to tell of the failure before."""
    told = f"{service.name} had failed before somebody stopped it, and its log does not say why: the start will show it"
    return replace(found, confidence="likely", detail=(*found.detail, told))


# Ordering cycle: systemd starts none of its units, or drops one of them at every boot.
_MAX_UNITS = 4


def ordering_cycle_finding(case: Case, service: Service, found: Finding) -> Finding:
    """Return the finding of a stopped unit, changed to name the ordering cycle for which systemd did not start it."""
    lines = _ordering_cycle_lines(case, service)
    if service.unit is None or not lines:
        return found
    named = [e for line in lines if (e := event_of(line)) is not None and e.kind == "ordering-cycle"]
    units = dict.fromkeys(name for event in named for name in (event.unit, event.subject))
    others = ", ".join([name for name in units if name != service.name][:_MAX_UNITS]) or "other units"
    manual = (
        f"{service.name} and {others} must each start after the other. Remove one After=, Before= or Requires= between "
        f"them (systemctl list-dependencies --after {service.name}; systemd-analyze verify {service.name}). Run "
        f"systemctl daemon-reload, then start {service.name}. Otherwise the next boot skips it again")
    instead = found.summary.partition("; ")[2]
    return replace(
        found, variant="backend-not-running",
        summary=f"{service.name} was not started: systemd found an ordering cycle of {service.name} and {others}; "
                f"{instead}",
        evidence=(*(log_evidence(line.text, line.where) for line in lines[-3:]), *found.evidence),
        repairs=(Repair("mend-order", "manual", "correct the start order of the units", (), manual=manual),))


def _ordering_cycle_lines(case: Case, service: Service) -> list[LogLine]:
    """Return systemd's lines about the cycle since the boot and the last start, if one reports a dropped start job."""
    node = find_node(case.snapshot, service.node)
    booted = node.boot_at.value if node is not None and isinstance(node.boot_at, Known) else 0.0
    kept: list[LogLine] = []
    for line in reversed(lines_of(service)):
        if is_start_line(line) or (line.at is not None and line.at < booted - 1.0):
            break
        if has_kind(line, "ordering-cycle", "start-job-dropped"):
            kept.insert(0, line)
    told = any(has_kind(line, "start-job-dropped") for line in kept)
    return kept if told and any(has_kind(line, "ordering-cycle") for line in kept) else []


# Lost server: a script started it in the background and runs on, with only a shell or a `sleep`.
_IDLE_PROGRAMS = SHELLS | {"sleep", "tail", "cat", "tee", "logger", "systemd-cat"} | REAPERS


def explain_lost_server(case: Case, trouble: FailingAddress,
                        service: Service) -> tuple[str, Repair, tuple[Evidence, ...]] | None:
    """Return summary, repair and evidence if the server came up in this run and only idle programs remain. The log
    tells this from a script that still waits before it starts the server."""
    if service.unit is None or run_state_of(service) != "running" or not is_configured_at(service, trouble.endpoint):
        return None
    seen = processes_of(case.snapshot, service.node, service.pids)
    left = [process for process in seen if process.state != "Z"]        # a zombie serves nothing
    if not left or len(seen) != len(service.pids) or not all(_program_name(p) in _IDLE_PROGRAMS for p in left):
        return None
    said = next((line for line in reversed(program_lines(last_run_lines(case.snapshot, service)))
                 if says_ready(message_of(line))), None)
    if said is None:
        return None
    shown = (Evidence("process", f"pid {p.pid}", shorten(" ".join(p.argv), 100)) for p in left[:3])
    words = (f"{service.name} still runs, but the server that it started has ended (its command outlives the server, "
             "so systemd does not notice)")
    repair = Repair("start-service", "disruptive", f"restart {service.name}, which starts its server again",
                    restart_steps(case.snapshot, service, trouble.endpoint))
    return words, repair, (log_evidence(said.text, said.where), *shown)


def _program_name(process: Process) -> str:
    return process.argv[0].rpartition("/")[2].lstrip("-") if process.argv else ""


# Errors with which supervisord itself refuses to start.
_ERROR_LINE = regex(r"^Error: \S")
_MISSING_FOLDER = regex(r"^Error: The directory named as part of the path (?P<path>/[\w./-]+) does not exist")


def supervisord_fix_text(case: Case, service: Service, unit: Unit) -> str:
    """Return what to correct before supervisord's unit is started again."""
    said = _supervisord_error_line(case, service, unit)
    if said is None:
        return (f"supervisord itself exits with an error: journalctl -u {unit.name} shows it. Correct it, "
                f"then start {unit.name}")
    text = message_of(said)
    folder = _MISSING_FOLDER.match(text)
    by = f"mkdir -p {folder['path'].rpartition('/')[0]}" if folder is not None else "correct that"
    return f"supervisord itself exits with an error: {text[7:207]}; {by}, then start {unit.name}"


def supervisord_error_evidence(case: Case, service: Service, unit: Unit) -> tuple[Evidence, ...]:
    """Return supervisord's last error line."""
    said = _supervisord_error_line(case, service, unit)
    return () if said is None else (log_evidence(message_of(said), said.where),)


def _supervisord_error_line(case: Case, service: Service, unit: Unit) -> LogLine | None:
    own = next((s for s in case.snapshot.services if s.unit is not None and s.node == service.node
                and s.unit.name == unit.name), None)
    lines = own.log.value if own is not None and isinstance(own.log, Known) else ()
    return next((line for line in reversed(lines) if _ERROR_LINE.match(message_of(line))), None)


def error_exit_finding(case: Case, service: Service, found: Finding) -> Finding:
    """Return the finding about such an end if no cause of its own is known: a restart would end the same way."""
    line = exited_zero_on_error(case.snapshot, service) if found.variant == "clean-exit-not-restarted" else None
    if line is None:
        return found
    last = shorten(message_of(line).strip(), 160)
    manual = f"its log ends with: {last}. Fix that first, then start {service.name}"
    return replace(
        found, confidence="likely", evidence=(log_evidence(line.text, line.where), *found.evidence),
        summary=f"{service.name} ended by itself after an error, and reported success: {last}",
        repairs=(Repair("start-service", "manual", f"repair what ends {service.name}", (), manual=manual),))
