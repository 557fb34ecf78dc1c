"""Causes that nginx itself puts into words: for each route the lines of the last minute that say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fixer.analysis.bylocation import fresh_by_route
from fixer.analysis.case import Case
from fixer.analysis.evidence import line_text, place
from fixer.analysis.route_verdict import Judged
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Route
from fixer.model.snapshot import ErrorEvent, Nginx, Service

Found: TypeAlias = Callable[[Nginx, Judged, tuple[ErrorEvent, ...], bool], Finding | None]
"""Makes a finding of a route and its lines, or None where they do not suffice; the last argument is whether the page
that we ask for fails and is one of them."""


def by_log(
    case: Case, want: Callable[[ErrorEvent], bool], found: Found,
) -> tuple[list[Finding], list[str], list[Evidence]]:
    """Findings, what could not be read, and what rules it out."""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled: list[Evidence] = [e for j in case.judged.values() if j.state == "ok" for e in j.evidence[:1]][:3]
    for nginx in case.snapshot.nginxes:
        if isinstance(nginx.errors, Unknown) and nginx.master_pid is not None:
            missing.append(f"the error log of nginx on {nginx.node}: {nginx.errors.reason}")
        for judged, events in fresh_by_route(case, nginx, want).values():
            asked = is_failing(judged) and any(_path(e) == judged.facts.route.path for e in events)
            made = found(nginx, judged, events, asked)
            if made is not None:
                findings.append(made)
            else:
                ruled.append(Evidence("nginx-log", events[-1].where, events[-1].raw[:300]))
    return findings, missing, ruled


def is_failing(judged: Judged) -> bool:
    """The page that we ask for is not well."""
    return judged.state in ("failing", "degraded")


def logged_evidence(case: Case, nginx: Nginx, judged: Judged, events: tuple[ErrorEvent, ...]) -> tuple[Evidence, ...]:
    """The last of the lines and their number, the line of the pass, and what the page said."""
    route, last = judged.facts.route, events[-1]
    return (Evidence("nginx-log", last.where, f"{len(events)} times within a minute: {last.raw[:300]}"),
            Evidence("nginx-config", *pass_line(case, nginx, route)), *judged.evidence[:1])


def pass_line(case: Case, nginx: Nginx, route: Route) -> tuple[str, str]:
    """Where its pass stands, and that line."""
    text = line_text(case.snapshot, nginx.node, route.source.file, route.source.line)
    return place(case.snapshot, nginx.node, route.source.file, route.source.line), text or route.pass_text


def answers_us(case: Case, judged: Judged) -> bool:
    """Whether every server of the route answers a request of our own without nginx."""
    ends = [case.snapshot.endpoint(name) for name in judged.facts.endpoints]
    return bool(ends) and all(isinstance(end.http, Known) and end.http.value.status is not None for end in ends)


def service_behind(case: Case, judged: Judged) -> Service | None:
    """What answers there, where all servers of the route are one service's."""
    ends = [case.snapshot.endpoint(name) for name in judged.facts.endpoints]
    found = {name for end in ends for name in (end.service or end.holder,)}
    return case.service(next(iter(found))) if len(found) == 1 else None


def _path(event: ErrorEvent) -> str:
    return "".join(event.request.split(" ")[1:2]).partition("?")[0]
