"""The end of nginx's log once more, after our own requests: what they met may stand in no other place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixer.lazy.dataclass import replace
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.nginx_config import Route
from fixer.model.query import Probe, Query
from fixer.model.snapshot import Container, ProbeResult, needs_tls
from fixer.observe.docker.container_service import engine_log, later_logs_query, logs_query
from fixer.observe.nginx.endpoints import probe_result
from fixer.observe.nginx.nginx_masters import LOG_TAIL, error_log_paths, journal_log_query, later_log_query
from fixer.observe.nginx.nginx_place import deleted_log_queries
from fixer.observe.nginx.probes import ProbePlan, is_good_answer, recently_failing_routes
from fixer.observe.nginx.sites import Site
from fixer.observe.view.node_view import ENGINE, View, container_of

_GATEWAY_STATUSES = frozenset({500, 502, 504})       # statuses with which nginx itself answers where it did not get on


def later_log_queries(site: Site, plan: ProbePlan, views: Mapping[str, View], containers: tuple[Container, ...],
               ) -> Iterator[Query]:
    """None but where an error page may hide what our request met, or where only the log tells why it failed; and what
    the master holds of a log that is not there."""
    paths = error_log_paths(site.nginx, site.config)
    yield from deleted_log_queries(site.nginx, paths, site.view, LOG_TAIL)
    if _needs_later_log(site, plan, views, containers):
        yield from (later_log_query(path) for path in paths if path.startswith("/"))
        kept = journal_log_query(site.nginx, site.config, later=True)
        yield from () if kept is None else (kept,)


def later_engine_log_queries(site: Site, plan: ProbePlan, views: Mapping[str, View], containers: tuple[Container, ...],
                      ) -> Iterator[Query]:
    """The same of a log that goes to Docker."""
    own, engine = container_of(site.view.name, containers), views.get(ENGINE)
    if own is not None and engine is not None and logs_query(own) in engine.node.answers and _needs_later_log(
            site, plan, views, containers):
        yield later_logs_query(own)


def _needs_later_log(site: Site, plan: ProbePlan, views: Mapping[str, View], containers: tuple[Container, ...]) -> bool:
    """A route answered well that would do so without its backend too; or nginx answered with an error of its own, an
    address behind the route is open, and the log that was read before our request has nothing of it (that nobody
    listened is of a time before)."""
    unsaid: set[str] = set()
    for route in site.routes:
        results = [probe_result(site.view.node.answers.get(probe)) for probe in plan.by_route.get(route.id, ())]
        seen = [found.value for found in results if isinstance(found, Known)]
        if route.masked_by and any(is_good_answer(found) for found in seen):
            return True
        if any(found.status in _GATEWAY_STATUSES for found in seen) and _accepts_connections(route, site, plan):
            unsaid.add(route.id)
    if not unsaid:
        return False
    return not unsaid <= recently_failing_routes(site, engine_log(site.view.name, views, containers), refused=False)


def _accepts_connections(route: Route, site: Site, plan: ProbePlan) -> bool:
    """Somebody takes connections at one of its addresses."""
    probes = (plan.by_address.get(name) for name in site.by_route.get(route.id, ()))
    results = (probe_result(site.view.node.answers.get(probe)) for probe in probes if probe is not None)
    seen = (found.value for found in results if isinstance(found, Known))
    return any(found.error is None or found.status is not None for found in seen)


# The same question in the other way of speaking: plain where TLS was not taken, TLS where plain was hung up on.
MOST_SWAPPED = 8      # addresses of one nginx that are asked so

_CLOSED_ERRORS = frozenset({"closed", "reset", "not-http"})


def swap_tls(probe: Probe, view: View) -> Probe | None:
    """The other question, where what came back to the first one leaves open how it wants to be spoken to."""
    heard = probe_result(view.node.answers.get(probe))
    if isinstance(heard, Unknown) or probe.path is None or probe.unix is not None or probe.proxy_protocol:
        return None
    error, status = heard.value.error, heard.value.status
    if probe.tls:
        kept_silent = error == "slow" and heard.value.phase == "tls"      # it may wait for the end of a plain request
        return replace(probe, tls=False, sni="") if error == "tls" or kept_silent else None
    if error in _CLOSED_ERRORS or (status == 400 and needs_tls(heard.value)):
        return replace(probe, tls=True, sni=probe.host_header)
    return None


def swapped_tls_probes(plan: ProbePlan, view: View) -> Iterator[Probe]:
    """Each such question once, the first few."""
    found = dict.fromkeys(made for probe in plan.by_address.values() if (made := swap_tls(probe, view)) is not None)
    yield from list(found)[:MOST_SWAPPED]


def swapped_tls_result(probe: Probe | None, view: View) -> Fact[ProbeResult]:
    """What came back to it; Unknown where it was not asked."""
    made = swap_tls(probe, view) if probe is not None else None
    return probe_result(view.node.answers.get(made)) if made is not None else Unknown("not asked")
