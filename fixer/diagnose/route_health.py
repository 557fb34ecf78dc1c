"""Health of each route, and the verdict on all routes together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

from fixer.analysis.case import Case, is_answering, unique_route_id
from fixer.analysis.evidence import clock_of
from fixer.analysis.nginx_errors import request_path
from fixer.analysis.ownership.configured import endpoints_of
from fixer.analysis.route_verdict import RouteVerdict, is_closed
from fixer.analysis.run_log import message_of
from fixer.analysis.service_state import restart_count_of
from fixer.formats.run_output import is_request_line, says_ready, says_start_failed
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, HealthVerdict, RouteHealth
from fixer.model.facts import Known
from fixer.model.nginx_config import Route
from fixer.model.snapshot import Endpoint, Service

with lazy_imports():
    from fixer.analysis.exits.kills import cut_off_requests  # only if a slow route has a cause

_RECENT = 180.0     # seconds: what was lost before says nothing of now
_ONE_END = 1.0      # seconds between what one end costs: nginx's clock drops the fraction
_AT_ONCE_MS = 500.0     # milliseconds: fast enough that one worker answers two requests in time


def unconnectable_routes(case: Case) -> frozenset[str]:
    """Return slow routes with no endpoint that accepts a connection in time. Their pages are not just slow."""
    tried: dict[str, list[bool]] = {}
    for trouble in case.failing_addresses:
        for facts in trouble.routes:
            tried.setdefault(unique_route_id(facts), []).append(all(_has_no_connection(e) for e in trouble.endpoints))
    return frozenset(route for route, silent in tried.items() if all(silent))


def unreachable_slow_routes(case: Case) -> Mapping[str, str]:
    """Return slow routes that may be broken, with the reason, by route id. Either no endpoint was seen to answer,
    directly or by another route, or all answer the same page directly at once."""
    if not any(judged.state == "slow" for judged in case.verdicts.values()):
        return {}
    alive = {
        _address_and_protocol(endpoint, judged) for judged in case.verdicts.values()
        for endpoint in case.reached(judged.facts) if judged.some_answered or is_answering(endpoint)
    }
    dark: dict[str, str] = {}
    for judged in case.verdicts.values():
        behind = case.reached(judged.facts)
        if judged.state == "slow" and not any(_address_and_protocol(endpoint, judged) in alive for endpoint in behind):
            dark[judged.facts.route.id] = "no backend of it was seen to answer"
        elif judged.state == "slow" and behind and _is_own_page_slow(judged) and all(
                _is_quick_answer(e, judged.facts.route) for e in behind):
            dark[judged.facts.route.id] = "when probed directly, its backend answers the same page at once"
    return dark


def _is_own_page_slow(judged: RouteVerdict) -> bool:
    """Return whether the page that got no answer is the one for which the endpoints were probed, too."""
    return any(probe.error == "slow" and not probe.page for probe in judged.facts.probes.or_else(()))


def _is_quick_answer(endpoint: Endpoint, route: Route) -> bool:
    """Return whether the endpoint, probed directly for the page that nginx requests there, answered at once."""
    target = route.pass_text.partition("://")[2]
    rewritten = target.count(":") > 1 if target.startswith("unix:") else "/" in target
    answer = endpoint.http
    return (isinstance(answer, Known) and answer.value.status is not None and answer.value.ms <= _AT_ONCE_MS
            and route.path == endpoint.path and not rewritten)


def _address_and_protocol(endpoint: Endpoint, judged: RouteVerdict) -> tuple[object, ...]:
    """Return the address and its protocol: a server of plain HTTP may never answer TLS."""
    route = judged.facts.route
    return endpoint.node, endpoint.host, endpoint.port, endpoint.unix, endpoint.single_address, route.scheme, route.kind


def _has_no_connection(endpoint: Endpoint) -> bool:
    """Return whether no connection was accepted in time, or the name has no address (a container that is down)."""
    if isinstance(endpoint.addresses, Known) and not endpoint.addresses.value:
        return True
    return isinstance(endpoint.tcp, Known) and endpoint.tcp.value.error == "slow"


def interrupted_routes(case: Case) -> frozenset[str]:
    """Return the failing and slow routes whose backend another page ends, again and again. nginx's log shows both for
    the last minutes: it takes requests between two ends, and more requests for that page were lost than for the
    route's own, which never was lost alone. Whether one probe meets it while it is down is chance."""
    lost: dict[str, Mapping[str, Sequence[float]]] = {}
    found = set()
    for judged in (judged for judged in case.verdicts.values() if judged.state in ("failing", "slow")):
        ends = (end for end in map(case.endpoints.__getitem__, judged.facts.endpoints)
                if judged.state == "slow" or is_closed(end) is True)      # what listens there fails by itself
        for service in filter(None, (case.service(e.configured_service or e.listening_service) for e in ends)):
            if service.id not in lost:
                lost[service.id] = _lost_by_page(case, service)
            if _is_ended_by_other_page(judged, lost[service.id]):
                found.add(unique_route_id(judged.facts))
    return frozenset(found)


