"""The symptoms of a finding: nginx's log lines and the probe results that show it for one address."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

from fixer.analysis.case import Case, FailingAddress, accepts_connections, route_text
from fixer.analysis.evidence import (
    clock_of,
    config_evidence,
    endpoint_text,
    file_line_text,
    line_text,
    no_listener_evidence,
    recent_since,
)
from fixer.analysis.hidden_failures import SUBREQUEST_PATH, is_about_endpoint, lines_of_visitors
from fixer.analysis.other_pages import endpoints_for_page, failed_paths
from fixer.analysis.route_verdict import RECENT_ERROR, RouteVerdict, probe_text, recent_events
from fixer.formats.numbers import times_text
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import ErrorKind, Route
from fixer.model.snapshot import HANG_UPS, Endpoint, ErrorEvent, Nginx, RouteFacts, Service
from fixer.nginx.error_kinds import CONNECT_FAILED, KINDS, RACE_KINDS

with lazy_imports():  # not needed in most looks
    from fixer.analysis.line_routes import authority_of
    from fixer.nginx.logged_server import has_logged, known_names, logged_names

_SAMPLE = 20     # routes of one address that lines are searched for: more would say the same
_UPSTREAM_PORT = regex(r"//(?:[^/\[\]:]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})(?:/|$)")

Kinds: TypeAlias = Collection[ErrorKind]


def events_for(case: Case, trouble: FailingAddress, kinds: Kinds) -> tuple[ErrorEvent, ...]:
    """Return the recent lines of these kinds about the routes of a failing address: each once, oldest first."""
    asked = [facts for facts in trouble.routes if isinstance(facts.probes, Known)]
    sample = (asked or list(trouble.routes))[:_SAMPLE]
    fresh = recent_events(trouble.nginx, sample, case.snapshot)
    wanted = [(event, authority_of(event.upstream)) for event in fresh if event.kind in kinds]
    others = {place for place in {place for _, place in wanted} if _is_of_another(place, trouble.endpoint, case)}
    found = {event.where + event.raw: event for event, place in wanted if place not in others}
    return tuple(sorted(found.values(), key=lambda event: event.at))


def events_since(trouble: FailingAddress, kinds: Kinds, since: float) -> tuple[ErrorEvent, ...]:
    """Return all lines of these kinds since a time that name the address itself, oldest first."""
    errors = trouble.nginx.errors
    return tuple(event for event in (errors.value if isinstance(errors, Known) else ())
                 if event.kind in kinds and event.at >= since
                 and is_about_endpoint(authority_of(event.upstream), trouble.endpoint))


def _is_of_another(place: str, endpoint: Endpoint, case: Case) -> bool:
    """Return whether a line's upstream is another port or socket, and another endpoint has it: locations overlap, so a
    request for another location can seem to be for one of these. What no endpoint has may be of an older
    configuration, and an address with the same port a former one of this name."""
    found = _UPSTREAM_PORT.search(place)
    is_other = "unix:" in place if found is None else endpoint.port != int(found[1])
    return is_other and not is_about_endpoint(place, endpoint) and any(
        is_about_endpoint(place, other) for other in case.endpoints.values())


def is_hanging_up(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the address accepts connections and ends them without an answer. What was only connected to says
    nothing: there nginx's own lines do."""
    endpoint = trouble.endpoint
    if isinstance(endpoint.http, Known):
        return endpoint.http.value.error in HANG_UPS
    return accepts_connections(endpoint) and bool(events_for(case, trouble, RACE_KINDS))


def symptom_evidence(case: Case, trouble: FailingAddress, kinds: Kinds = KINDS) -> tuple[Evidence, ...]:
    """Return the newest such line with the number of lines, of visitors if there are any, and the probe results."""
    events = lines_of_visitors(events_for(case, trouble, kinds))
    shown = [e for judged in trouble.verdicts[:3] for e in judged.evidence[:1]]
    if events:
        last = events[-1]
        count = f"{times_text(len(events))}: " if len(events) > 1 else ""
        shown.insert(0, Evidence("nginx-log", last.where, count + last.raw))
    return tuple(shown)


def connect_symptoms(case: Case, trouble: FailingAddress) -> tuple[Evidence, ...]:
    """Return the newest line about a failed connect to the address, and the probe results."""
    return symptom_evidence(case, trouble, CONNECT_FAILED)


def refused_evidence(case: Case, trouble: FailingAddress) -> tuple[Evidence, ...]:
    """Return what shows that nothing answers: nginx's configuration, the closed socket, and the symptoms of that."""
    return (config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *no_listener_evidence(trouble.endpoint),
            *connect_symptoms(case, trouble))


def routes_text(trouble: FailingAddress) -> str:
    """Return the failing locations as text for a summary."""
    return locations_text(trouble.routes)


def locations_text(routes: Sequence[RouteFacts]) -> str:
    """Return locations as text, with their servers if there are several."""
    several = len({facts.route.server_index for facts in routes}) > 1
    names = list(dict.fromkeys(route_text(facts.route, several) for facts in routes))
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


