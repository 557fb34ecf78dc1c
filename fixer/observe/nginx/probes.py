"""Probe plan of one nginx: endpoints first, then routes through nginx, at most fifty for each node."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

from fixer.analysis.route_verdict import LOGGED_SECONDS
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.parse_cache import parse_once
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.nginx_config import Route
from fixer.model.query import Answer, Probe
from fixer.model.snapshot import Container, ErrorEvent, ProbeResult
from fixer.nginx.error_kinds import is_about_upstream
from fixer.observe.docker.container_service import engine_log
from fixer.observe.nginx.endpoints import container_at, endpoint_probe, probe_result, route_probe
from fixer.observe.nginx.kept_pages import kept_page_probes
from fixer.observe.nginx.nginx_masters import error_events
from fixer.observe.nginx.page_probes import mapped_host_probes, probes_of_url, redirected_probes
from fixer.observe.nginx.sites import Address, Site, places_of
from fixer.observe.view.node_view import ENGINE, View, container_of
from fixer.observe.view.observe_options import MOST_PROBES, ObserveOptions

with lazy_imports():  # not needed in most looks
    from fixer.nginx.logged_server import known_names, logged_names, may_have_logged
    from fixer.observe.view.docker_inspect import inspect_objects, string_list, value_at

RECENT_SECONDS = 120.0     # seconds: a younger failure in the log may still persist
MOST_ENDPOINT_PROBES = 40     # the rest is for probes through nginx
MOST_FAILING_PROBES = 20
MOST_REPEATED_PROBES = 400     # attempts of all routes, where somebody wants to know the share of each

_HEALTH_URL = regex(r"https?://(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0)(?::\d+)?(/[\w./-]*)")


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """The probes of one site by address id, `each` of them once, and by route id (the first attempt first), and how
    many were left out. `fewer`: how often each route is asked where somebody wanted more, 0 if nobody did."""

    by_address: Mapping[str, Probe]
    each: tuple[Probe, ...]
    by_route: Mapping[str, tuple[Probe, ...]]
    left_out: int
    fewer: int = 0

    def asked_places(self, addresses: tuple[Address, ...]) -> tuple[tuple[Address, Probe], ...]:
        """Return the first address of each place that has a probe, for each of its probes."""
        made = partial(_asked_places, addresses, self.by_address)
        return parse_once(made, "asked-places", addresses, self.by_address)


def plan_probes(site: Site, options: ObserveOptions, views: Mapping[str, View],
                containers: tuple[Container, ...]) -> ProbePlan:
    """Return all probes that this site needs now; repeats follow only after the first answers."""
    around = site, options, views, containers
    return parse_once(lambda: _make_plan(*around), "probe-plan", *around)


def _make_plan(site: Site, options: ObserveOptions, views: Mapping[str, View],
             containers: tuple[Container, ...]) -> ProbePlan:
    if not options.probe:
        return ProbePlan({}, (), {}, 0)
    by_address = _as_recorded(_address_probes(site, options, views, containers), site)
    routes, limit = site.routes, options.timeout
    wanted = parse_once(lambda: _route_probes(routes, limit), "route-probes", routes, limit)
    failing = recently_failing_routes(site, engine_log(site.view.name, views, containers), within=LOGGED_SECONDS)
    choice = parse_once(
        partial(_choose, site.addresses, routes, by_address, wanted, failing), "chosen-probes", site.addresses, routes,
        by_address, wanted, *sorted(failing))
    asked, allowed = choice.asked, choice.allowed
    by_route: dict[str, tuple[Probe, ...]] = {}
    following = [(r, first) for r, first in asked if site.nginx.master is not None]
    further = dict.fromkeys((*redirected_probes(site, following), *kept_page_probes(site, following),
                             *mapped_host_probes(site, following)))
    redirected = list(islice(further, MOST_PROBES - len(allowed)))
    repeated = {first for name, first in (*((route.id, first) for route, first in asked), *redirected)
                if options.requests or name in failing}
    most = _attempts_of_each(len(repeated), options)
    for route, first in following:
        again = _repeated_probes(site, first, most, options) if first in repeated else ()
        by_route[route.id] = (*probes_of_url(route, site, options), first, *again)
    for name, probe in redirected:
        again = _repeated_probes(site, probe, most, options) if probe in repeated else ()
        by_route[name] = (*by_route.get(name, ()), probe, *again)
    return ProbePlan(choice.kept, choice.each, by_route, choice.left_out, most if options.requests > most else 0)


def _as_recorded(by_address: dict[str, Probe], site: Site) -> dict[str, Probe]:
    """Return the probes with a mere connect where only that was recorded: earlier versions asked nothing by uwsgi."""
    answers, known = site.view.node.answers, dict[Probe, Probe]()
    for probe in {id(probe): probe for probe in by_address.values() if probe.uwsgi}.values():
        connect = replace(probe, path=None, uwsgi=False)
        if probe not in answers and connect in answers:
            known[probe] = connect
    return {name: known.get(probe, probe) for name, probe in by_address.items()} if known else by_address


def _asked_places(addresses: tuple[Address, ...], by_address: Mapping[str, Probe]) -> tuple[tuple[Address, Probe], ...]:
    found: dict[tuple[object, ...], tuple[Address, Probe]] = {}
    for address in addresses:
        probe, server = by_address.get(address.id), address.server
        if probe is not None:
            found.setdefault((id(probe), server.host, server.port, server.unix, address.ips), (address, probe))
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class _Choice:
    """The probes that are asked: of routes, of all kinds, by address id, each of those once; and how many are not."""

    asked: tuple[tuple[Route, Probe], ...]
    allowed: frozenset[Probe]
    kept: Mapping[str, Probe]
    each: tuple[Probe, ...]
    left_out: int


def _choose(addresses: tuple[Address, ...], routes: tuple[Route, ...], by_address: Mapping[str, Probe],
            wanted: Mapping[str, Probe], failing: frozenset[str]) -> _Choice:
    """Choose among the probes of addresses and routes."""
    chosen = _rank_probes(addresses, by_address, wanted, failing)
    allowed = frozenset(chosen[:MOST_PROBES])
    once = {id(probe): probe for probe in by_address.values()}      # thousands of addresses can share one probe
    near = {key for key, probe in once.items() if probe in allowed}
    paths = {probe.path for probe in allowed}       # most probes are told apart by it, and to hash one takes long
    return _Choice(
        tuple((route, probe) for route in routes if (probe := wanted.get(route.id)) is not None
              and probe.path in paths and probe in allowed), allowed,
        {key: probe for key, probe in by_address.items() if id(probe) in near},
        tuple(probe for key, probe in once.items() if key in near), len(chosen) - len(allowed))


def _rank_probes(addresses: tuple[Address, ...], by_address: Mapping[str, Probe], wanted: Mapping[str, Probe],
              failing: frozenset[str]) -> list[Probe]:
    """Return the probes by importance: recent failures, each endpoint once, and one route to each endpoint.
    Then the other routes, and last the same endpoints under other names."""
    if len(by_address) + len(wanted) <= MOST_PROBES:
        return list(dict.fromkeys([*by_address.values(), *wanted.values()]))
    lately: list[Probe] = []
    ends: dict[tuple[object, ...], Probe] = {}
    through: dict[tuple[object, ...], Probe] = {}
    for address in addresses:
        probe, route = by_address.get(address.id), wanted.get(address.route.id)
        if address.route.id in failing and len(lately) < MOST_FAILING_PROBES:
            lately += [p for p in (probe, route) if p is not None]
        place = (address.server.host, address.server.port, address.server.unix)
        if probe is not None:
            ends.setdefault((probe.host, probe.port, probe.unix), probe)
        if route is not None:
            through.setdefault(place, route)
    near = list(ends.values())
    ranked = (*lately, *near[:MOST_ENDPOINT_PROBES], *through.values(), *wanted.values(), *near[MOST_ENDPOINT_PROBES:],
              *by_address.values())
    return list(dict.fromkeys({id(probe): probe for probe in ranked}.values()))     # to hash one takes long


def _address_probes(site: Site, options: ObserveOptions, views: Mapping[str, View],
                    containers: tuple[Container, ...]) -> dict[str, Probe]:
    """Return address id -> probe; equal probes are the same object."""
    if not containers:
        made = partial(_probes_of, site, options, views, containers)
        return parse_once(made, "address-probes", site.addresses, options.timeout)
    return _probes_of(site, options, views, containers)


def _probes_of(site: Site, options: ObserveOptions, views: Mapping[str, View],
               containers: tuple[Container, ...]) -> dict[str, Probe]:
    made: dict[tuple[object, ...], Probe | None] = {}
    found: dict[str, Probe] = {}
    own = container_of(site.view.name, containers)
    for address in site.addresses:
        route, server = address.route, address.server
        container = container_at(server, address.ips, containers, own) if containers else None
        path = health_path(container, views.get(ENGINE)) or "/"
        key = (route.server_names, route.kind, route.scheme, server.host, server.port, server.unix, address.ips, path)
        if key not in made:
            made[key] = endpoint_probe(route, server, address.ips, path, options.timeout)
        probe = made[key]
        if probe is not None:
            found[address.id] = probe
    return found


def _route_probes(routes: tuple[Route, ...], timeout: float) -> dict[str, Probe]:
    """Return route id -> request through nginx, for routes that have one."""
    return {route.id: probe for route in routes if (probe := route_probe(route, timeout)) is not None}


def _attempts_of_each(routes: int, options: ObserveOptions) -> int:
    """Return how often each of so many routes is asked, the first time included."""
    if options.requests:
        return max(1, min(options.requests, MOST_REPEATED_PROBES // max(1, routes)))
    return 1 + (options.repeat - 1) // max(1, routes)


def _repeated_probes(site: Site, first: Probe, most: int, options: ObserveOptions) -> Iterator[Probe]:
    """Yield more attempts if the first succeeded although some fail, or may fail; all that were made in any case."""
    result = probe_result(site.view.node.answers.get(first))
    if isinstance(result, Known) and is_good_answer(result.value):
        for attempt in range(1, max(most, options.repeat)):
            again = replace(first, attempt=attempt)
            if attempt < most or again in site.view.node.answers:
                yield again


def is_good_answer(result: ProbeResult) -> bool:
    """Return whether it is an answer without a server error."""
    return result.status is not None and result.status < 500


def recent_failures(site: Site, logs: Answer | None = None, within: float = RECENT_SECONDS) -> tuple[ErrorEvent, ...]:
    """Return upstream failures of the last seconds in the site's log; `logs` if that goes to the engine."""
    errors = error_events(site.nginx, site.config, site.view, logs)
    if not isinstance(errors, Known):
        return ()
    now = site.view.node.now
    return tuple(e for e in errors.value if now - e.at < within and is_about_upstream(e))