def _lost_by_page(case: Case, service: Service) -> Mapping[str, Sequence[float]]:
    """Return the times at which requests were lost lately, by page; none if no end of the service lost them."""
    lost: defaultdict[str, list[float]] = defaultdict(list)
    if restart_count_of(service):
        since = clock_of(case.snapshot, service.node) - _RECENT
        for event in cut_off_requests(case, endpoints_of(case, service), since):
            lost[request_path(event)].append(event.at)
    first = min(chain.from_iterable(lost.values()), default=0.0) - _ONE_END
    return lost if lost and _has_served(service, first) else {}


def _is_ended_by_other_page(judged: RouteVerdict, lost: Mapping[str, Sequence[float]]) -> bool:
    page = judged.facts.route.path or ""
    own = lost.get(page, ())
    return any(len(other) > len(own) and all(any(abs(at - end) <= _ONE_END for end in other) for at in own)
               for path, other in lost.items() if path != page)


def _has_served(service: Service, since: float) -> bool:
    """Return whether its log shows that it ever served, and gave up no start since then (epoch seconds). One that ends
    as it loads is never there between two ends, though its parent's socket accepts what it then loses."""
    lines = service.log.or_else(())
    texts = [message_of(line) for line in lines]
    if any(says_start_failed(message_of(line)) for line in lines if line.at is None or line.at >= since):
        return False
    return not texts or any(says_ready(text) or is_request_line(text) for text in texts)


def health_of_route(judged: RouteVerdict, blamed: Mapping[str, str], deaf: bool,
                    interrupted: bool = False) -> RouteHealth:
    """Return a route's health. `blamed` (route: cause) decides for slow and unprobed ones; `deaf`: none connects;
    `interrupted`: its backend serves between two ends."""
    route = judged.facts.route.id
    match judged.state:
        case "failing" if interrupted and route in blamed:
            return RouteHealth(route, "degraded", judged.reason, judged.failed / max(1, judged.total))
        case "ok" | "failing" | "degraded":
            passed_on = judged.state == "ok" and judged.from_application
            return RouteHealth(route, judged.state, judged.reason, judged.failed / max(1, judged.total), passed_on)
        case "slow" | "unknown":
            if route in blamed:
                partly = judged.state == "slow" and (judged.some_answered or interrupted)
                return RouteHealth(route, "degraded" if partly else "failing", f"{judged.reason}; {blamed[route]}")
            if judged.some_answered:
                return RouteHealth(route, "ok", judged.reason)
            if judged.state == "slow" and deaf:
                return RouteHealth(route, "failing", f"{judged.reason}; no backend of it accepts a connection")
            return RouteHealth(route, "unknown", judged.reason)


def health_verdict(
    case: Case, findings: Sequence[Finding], health: Sequence[RouteHealth], dark: Mapping[str, str],
    *, all_excused: bool = False,
) -> HealthVerdict:
    """Return the verdict on all routes together, for `diagnose`, `verify` and `repair`. `all_excused`: an operator
    ignores every route. Healthy is a proof: without any probe there is none."""
    states = [h.state for h in health]
    guilty = [f for f in findings if f.is_at_fault]
    known = [state for state in states if state != "unknown"]
    if any(not f.routes for f in guilty) and all(n.master_pid is None for n in case.snapshot.nginxes):
        return "broken"
    if "failing" in known or "degraded" in known:
        return "broken" if set(known) == {"failing"} else "degraded"
    if guilty:
        return "degraded"
    if any(entry.route in dark and entry.state == "unknown" for entry in health):
        return "unknown"
    asked = any(isinstance(facts.probes, Known) and facts.probes.value for facts in case.snapshot.routes)
    return "healthy" if (known or all_excused) and asked else "unknown"