# Match a log line with its route: by server name, then by the longest location that fits the path.
MIN_SYMPTOM_LINES = 3          # lines within a minute; fewer may be one visitor's bad luck
_CLOCK_AHEAD = 5.0
_MAX_PATH_CHARS = 500       # characters of a path that are compared with locations
_WORKER_PID = regex(r"^\d{4}/\d\d/\d\d \S+ \[[a-z]+\] (\d+)#\d+: ")


def recent_lines(case: Case, nginx: Nginx, kinds: Kinds) -> list[ErrorEvent]:
    """Return the wanted lines of the last minute that current workers wrote after our last repair."""
    if not isinstance(nginx.errors, Known):
        return []
    now = clock_of(case.snapshot, nginx.node)
    since = recent_since(case.snapshot, nginx.node, RECENT_ERROR)    # a suspended backend was late for every request
    if isinstance(nginx.loaded_at, Known):
        since = max(since, nginx.loaded_at.value - 1.0)
    return [e for e in nginx.errors.value if since <= e.at <= now + _CLOCK_AHEAD and e.kind in kinds
            and is_from_current_worker(e, nginx)]


def recent_lines_by_route(
    case: Case, nginx: Nginx, kinds: Kinds,
) -> Mapping[str, tuple[RouteVerdict, tuple[ErrorEvent, ...]]]:
    """Return route id -> the route and its wanted lines of the last minute, written by current workers.

    A worker that shuts down still ends its requests with the previous configuration.

    The visitor's request assigns a line to a route; it chooses nothing that a repair does.
    """
    events = recent_lines(case, nginx, kinds)
    if not events:
        return {}
    routes = [j for j in case.verdicts.values() if nginx.serves(j.facts)]
    by_prefix, known = _routes_by_prefix(routes), known_names(nginx.config)
    found: dict[str, list[ErrorEvent]] = {}
    for event in events:
        judged = _match_route(event, by_prefix, known)
        if judged is not None:
            found.setdefault(judged.facts.route.id, []).append(event)
    by_id = {j.facts.route.id: j for j in routes}
    return {name: (by_id[name], tuple(lines)) for name, lines in found.items()}


def slow_visitor_addresses(case: Case, kinds: Kinds) -> list[FailingAddress]:
    """Return the addresses of routes that answered our probe and timed out for several visitors within a minute."""
    found = []
    for nginx in case.snapshot.nginxes:
        for judged, events in recent_lines_by_route(case, nginx, kinds).values():
            if len(events) >= MIN_SYMPTOM_LINES:
                ends = tuple(e for e in case.reached(judged.facts) if not e.down)
                found += [FailingAddress(nginx, (end,), (judged.facts,), (judged,)) for end in ends]
    return found


def failing_or_slow_services(case: Case,
                             kinds: Kinds) -> Iterator[tuple[FailingAddress, Service]]:
    """Yield the running services of routes that fail our probe or were late for several visitors, with the address."""
    for trouble in (*case.failing_addresses, *slow_visitor_addresses(case, kinds)):
        service = case.service(trouble.endpoint.configured_service or trouble.endpoint.listening_service)
        if service is not None and service.running:
            yield trouble, service


def is_from_current_worker(event: ErrorEvent, nginx: Nginx) -> bool:
    """Return whether a current worker wrote the line."""
    match = _WORKER_PID.search(event.raw)
    return match is None or not nginx.worker_pids or int(match[1]) in nginx.worker_pids


def _routes_by_prefix(routes: list[RouteVerdict]) -> dict[str, list[RouteVerdict]]:
    """Return prefix -> its routes, without regular expressions and named locations."""
    found: dict[str, list[RouteVerdict]] = {}
    for judged in routes:
        prefix = judged.facts.route.location.lstrip("=^~ ")
        if prefix.startswith("/"):
            found.setdefault(prefix, []).append(judged)
    return found


def _match_route(event: ErrorEvent, by_prefix: Mapping[str, list[RouteVerdict]],
                 known: Collection[str]) -> RouteVerdict | None:
    """Return the route of the longest matching location: of the server that the line names, else of any server."""
    path = asked_page(event)[:_MAX_PATH_CHARS]
    unnamed: RouteVerdict | None = None
    for end in range(len(path), 0, -1):
        for judged in by_prefix.get(path[:end], ()):
            if has_logged(event, logged_names(judged.facts.route.server_names), known):
                return judged
            unnamed = unnamed or judged
    return unnamed


# Causes that nginx's log names: per route, the lines of the last minute that name it.
T = TypeVar("T")
FindingMaker: TypeAlias = Callable[[Nginx, RouteVerdict, tuple[ErrorEvent, ...], bool], T | None]
"""Makes a finding (or what one is made of) of a route and its lines, or None where they do not suffice; the last
argument is whether the page that we ask for fails and is one of them."""


