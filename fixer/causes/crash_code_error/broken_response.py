"""Responses that the application broke off: it raised an error after it had sent the first bytes."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.analysis.case import Case
from fixer.analysis.evidence import config_evidence, log_evidence, shorten
from fixer.analysis.exits.code_error import application_frame
from fixer.analysis.nginx_errors import recent_lines_by_route, was_logged_since
from fixer.analysis.route_verdict import RouteVerdict
from fixer.analysis.run_log import lines_of, message_of
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.formats.numbers import times_text
from fixer.formats.run_output import WORKER_DIED
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import Endpoint, ErrorEvent, LogLine, Nginx, Service
from fixer.nginx.error_kinds import CUT_IN_BODY

MIN_EVENTS = 3          # broken responses within a minute; fewer may be chance, but where our own ends early, too
_MAX_GAP_SECONDS = 2.5          # between the application's error and nginx's line, whose clock has whole seconds
_TRACEBACK_START = regex(r"^(?:ERROR: +|\[[^]]*\] *)*(?:Exception in ASGI application|Error handling "
                         r"request|Traceback \(most)")
_ERROR_LINE = regex(r"^[ |]*(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Timeout))(?::.*)?$")


def judge_broken_answers(case: Case) -> Iterable[Finding | str]:
    """Yield a finding for each route with several recent responses cut off, if its running service logged errors."""
    for nginx in case.snapshot.nginxes:
        for judged, fresh in recent_lines_by_route(case, nginx, CUT_IN_BODY).values():
            ends = [e for e in case.reached(judged.facts) if not e.down]
            service = case.service(ends[0].listening_service or ends[0].configured_service) if len(ends) == 1 else None
            if service is None or not service.running:
                continue
            events = _events_of_run(service, fresh)
            if len(events) < (1 if judged.facts.ends_early else MIN_EVENTS):
                continue
            if isinstance(service.log, Unknown):
                yield f"log of {service.name}: {service.log.reason}"
                continue
            raised = _error_lines(service, events)
            if raised:
                yield _found(case, nginx, judged, events, (ends[0], service, raised))


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
    named = next((line for line in reversed(lines_of(service)) if _ERROR_LINE.match(message_of(line))
                  and line.at is not None and line.at >= (raised[0].at or 0.0)), None)
    said = ""
    shown = application_frame([f"  {message_of(line).strip(' |')}"
                               for line in _traceback_lines(service, raised[0], named)])
    at = f" {shown[0]}:{shown[1]}" if shown[0] else " the code"
    if named is not None and (match := _ERROR_LINE.match(message_of(named))) is not None:
        said = f" ({shorten(match['name'], 80)})"
    manual = (
        f"correct{at} of {service.name}: it raises an error after its response has started{said}. The status was "
        "already sent, so visitors get a 200 that ends early. Its log has the traceback"
    )
    return Finding(
        cause="crash-code-error", variant="app-exception-mid-stream", role="root", confidence="likely",
        summary=f"{service.name} runs but breaks off its responses: {len(events)} within a minute, with an error in "
                f"its log{said}",
        detail=("visitors get an incomplete page with status 200",), routes=(judged.facts.route.id,),
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
