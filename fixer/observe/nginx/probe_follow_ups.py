"""What follows from probes: whether any failed, nginx's log with the errors of our own, probes with TLS swapped or
behind a PROXY header, and handshakes with other names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixer.formats.addresses import is_host_name, is_loopback, is_wildcard
from fixer.lazy.dataclass import replace
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.nginx_config import PAGE_FAILURES, Route
from fixer.model.query import Probe, Query
from fixer.model.snapshot import ENDED_HANDSHAKES, HANG_UPS, Container, ProbeResult, needs_tls
from fixer.observe.docker.container_service import engine_log, later_logs_query, logs_query
from fixer.observe.nginx.endpoints import probe_result
from fixer.observe.nginx.nginx_masters import LOG_TAIL, error_log_paths, journal_log_query, later_log_query
from fixer.observe.nginx.nginx_place import deleted_log_queries
from fixer.observe.nginx.probes import ProbePlan, is_good_answer, recent_failures, recently_failing_routes
from fixer.observe.nginx.sites import Address, Site
from fixer.observe.view.node_view import ENGINE, View, container_of

_GATEWAY_STATUSES = frozenset({500, 502, 504})       # statuses that nginx itself answers if the upstream fails


def has_failures(site: Site, plan: ProbePlan, views: Mapping[str, View], containers: tuple[Container, ...]) -> bool:
    """Return whether nginx's log has recent failures, or a probe got an error or a status of 500 or more."""
    if recent_failures(site, engine_log(site.view.name, views, containers)):
        return True
    probes = (*plan.each, *(p for some in plan.by_route.values() for p in some))
    results = (probe_result(site.view.node.answers.get(p)) for p in probes if p in site.view.node.answers)
    return any(not isinstance(found, Known) or found.value.has_failed for found in results)



def files_with_failures(site: Site, plan: ProbePlan) -> tuple[str, ...]:
    """Return the files that name an address that has failed: by its probe, or because its name does not resolve."""
    found: dict[str, None] = {}
    for address in site.addresses:
        probe, is_nameless = plan.by_address.get(address.id), site.view.resolved.get(address.server.host) == ()
        result = probe_result(site.view.node.answers.get(probe)) if probe is not None else None
        if is_nameless or (isinstance(result, Known) and result.value.has_failed):
            found[address.server.span.file] = None
    return tuple(found)


def later_log_queries(site: Site, plan: ProbePlan, views: Mapping[str, View], containers: tuple[Container, ...],
               ) -> Iterator[Query]:
    """Yield later log queries if an error page may hide our probe's error, or only the log explains it.
    Also query the master's open files for a missing log."""
    paths = error_log_paths(site.nginx, site.config)
    yield from deleted_log_queries(site.nginx, paths, site.view, LOG_TAIL)
    if _needs_later_log(site, plan, views, containers):
        yield from (later_log_query(path) for path in paths if path.startswith("/"))
        kept = journal_log_query(site.nginx, site.config, later=True)
        yield from () if kept is None else (kept,)


def later_engine_log_queries(site: Site, plan: ProbePlan, views: Mapping[str, View], containers: tuple[Container, ...],
                      ) -> Iterator[Query]:
    """Yield the same query for a log that goes to Docker."""
    own, engine = container_of(site.view.name, containers), views.get(ENGINE)
    if own is not None and engine is not None and logs_query(own) in engine.node.answers and _needs_later_log(
            site, plan, views, containers):
        yield later_logs_query(own)


