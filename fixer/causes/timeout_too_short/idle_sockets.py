"""Idle sockets (WebSocket) that nginx closed: no byte came for as long as it waits. No status of a page shows it."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case
from fixer.analysis.evidence import clock_of
from fixer.analysis.nginx_errors import request_path
from fixer.analysis.route_verdict import LOGGED_SECONDS, RouteVerdict, events_since
from fixer.causes.timeout_too_short.answer_times import limit_evidence
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import ErrorEvent, Nginx

_FEWEST = 3     # lines within 15 minutes: fewer may be one visitor whose network went away


def idle_socket_findings(case: Case) -> Iterator[Finding]:
    """Yield the advice on each location whose sockets nginx closed again and again for want of a byte."""
    for nginx in case.snapshot.nginxes:
        events = nginx.errors.value if isinstance(nginx.errors, Known) else ()
        if any(event.kind == "timeout-tunnel" for event in events):
            for judged, lines in _closed_sockets(case, nginx):
                if len(lines) >= _FEWEST:
                    yield _finding(case, nginx, judged, lines)


def _closed_sockets(case: Case, nginx: Nginx) -> Iterator[tuple[RouteVerdict, list[ErrorEvent]]]:
    """Yield each location that passes on WebSocket with its lines; a line belongs to the longest location."""
    since = clock_of(case.snapshot, nginx.node) - LOGGED_SECONDS
    if isinstance(nginx.loaded_at, Known):
        since = max(since, nginx.loaded_at.value - 1.0)
    taken: dict[ErrorEvent, tuple[int, RouteVerdict]] = {}
    for judged in case.verdicts.values():
        if not judged.facts.route.upgrades or not nginx.serves(judged.facts):
            continue
        path = judged.facts.route.location.split(" ")[-1]
        for event in events_since(nginx, (judged.facts,), since):
            fits = len(path) if request_path(event).startswith(path) else 0
            known = taken.get(event)
            if event.kind == "timeout-tunnel" and (known is None or known[0] < fits):
                taken[event] = (fits, judged)
    by_route: dict[str, tuple[RouteVerdict, list[ErrorEvent]]] = {}
    for event, (_, judged) in taken.items():
        by_route.setdefault(judged.facts.route.id, (judged, []))[1].append(event)
    yield from by_route.values()


def _finding(case: Case, nginx: Nginx, judged: RouteVerdict, lines: list[ErrorEvent]) -> Finding:
    route, last = judged.facts.route, max(lines, key=lambda event: event.at)
    directive = f"{route.kind.removesuffix('_pass')}_read_timeout"
    summary = (f"nginx closed {len(lines)} open sockets of {route.location} within {LOGGED_SECONDS / 60:.0f} minutes: "
               f"no byte came for {route.read_timeout:g} s ({directive})")
    return Finding(
        cause="timeout-too-short", variant="websocket-idle-cut", role="advice", confidence="certain", summary=summary,
        detail=("let the application or its clients ping more often than that, or write a longer "
                f"{directive} into that location; clients that connect again hide it",),
        routes=(route.id,), service=None, node=nginx.node,
        evidence=(Evidence("nginx-log", last.where, last.raw), limit_evidence(case, nginx, route, "read")))