def for_each_logged_route(
    case: Case, kinds: Kinds, found: FindingMaker[T],
) -> tuple[list[T], list[str], list[Evidence]]:
    """Return the findings, what could not be read, and the evidence that rules the cause out."""
    findings: list[T] = []
    missing: list[str] = []
    ruled = list(case.observed)
    for nginx in case.snapshot.nginxes:
        if isinstance(nginx.errors, Unknown) and nginx.master_pid is not None:
            missing.append(f"the error log of nginx on {nginx.node}: {nginx.errors.reason}")
        for judged, events in recent_lines_by_route(case, nginx, kinds).values():
            failed = failed_paths(judged.facts) if is_failing(judged) else ()
            asked = any(request_path(e) in failed for e in events)
            made = found(nginx, judged, events, asked)
            if made is not None:
                findings.append(made)
            else:
                ruled.append(Evidence("nginx-log", events[-1].where, events[-1].raw))
    return findings, missing, ruled


def was_logged_since(event: ErrorEvent, start: float) -> bool:
    """Return whether nginx logged it since that time: a program's start, say. nginx cuts its times to whole seconds."""
    return event.at > start - 1.0


def is_failing(judged: RouteVerdict) -> bool:
    """Return whether all or some of our probes of the route fail."""
    return judged.state in ("failing", "degraded")


def logged_evidence(case: Case, nginx: Nginx, judged: RouteVerdict,
                    events: tuple[ErrorEvent, ...]) -> tuple[Evidence, ...]:
    """Return the last line with the number of lines, the `*_pass` line, and the probe result."""
    route, last = judged.facts.route, events[-1]
    return (Evidence("nginx-log", last.where, f"{times_text(len(events))} within a minute: {last.raw}"),
            Evidence("nginx-config", *pass_line(case, nginx, route)), *judged.evidence[:1])


def pass_line(case: Case, nginx: Nginx, route: Route) -> tuple[str, str]:
    """Return where the route's `*_pass` directive is written, and its line."""
    text = line_text(case.snapshot, nginx.node, route.source.file, route.source.line)
    return file_line_text(case.snapshot, nginx.node, route.source.file, route.source.line), text or route.pass_text


def has_direct_answer(case: Case, judged: RouteVerdict) -> bool:
    """Return whether every server of the route answers our direct probe, without nginx."""
    ends = case.reached(judged.facts)
    return bool(ends) and all(isinstance(end.http, Known) and end.http.value.status is not None for end in ends)


def early_end_evidence(case: Case, judged: RouteVerdict) -> Evidence | None:
    """Return that its server also ends a page early without nginx; None if it sent all, or was not asked for it."""
    ends = tuple(case.endpoints[name] for name in judged.facts.endpoints)
    for probe in judged.facts.probes.or_else(()):
        for end in endpoints_for_page(ends, judged.facts, probe.page) if probe.whole is False else ():
            heard = end.http.or_else(None)
            if heard is not None and heard.whole is False:
                return Evidence("probe", f"{end.protocol}://{endpoint_text(end)}{probe.page or end.path}",
                                f"{probe_text(heard)}, asked directly, without nginx")
    return None


def service_of_route(case: Case, judged: RouteVerdict) -> Service | None:
    """Return the service of the route if all its servers belong to one, else None."""
    ends = case.reached(judged.facts)
    found = {name for end in ends for name in (end.configured_service or end.listening_service,)}
    return case.service(next(iter(found))) if len(found) == 1 else None


def request_path(event: ErrorEvent) -> str:
    """Return the path that a line's request asked for, without its query; empty if the line names none."""
    return "".join(event.request.split(" ")[1:2]).partition("?")[0]


def asked_page(event: ErrorEvent) -> str:
    """Return the path that nginx asked for: that of its own subrequest (`auth_request`), else the visitor's."""
    found = SUBREQUEST_PATH.search(event.raw)
    return found[1].partition("?")[0] if found is not None else request_path(event)


# Connections to the backend that nginx keeps open and uses again.
KEEPS_BY_DEFAULT = (1, 29, 7)
_VERSION = regex(r"^nginx/(\d{1,4})\.(\d{1,4})\.(\d{1,4})\b")


def reuses_connections(judged: RouteVerdict) -> bool | None:
    """Return whether requests of the route use idle connections again; None if nginx's version decides that and is
    unknown: each answer of nginx names it, unless its configuration hides it. Then its program was asked."""
    kept = judged.facts.route.kept
    if kept is None or kept.number == 0 or kept.allowed is False:
        return False
    if kept.number is not None and kept.allowed:
        return True
    version = nginx_version_of(judged)
    return version >= KEEPS_BY_DEFAULT if version else None


def nginx_version_of(judged: RouteVerdict) -> tuple[int, ...]:
    """Return the version that nginx names in its answers, or its program when asked; empty if neither did."""
    versions = [match.groups() for probe in judged.facts.probes.or_else(()) if (match := _VERSION.match(probe.server))]
    return tuple(map(int, versions[0])) if versions else judged.facts.nginx_version
