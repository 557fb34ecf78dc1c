"""What the servers of a route answered themselves, and how quickly: asked directly, or through nginx."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import is_answering
from fixer.analysis.directives_in_effect import cache_of
from fixer.analysis.evidence import endpoint_text
from fixer.analysis.route_verdict import NGINX_PAGE, RouteVerdict, is_answered_by_config
from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.nginx_config import Route
from fixer.model.snapshot import Endpoint, Nginx, ProbeResult, Snapshot


@dataclass(frozen=True, slots=True)
class BackendAnswers:
    """The results of requests that only the servers of a route can have answered. `results` of direct requests may
    be without a status."""

    results: tuple[ProbeResult, ...]
    evidence: tuple[Evidence, ...]

    @property
    def all_answered(self) -> bool:
        """Return whether each request got an answer."""
        return all(result.status is not None for result in self.results)

    @property
    def slowest_ms(self) -> float:
        """Return how many milliseconds the slowest request took."""
        return max((result.ms for result in self.results), default=0.0)


def backend_answers(
    snapshot: Snapshot, nginx: Nginx, judged: RouteVerdict, servers: Sequence[Endpoint],
) -> Fact[BackendAnswers]:
    """Return what the servers of a route answered: each of them asked directly, by HTTP or uwsgi. What speaks another
    protocol is asked through nginx alone; Unknown if not all have answered there."""
    heard = [end.http.value for end in servers if isinstance(end.http, Known)]
    if servers and len(heard) == len(servers):
        return Known(BackendAnswers(tuple(heard), tuple(map(direct_evidence, filter(is_answering, servers[:3])))))
    handed_on = _handed_on_results(snapshot, nginx, judged, servers)
    if not handed_on:
        where = endpoint_text(servers[0]) if servers else judged.facts.route.pass_text
        return Unknown(f"whether {where} answers when asked directly")
    return Known(BackendAnswers(handed_on, (_handed_on_evidence(judged.facts.route, handed_on),)))


def direct_evidence(endpoint: Endpoint) -> Evidence:
    """Return the evidence of an endpoint that answered a direct request."""
    assert isinstance(endpoint.http, Known)
    text = f"answers {endpoint.http.value.status} in {endpoint.http.value.ms:.0f} ms when asked directly"
    return Evidence("probe", f"{endpoint.protocol}://{endpoint_text(endpoint)}{endpoint.path}", text)


def _handed_on_evidence(route: Route, results: Sequence[ProbeResult]) -> Evidence:
    slowest = max(results, key=lambda result: result.ms)
    url = f"{route.listen_scheme}://{route.listen_text}{slowest.page or route.path}"
    return Evidence("probe", url, f"answers {slowest.status} in {slowest.ms:.0f} ms through nginx")


def _handed_on_results(snapshot: Snapshot, nginx: Nginx, judged: RouteVerdict,
                       servers: Sequence[Endpoint]) -> tuple[ProbeResult, ...]:
    """Return the answers that nginx got from servers that speak no HTTP; none where a file, its cache or its
    configuration may have given them. It asks a group in turn: without a failure, as many answers as servers are from
    all of them."""
    route = judged.facts.route
    if route.kind == "proxy_pass" or route.shadowed or not (judged.state == "ok" or len(servers) == 1) or (
            is_answered_by_config(judged, servers, nginx) or cache_of(snapshot, nginx, route) is not None):
        return ()
    found = tuple(probe for probe in judged.facts.probes.or_else(())
                  if probe.status is not None and NGINX_PAGE not in probe.body)
    return found if len(found) >= len(servers) else ()
