"""Requested restarts, which nginx sees as refused connections until the new listener is up, and stale pid files."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import age_text, clock_of, find_node, log_evidence, shorten
from fixer.analysis.hidden_failures import is_about_port
from fixer.analysis.route_verdict import recent_events
from fixer.analysis.run_log import message_of, program_lines, read_run_end, stop_request_line
from fixer.analysis.service_state import restart_count_of, run_state_of, start_time_of, state_evidence
from fixer.formats.numbers import times_text
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex, up_to_first
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import ErrorEvent, LogLine, RouteFacts, Service
from fixer.nginx.error_kinds import CONNECTING

with lazy_imports():  # not needed in most looks
    from fixer.redaction.commands import redact_argv

_CLOCK_SLACK = 2.0          # seconds between nginx's clock, in whole seconds, and the manager's
_START_SECONDS = 60.0       # maximum duration of a start
_STOP_SECONDS = 120.0     # maximum duration of a stop: a server closes its listener when the stop begins


def restart_window_findings(case: Case, cause: str) -> tuple[Finding, ...]:
    """Return advice for services that answer now and were restarted on request while visitors connected."""
    found: list[Finding] = []
    for service_id in case.services_in_use:
        service = case.service(service_id)
        if service is None or run_state_of(service) != "running":
            continue
        well = [j.facts for j in case.verdicts.values() if j.state == "ok"]
        routes = tuple(facts for facts in well if _is_route_to(case, facts, service_id))
        finding = _restart_window_finding(case, service, routes, cause)
        if finding is not None:
            found.append(finding)
    return tuple(found)


def _is_route_to(case: Case, facts: RouteFacts, service_id: str) -> bool:
    return any(service_id in (e.configured_service, e.listening_service) for e in case.reached(facts))


def _restart_window_finding(case: Case, service: Service, routes: tuple[RouteFacts, ...], cause: str) -> Finding | None:
    began, ended = start_time_of(service), manager_of(service).ended_at()
    if not ended or not ended <= began + _CLOCK_SLACK or restart_count_of(service):
        return None                 # its manager counts its own starts since the last one that was asked for
    stop_line = stop_request_line(service, ended - _STOP_SECONDS, began + _CLOCK_SLACK)
    if stop_line is None or stop_line.at is None:
        return None
    refused = _refused_events(case, routes, service.id)
    events = [event for event in refused if stop_line.at - _CLOCK_SLACK <= event.at <= began + _START_SECONDS]
    if not events or events[-1] != refused[-1]:
        return None                 # no refusal, or one after the restart: another fault
    age = age_text(max(0.0, clock_of(case.snapshot, service.node) - began))
    return Finding(
        cause=cause, variant="restart-window", role="advice", confidence="certain", is_past=True,
        summary=f"{service.name} was restarted on request {age} ago; meanwhile nginx was refused {len(events)} "
                "times, and the service answers again",
        detail=("a second backend, or a socket held by systemd, would bridge such a restart",),
        routes=tuple(facts.route.id for facts in routes), service=service.name, node=service.node,
        evidence=(state_evidence(service), log_evidence(stop_line.text, stop_line.where),
                  Evidence("nginx-log", events[-1].where, f"{times_text(len(events))}: {events[-1].raw}")),
    )


def _refused_events(case: Case, routes: tuple[RouteFacts, ...], service_id: str) -> tuple[ErrorEvent, ...]:
    """Return the lines about connections to the service's own addresses: a variable may lead a route to others."""
    found: dict[str, ErrorEvent] = {}
    own = [end for facts in routes for end in case.reached(facts)
           if service_id in (end.configured_service, end.listening_service)]
    for nginx in case.snapshot.nginxes:
        mine = [facts for facts in routes if nginx.serves(facts)]
        for event in recent_events(nginx, mine, case.snapshot):
            if event.kind in CONNECTING and (not event.upstream or any(is_about_port(event, end) for end in own)):
                found.setdefault(event.where + event.raw, event)
    return tuple(sorted(found.values(), key=lambda event: event.at))


# Pid files that make a program refuse to start.
_TAIL_LINES = 6
_PID_FILE_LINE = regex(
    r"(?i)\balready running\b|\bis running\b|" + up_to_first(r"\bpid ?file\b") + r".*\b(?:stale|exists?)\b")
_PID = regex(r"(?i)\bpid[ :=#(]*(?:is )?(\d{1,8})\b|\bprocess (\d{1,8})\b")
_PATH = regex(r"(?<![^\s'\"`:;,()])[^\s'\"`:;,()/]*+(/[^\s'\"`:;,()]+\.(?:pid|lock))\b")


def pid_file_text(case: Case, service: Service, lines: Sequence[LogLine]) -> str:
    """Return advice about the pid file that the last log lines name, or "" if they name none.

    The log alone proves nothing, so the process is checked and nothing is removed.
    """
    line = read_run_end(program_lines(lines), most=_TAIL_LINES).last_line(_PID_FILE_LINE)
    message = message_of(line) if line is not None else ""
    pid, path = _PID.search(message), _PATH.search(message)
    if not message or (pid is None and path is None):
        return ""
    file = path[1] if path is not None else "its pid file"
    if pid is None:
        return f"; if no process of {service.name} runs, {file} is stale: remove it, then start the service"
    number = int(pid[1] or pid[2])
    node = find_node(case.snapshot, service.node)
    if node is None or isinstance(node.processes, Unknown):
        return f"; check pid {number}: if it is no process of the service, remove {file} and start the service"
    held = next((p for p in node.processes.value if p.pid == number), None)
    if held is None:
        return f"; no process has pid {number} now, so {file} is stale: remove it, then start {service.name}"
    what = shorten(" ".join(redact_argv(list(held.argv))), 120) or held.comm
    return (f"; pid {number} is now {what!r} of uid {held.uid}: if that is no process of the service, {file} is stale. "
            f"Remove it, then start {service.name}")
