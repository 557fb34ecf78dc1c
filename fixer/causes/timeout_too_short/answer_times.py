"""How long nginx waits, and pages that took longer: our own, asked for directly, or a visitor's by its server's log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from fixer.analysis.backend_answers import direct_evidence
from fixer.analysis.case import Case
from fixer.analysis.evidence import file_line_text, line_text, listener_at, pids_of
from fixer.analysis.nginx_errors import request_path
from fixer.analysis.route_verdict import RouteVerdict
from fixer.analysis.run_log import lines_of, message_of
from fixer.analysis.service_state import start_time_of
from fixer.formats.run_output import TimedRequest, timed_request
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import Route
from fixer.model.snapshot import Endpoint, ErrorEvent, LogLine, Nginx

with lazy_imports():  # only for what is found
    from fixer.analysis.directives_in_effect import directives_for

_OWN_CONNECTIONS = 4           # connections of fixer's probes, direct and through nginx
_LOG_SECONDS = 1.0             # the times of the logs are whole seconds


@dataclass(frozen=True, slots=True)
class AnswerTime:
    """The seconds that a server needed for an answer without an error, that as text, and the evidence."""

    seconds: float
    text: str
    evidence: Evidence


def limit_evidence(case: Case, nginx: Nginx, route: Route, what: Literal["read", "send"]) -> Evidence:
    """Return the line that sets the limit; the route's own if nginx's default holds."""
    name = f"{route.kind.removesuffix('_pass')}_{what}_timeout"
    limit = next((d for d in directives_for(case.snapshot, nginx, route) if d.words[0] == name), None)
    file, line = (limit.path, limit.line) if limit is not None else (route.source.file, route.source.line)
    text = limit.text if limit is not None else line_text(case.snapshot, nginx.node, file, line)
    return Evidence("nginx-config", file_line_text(case.snapshot, nginx.node, file, line), text or route.pass_text)


def own_page_time(case: Case, judged: RouteVerdict, endpoint: Endpoint,
                  events: Sequence[ErrorEvent]) -> AnswerTime | None:
    """Return the time of the very page that we ask for, if nobody waits there and it is longer than nginx waits: by a
    direct request, or by the server's log if it cannot be asked by HTTP."""
    held, http, route = listener_at(endpoint), endpoint.http, judged.facts.route
    if held is not None and (held.queued > 0 or held.established > _OWN_CONNECTIONS):
        return None
    if not isinstance(http, Known):
        asked = [event for event in events if request_path(event) == route.path]
        return logged_time(case, (endpoint,), asked, route.read_timeout)
    status, seconds = http.value.status, http.value.ms / 1000
    if endpoint.path != route.path or status is None or status >= 500 or seconds <= route.read_timeout:
        return None
    return AnswerTime(seconds, f"this one took {seconds:.1f} s when asked directly", direct_evidence(endpoint))


def logged_time(case: Case, servers: Sequence[Endpoint], events: Sequence[ErrorEvent],
                limit: float) -> AnswerTime | None:
    """Return the longest time of a request that nginx gave up by one of these lines and that its server answered well
    after the limit, by the server's log; None if the log tells of none."""
    found = [(request.seconds, line) for end in servers for line in _lines_of_server(case, end)
             if (request := timed_request(message_of(line))) is not None and request.status < 500
             and request.seconds > limit and any(_is_same_request(event, request, line) for event in events)]
    if not found:
        return None
    seconds, line = max(found, key=lambda one: one[0])
    text = f"one took {seconds:.1f} s by the log of its server"
    return AnswerTime(seconds, text, Evidence("service-log", line.where, line.text))


def _lines_of_server(case: Case, endpoint: Endpoint) -> Iterator[LogLine]:
    """Yield the lines of the services whose process listens there: a program of a container may write to its log."""
    held = listener_at(endpoint)
    pids = set(pids_of(held)) if held is not None else set()
    for service in case.snapshot.services:
        if service.node == endpoint.node and not pids.isdisjoint(service.pids):
            since = start_time_of(service)
            yield from (line for line in lines_of(service) if line.at is not None and line.at >= since)


def _is_same_request(event: ErrorEvent, request: TimedRequest, line: LogLine) -> bool:
    """Return whether the request may be that of nginx's line: the server writes when it began, or when it ended."""
    return line.at is not None and abs(event.at - line.at) <= request.seconds + _LOG_SECONDS and (
        event.request.partition(" ")[0] == request.method and request_path(event) == request.path)