def is_socket_denied(site: Site) -> bool:
    """Return whether nginx was recently denied a unix socket, by its mode or by a kernel policy."""
    return any(a.server.unix is not None for a in places_of(site)) and any(
        e.kind == "connect-denied" for e in recent_failures(site)[-20:])


def recently_failing_routes(site: Site, logs: Answer | None = None, *, refused: bool = True,
                            within: float = RECENT_SECONDS) -> frozenset[str]:
    """Return the routes that most likely served recently failed requests: by server name, then longest location.
    `refused` includes routes whose connections were refused."""
    asked = {(event.server, "".join(event.request.split(" ")[1:2])): event
             for event in recent_failures(site, logs, within) if refused or event.kind != "refused"}
    if not asked:
        return frozenset()
    by_prefix: dict[str, list[Route]] = {}
    for route in site.routes:
        prefix = route.location.lstrip("=^~ ")
        by_prefix.setdefault(prefix if prefix.startswith("/") else "", []).append(route)
    known = known_names(site.config)
    found = (_most_likely_route(event, path, by_prefix, known) for (_, path), event in asked.items())
    return frozenset(route.id for route in found if route is not None)


def _most_likely_route(event: ErrorEvent, path: str, by_prefix: Mapping[str, Sequence[Route]],
                       known: Collection[str]) -> Route | None:
    return next((route for end in range(len(path), -1, -1) for route in by_prefix.get(path[:end], ())
                 if may_have_logged(event, logged_names(route.server_names), known)), None)


def health_path(container: Container | None, engine: View | None) -> str | None:
    """Return the path in a container's own health check."""
    if container is None or engine is None:
        return None
    for answer in engine.node.answers.values():
        for item in inspect_objects(answer) if answer.data[:2] in (b"[\n", b"[{") else ():
            if item.get("Id") == container.id:
                match = _HEALTH_URL.search(" ".join(string_list(value_at(item, "Config", "Healthcheck", "Test"))))
                return match[1] if match else None
    return None