def _needs_later_log(site: Site, plan: ProbePlan, views: Mapping[str, View], containers: tuple[Container, ...]) -> bool:
    """Return whether a good answer may be a masked error, or nginx answered an unexplained gateway error, or hung up.
    Unexplained: an address of the route accepts connections, and the earlier log has no failure of it.
    A refused connection in the log is older than that and does not count. While a probe is still to be answered, its
    error is not logged yet."""
    if any(probe not in site.view.node.answers for probes in plan.by_route.values() for probe in probes):
        return False
    unsaid: set[str] = set()
    for route in (route for route in site.routes if plan.by_route.get(route.id)):
        results = [probe_result(site.view.node.answers.get(probe)) for probe in plan.by_route[route.id]]
        seen = [found.value for found in results if isinstance(found, Known)]
        if any((route.masked_by and is_good_answer(found)) or (route.failing_page and found.status in PAGE_FAILURES)
               for found in seen):
            return True
        failed = any(found.status in _GATEWAY_STATUSES or _is_cut_off(found) for found in seen)
        if failed and {found.status for found in seen} & _statuses_of_backends(route, site, plan) & _GATEWAY_STATUSES:
            return True         # whose page it is, only the log tells
        if failed and _accepts_connections(route, site, plan):
            unsaid.add(route.id)
    if not unsaid:
        return False
    return not unsaid <= recently_failing_routes(site, engine_log(site.view.name, views, containers), refused=False)


def _statuses_of_backends(route: Route, site: Site, plan: ProbePlan) -> set[int | None]:
    """Return the statuses with which the route's addresses answered a direct request."""
    answers = (probe_result(site.view.node.answers.get(plan.by_address[address.id])) for address in site.addresses
               if address.route.id == route.id and address.id in plan.by_address)
    return {found.value.status for found in answers if isinstance(found, Known)}


def _is_cut_off(found: ProbeResult) -> bool:
    """Return whether nginx took our request and closed the connection without a complete head of an answer."""
    return found.status is None and found.error == "closed" and found.phase == "head"


def _accepts_connections(route: Route, site: Site, plan: ProbePlan) -> bool:
    """Return whether one of the route's addresses accepts connections."""
    probes = (plan.by_address.get(name) for name in site.by_route.get(route.id, ()))
    results = (probe_result(site.view.node.answers.get(probe)) for probe in probes if probe is not None)
    seen = (found.value for found in results if isinstance(found, Known))
    return any(found.error is None or found.status is not None for found in seen)


# A swapped probe: plain HTTP after a TLS error, TLS after a closed plain connection.
MOST_SWAPPED = 8      # swapped probes for one nginx


def swap_tls(probe: Probe, view: View) -> Probe | None:
    """Return the swapped probe if the first result leaves open which protocol the endpoint speaks, else None."""
    heard = probe_result(view.node.answers.get(probe))
    if isinstance(heard, Unknown) or probe.path is None or probe.unix is not None or probe.proxy_protocol or (
            probe.uwsgi):
        return None
    error, status = heard.value.error, heard.value.status
    if probe.tls:
        # in the handshake it may wait for the end of a plain request, or hang up on what is none
        unlike_tls = heard.value.phase == "tls" and (error == "slow" or error in HANG_UPS)
        return replace(probe, tls=False, sni="") if error == "tls" or unlike_tls else None
    if error in HANG_UPS or (status == 400 and needs_tls(heard.value)):
        return replace(probe, tls=True, sni=probe.host_header)
    return None


def swapped_tls_probes(plan: ProbePlan, view: View) -> Iterator[Probe]:
    """Yield each swapped probe once, up to the limit."""
    found = dict.fromkeys(made for probe in plan.each if (made := swap_tls(probe, view)) is not None)
    yield from list(found)[:MOST_SWAPPED]


def swapped_tls_result(probe: Probe | None, view: View) -> Fact[ProbeResult]:
    """Return the result of the swapped probe; Unknown if it was not made."""
    made = swap_tls(probe, view) if probe is not None else None
    return probe_result(view.node.answers.get(made)) if made is not None else Unknown("not asked")


def proxy_header_probe(probe: Probe | None, view: View) -> Probe | None:
    """Return the same request behind a PROXY header, if the address hung up on it with and without TLS; else None."""
    heard = probe_result(view.node.answers.get(probe)) if probe is not None else None
    if probe is None or not isinstance(heard, Known) or probe.path is None or probe.proxy_protocol or probe.uwsgi or (
            heard.value.error not in ENDED_HANDSHAKES or heard.value.phase == "connect"):
        return None
    swapped = swap_tls(probe, view)
    other = probe_result(view.node.answers.get(swapped)) if swapped is not None else None
    if other is not None and (isinstance(other, Unknown) or other.value.status is not None):
        return None
    return replace(probe, proxy_protocol=True)


