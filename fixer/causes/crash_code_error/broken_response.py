"""Responses that the application broke off, or never began: it raised an error while it took the request."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.analysis.case import Case
from fixer.analysis.evidence import config_evidence, log_evidence, shorten
from fixer.analysis.exits.code_error import application_frame, tells_of_own_fault
from fixer.analysis.nginx_errors import recent_lines_by_route, was_logged_since
from fixer.analysis.route_verdict import RouteVerdict
from fixer.analysis.run_log import lines_of, message_of
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.formats.numbers import times_text
from fixer.formats.run_output import WORKER_DIED
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import Endpoint, ErrorEvent, LogLine, Nginx, Service
from fixer.nginx.error_kinds import CUT_IN_BODY, UNANSWERED

MIN_EVENTS = 3          # broken responses within a minute; fewer may be chance, but where our own ends early, too
_MAX_GAP_SECONDS = 2.5          # between the application's error and nginx's line, whose clock has whole seconds
_TRACEBACK_START = regex(r"^(?:ERROR: +|\[[^]]*\] *)*(?:Exception in ASGI application|Error handling "
                         r"request|Traceback \(most)")
_ERROR_LINE = regex(r"^[ |]*(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Timeout))(?::.*)?$")


def judge_broken_answers(case: Case) -> Iterable[Finding | str]:
    """Yield a finding for each route with several recent responses cut off, or connections closed without one, if its
    running service logged errors."""
    found: set[tuple[str, str]] = set()
    for nginx in case.snapshot.nginxes:
        cut = recent_lines_by_route(case, nginx, CUT_IN_BODY)
        for judged, fresh in (*cut.values(), *recent_lines_by_route(case, nginx, UNANSWERED).values()):
            if (nginx.node, judged.facts.route.id) in found:
                continue
            ends = [e for e in case.reached(judged.facts) if not e.down]
            service = case.service(ends[0].listening_service or ends[0].configured_service) if len(ends) == 1 else None
            if service is None or not service.running or (fresh[-1].kind in UNANSWERED and not service.is_app_server):
                continue
            events = _events_of_run(service, fresh)
            asking = _asking_routes(case, nginx, judged)
            if len(events) < (1 if judged.facts.ends_early or judged.has_failures or asking else MIN_EVENTS):
                continue
            if isinstance(service.log, Unknown):
                yield f"log of {service.name}: {service.log.reason}"
                continue
            raised = _error_lines(service, events)
            named = _named_line(service, raised[0]) if raised else None
            if raised and (events[-1].kind in CUT_IN_BODY or (
                    named is not None and tells_of_own_fault(message_of(named).strip(" |")))):
                found.add((nginx.node, judged.facts.route.id))
                made = _found(case, nginx, judged, events, (ends[0], service, raised))
                yield replace(made, routes=(*made.routes, *asking))


def _asking_routes(case: Case, nginx: Nginx, judged: RouteVerdict) -> tuple[str, ...]:
    """Return the failing routes whose visitors nginx lets in only after it has asked this one (`auth_request`)."""
    if not judged.facts.route.asked_first:
        return ()
    return tuple(other.facts.route.id for other in case.failing_routes(nginx)
                 if other.facts.route.server_index == judged.facts.route.server_index and other is not judged)


def _events_of_run(service: Service, events: tuple[ErrorEvent, ...]) -> tuple[ErrorEvent, ...]:
    """Return the events since the service started."""
    return tuple(event for event in events if was_logged_since(event, start_time_of(service)))


def _error_lines(service: Service, events: tuple[ErrorEvent, ...]) -> tuple[LogLine, ...]:
    """Return the errors of this run that were logged near such an event, or () if a worker died."""
    since = max(start_time_of(service), events[0].at - _MAX_GAP_SECONDS)
    lines = [line for line in lines_of(service) if line.at is not None and line.at >= since]
    if any(WORKER_DIED.search(message_of(line)) for line in lines):
        return ()
    at = [event.at for event in events]
    return tuple(
        line for line in lines
        if _TRACEBACK_START.search(message_of(line))
        and any(-_MAX_GAP_SECONDS <= moment - (line.at or 0.0) <= _MAX_GAP_SECONDS for moment in at)
    )


def _named_line(service: Service, raised: LogLine) -> LogLine | None:
    """Return the last line since that traceback that names an error."""
    return next((line for line in reversed(lines_of(service)) if _ERROR_LINE.match(message_of(line))
                 and line.at is not None and line.at >= (raised.at or 0.0)), None)


def _traceback_lines(service: Service, raised: LogLine, named: LogLine | None) -> list[LogLine]:
    """Return the traceback, from its first line to its final error."""
    lines = list(lines_of(service))
    first = next((i for i, line in enumerate(lines) if line is raised), len(lines))
    last = next((i for i, line in enumerate(lines) if line is named), len(lines) - 1)
    return lines[first:last + 1]


def _found(
    case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
    about: tuple[Endpoint, Service, tuple[LogLine, ...]],
) -> Finding:
    endpoint, service, raised = about
    last = events[-1]
    named = _named_line(service, raised[0])
    said = ""
    shown = application_frame([f"  {message_of(line).strip(' |')}"
                               for line in _traceback_lines(service, raised[0], named)])
    at = f" {shown[0]}:{shown[1]}" if shown[0] else " the code"
    if named is not None and (match := _ERROR_LINE.match(message_of(named))) is not None:
        said = f" ({shorten(match['name'] if last.kind in CUT_IN_BODY else message_of(named).strip(' |'), 80)})"
    begun = last.kind in CUT_IN_BODY
    manual = (
        f"correct{at} of {service.name}: it raises an error after its response has started{said}. The status was "
        "already sent, so visitors get a 200 that ends early. Its log has the traceback"
    ) if begun else (
        f"correct{at} of {service.name}, or what it lacks: it raises an error{said} and closes the connection. Its log "
        "has the traceback"
    )
    does = "breaks off its responses" if begun else "closes connections without an answer"
    return Finding(
        cause="crash-code-error", variant="app-exception-mid-stream" if begun else None, role="root",
        confidence="likely",
        summary=f"{service.name} runs but {does}: {len(events)} within a minute, with an error in its log{said}",
        detail=("visitors get an incomplete page with status 200",) if begun else (), routes=(judged.facts.route.id,),
        service=service.name, node=service.node,
        evidence=(
            Evidence("nginx-log", last.where, f"{times_text(len(events))} within a minute: {last.raw}"),
            log_evidence(raised[-1].text, raised[-1].where),
            *((log_evidence(named.text, named.where),) if named is not None else ()),
            *((Evidence("file", f"{shown[0]}:{shown[1]}", shown[2]),) if shown[0] else ()),
            state_evidence(service), config_evidence(case.snapshot, nginx, endpoint),
        ),
        repairs=(Repair("mend-code", "manual", "correct the code that raises the error", (), manual=manual),),
        effects=("looks-killed",),
    )