def proxy_header_probes(plan: ProbePlan, view: View) -> Iterator[Probe]:
    """Yield each such probe once, up to the limit."""
    found = dict.fromkeys(made for probe in plan.each if (
        made := proxy_header_probe(probe, view)) is not None)
    yield from list(found)[:MOST_SWAPPED]


def proxy_header_result(probe: Probe | None, view: View) -> Fact[ProbeResult]:
    """Return the result of the request behind a PROXY header; Unknown if it was not made."""
    made = proxy_header_probe(probe, view)
    return probe_result(view.node.answers.get(made)) if made is not None else Unknown("not asked")


# Handshakes with other names: with those that the configuration has for the backend where the first one failed, and
# without a name where nginx fails.
MOST_NAMES = 3      # for one address
_HANDSHAKE_ENDED = HANG_UPS | {"tls"}


def other_tls_names(address: Address, site: Site, plan: ProbePlan) -> tuple[Probe, ...]:
    """Return the handshakes with an address that follow its first one, the most likely name first, none last."""
    first = plan.by_address.get(address.id)
    heard = _result(first, site) if first is not None and first.tls else None
    if first is None or heard is None:
        return ()
    names: tuple[str, ...] = ()
    if heard.phase == "tls" and heard.error in _HANDSHAKE_ENDED:
        route = address.route
        wanted = (route.tls.host.partition(":")[0], address.server.host, _name_of_own_server(first, site),
                  *route.server_names)
        names = tuple(dict.fromkeys(name for name in wanted if is_host_name(name) and name != first.sni))[:MOST_NAMES]
    elif heard.status is None or not _is_failing(address.route, site, plan):
        return ()
    return tuple(replace(first, sni=name) for name in (*names, *(("",) if is_host_name(first.sni) else ())))


def _name_of_own_server(probe: Probe, site: Site) -> str:
    """Return the name of the server of this nginx that has TLS at the address. Several with names are a choice between
    sites, so there is none then."""
    config = site.config.or_else(None)
    here = is_loopback(probe.host) or probe.host in site.view.addresses
    servers = config.servers if config is not None and here else ()
    named = [names for server in servers
             if any(listen.tls and listen.port == probe.port
                    and (is_wildcard(listen.address) or listen.address.strip("[]") == probe.host)
                    for listen in server.listens)
             and (names := [name for name in server.names if is_host_name(name)])]
    return named[0][0] if len(named) == 1 else ""


def other_tls_name_probes(site: Site, plan: ProbePlan) -> Iterator[Probe]:
    """Yield them for all addresses, each once, up to the limit."""
    if not any(probe.tls for probe in plan.each):
        return
    found = dict.fromkeys(probe for address in site.addresses for probe in other_tls_names(address, site, plan))
    yield from list(found)[:MOST_SWAPPED]


def tls_name_results(address: Address, site: Site, plan: ProbePlan) -> tuple[tuple[str, ProbeResult], ...]:
    """Return the results of all handshakes with an address by the name that they sent, empty for none."""
    first = plan.by_address.get(address.id)
    if first is None or not first.tls:
        return ()
    heard = ((probe, _result(probe, site)) for probe in (first, *other_tls_names(address, site, plan)))
    return tuple((probe.sni if is_host_name(probe.sni) else "", found) for probe, found in heard if found is not None)


def _is_failing(route: Route, site: Site, plan: ProbePlan) -> bool:
    """Return whether nginx answered a request of ours to the route with a gateway error."""
    results = (_result(probe, site) for probe in plan.by_route.get(route.id, ()))
    return any(found is not None and found.status in _GATEWAY_STATUSES for found in results)


def _result(probe: Probe, site: Site) -> ProbeResult | None:
    found = probe_result(site.view.node.answers.get(probe))
    return found.value if isinstance(found, Known) else None
