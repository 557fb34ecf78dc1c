"""The case: one snapshot with its route verdicts and failing addresses, worked out once for all causes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Literal, TypeAlias

from fixer.analysis.cached_errors import reveal_cached_error
from fixer.analysis.evidence import listener_at, listener_evidence, no_listener_evidence
from fixer.analysis.hidden_failures import (
    SUBREQUEST,
    has_met_no_backend,
    ignore_own_limit,
    mark_skipped_members,
    reveal_error_page,
    reveal_own_failure,
)
from fixer.analysis.route_verdict import CLOCK_GRAIN, RouteVerdict, is_closed, recent_events, route_verdict
from fixer.analysis.run_log import is_looping
from fixer.formats.addresses import ANY_IPV4, ANY_IPV6, is_own_host
from fixer.lazy.dataclass import dataclass, field
from fixer.model.diagnosis import Inputs
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Route
from fixer.model.snapshot import Endpoint, Nginx, RouteFacts, Service, Snapshot

# address -> its occurrences and the failing routes that lead there, by their ids
_Gathered: TypeAlias = dict[tuple[object, ...], tuple[dict[str, Endpoint], dict[str, RouteFacts]]]
_HIDDEN_SERVER_TEXT = "an earlier server block with the same name and address gets its requests"
_NAMELESS_SERVER_TEXT = "it has no name that a request could ask for, and another server block is the default there"
_NO_UNUSED_SERVERS: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class FailingAddress:
    """One address that failing routes lead to. `endpoints` are all its occurrences in the configuration."""

    nginx: Nginx
    endpoints: tuple[Endpoint, ...]
    routes: tuple[RouteFacts, ...]
    verdicts: tuple[RouteVerdict, ...]

    @property
    def endpoint(self) -> Endpoint:
        """Return any endpoint of the group: all name the same address."""
        return self.endpoints[0]

    @property
    def route_ids(self) -> tuple[str, ...]:
        """The ids of the failing routes, in configuration order."""
        return tuple(rf.route.id for rf in self.routes)


@dataclass(frozen=True, slots=True)
class Case:
    """The input of every cause.

    `failing_addresses` are the addresses of routes that fail, or must fail if no probe was possible. `services_in_use`
    maps a service id to an answering route that relies on it. Such a service owns no other address.
    """

    snapshot: Snapshot
    inputs: Inputs
    verdicts: Mapping[str, RouteVerdict]
    failing_addresses: tuple[FailingAddress, ...]
    services_in_use: Mapping[str, RouteFacts]
    listening_endpoints: tuple[Endpoint, ...]      # the addresses that accept connections
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)      # all of the snapshot, by id
    observed: tuple[Evidence, ...] = ()     # up to three lines, of what rules out a cause without its own
    # id of a failing address without a known owner -> the service that a finding names there
    named_owners: Mapping[int, PortOwner] = field(default_factory=dict)
    # caches of fixer.analysis.ownership: the owner of an address, the addresses that want a service, those that lead to
    # a service, the words of a server's names, its routes that have a listener
    configured_owner_cache: dict[int, tuple[Endpoint, PortOwner | None]] = field(default_factory=dict)
    candidate_owner_cache: dict[int, tuple[FailingAddress, tuple[PortOwner, ...]]] = field(default_factory=dict)
    wanted_address_cache: dict[str, set[int]] = field(default_factory=dict)
    service_endpoint_cache: dict[str, list[Endpoint]] = field(default_factory=dict)
    server_words_cache: dict[tuple[str, str, int], frozenset[str]] = field(default_factory=dict)
    listening_route_cache: dict[tuple[str, str, int],
                                list[tuple[RouteVerdict, list[Endpoint]]]] = field(default_factory=dict)

    def failing_routes(self, nginx: Nginx) -> tuple[RouteVerdict, ...]:
        """Return the routes of one nginx that fail for all or some requests."""
        return tuple(j for j in self.verdicts.values() if nginx.serves(j.facts) and j.has_failures)

    def reached(self, facts: RouteFacts) -> tuple[Endpoint, ...]:
        """Return the addresses that a route leads to. There may be thousands: each is looked up, none searched for."""
        return tuple(self.endpoints[name] for name in facts.endpoints if name in self.endpoints)

    def service(self, service_id: str | None) -> Service | None:
        """Return the service with that id, or None."""
        return None if service_id is None else self.snapshot.service(service_id)


def unique_route_id(facts: RouteFacts) -> str:
    """Return a route id that is unique over all nodes."""
    return f"{facts.node}/{facts.route.id}"


def route_ids_to_host(case: Case, nginx: Nginx, host: str) -> tuple[str, ...]:
    """Return the ids of the routes by which that nginx connects to that name or address."""
    return tuple(
        facts.route.id for facts in case.snapshot.routes if nginx.serves(facts)
        and any(endpoint.host == host for endpoint in case.reached(facts))
    )


def open_case(snapshot: Snapshot, inputs: Inputs) -> Case:
    """Judge every route once and collect the addresses that failing routes lead to."""
    endpoints = {endpoint.id: endpoint for endpoint in snapshot.endpoints}
    judged: dict[str, RouteVerdict] = {}
    gathered: _Gathered = {}
    taken: dict[str, RouteFacts] = {}
    handing_on = tuple(facts for facts in snapshot.routes if facts.route.reached_from)
    guards = tuple(facts for facts in snapshot.routes if facts.route.asked_first)
    unused = {nginx.node + nginx.conf_path: _unused_servers(nginx) for nginx in snapshot.nginxes}
    for facts in snapshot.routes:
        nginx = snapshot.nginx_of(facts)
        reached = tuple(endpoints[name] for name in facts.endpoints if name in endpoints)
        hidden, nameless = unused[nginx.node + nginx.conf_path] if nginx is not None else _NO_UNUSED_SERVERS
        if facts.route.server_index in hidden | nameless:
            why = _HIDDEN_SERVER_TEXT if facts.route.server_index in hidden else _NAMELESS_SERVER_TEXT
            judged[unique_route_id(facts)] = RouteVerdict(facts, "unknown", why, ())
            _mark_services_in_use(taken, facts, reached)
            continue
        verdict = reveal_error_page(route_verdict(facts, reached, nginx, snapshot), reached, nginx, snapshot)
        verdict = reveal_own_failure(verdict, reached, nginx, snapshot)
        verdict = ignore_own_limit(verdict, nginx, snapshot)
        verdict = mark_skipped_members(verdict, reached, nginx, snapshot)
        if verdict.from_application or facts.kept:
            verdict = reveal_cached_error(verdict, reached, nginx, snapshot)
        judged[unique_route_id(facts)] = verdict
        if nginx is None:
            continue
        if verdict.state == "ok" or verdict.skipped_members or _would_answer(nginx, reached):
            _mark_services_in_use(taken, facts, reached)
        if verdict.has_failures and any(is_auth_request_of(guard, facts)
                                        and _has_no_live_endpoint(guard, snapshot, endpoints) for guard in guards):
            continue        # the auth_request fails: no request reaches the route's own address
        further = _dead_stream_endpoints(facts, handing_on, snapshot, endpoints) if verdict.has_failures else {}
        if further:             # the listener is this nginx, which passes on to a closed address
            for name, inner in further.items():
                _gather(gathered, facts, endpoints[name], (inner,))
            continue
        for endpoint in _suspects(verdict, reached, nginx, snapshot):
            if nginx.master_pid is None and _is_own_listen_address(nginx, endpoint):
                continue        # nothing listens there only because this nginx does not run
            asking = snapshot.routes if facts.route.asked_first else ()
            _gather(gathered, facts, endpoint, (other for other in asking if is_auth_request_of(facts, other)))
    for facts, endpoint, askers in _nameless_guards(guards, judged, endpoints):
        _gather(gathered, facts, endpoint, askers)
    troubles = tuple(
        FailingAddress(
            nginx,
            tuple(places.values()),
            tuple(routes.values()),
            tuple(judged[unique_route_id(facts)] for facts in routes.values()),
        )
        for places, routes in gathered.values() if (nginx := snapshot.nginx_of(next(iter(routes.values())))) is not None
    )
    accepting = tuple(e for e in snapshot.endpoints if is_closed(e) is False)
    observed = _observed_evidence(judged.values(), snapshot)
    return Case(snapshot, inputs, judged, troubles, taken, accepting, endpoints, observed)


def _observed_evidence(verdicts: Collection[RouteVerdict], snapshot: Snapshot) -> tuple[Evidence, ...]:
    """Return evidence of routes: failing ones, else those that are ok, else those that gave no answer. Where no route
    could be asked, what listens at their addresses, what nginx said last, and that no location leads anywhere."""
    failing = [verdict for verdict in verdicts if verdict.has_failures and verdict.evidence]
    well = (verdict for verdict in verdicts if verdict.state == "ok")
    for shown in (failing, well, verdicts):
        if asked := tuple(islice((e for verdict in shown for e in verdict.evidence[:1]), 3)):
            return asked
    return tuple(islice(_unasked_evidence(snapshot), 3))


def _unasked_evidence(snapshot: Snapshot) -> Iterator[Evidence]:
    for endpoint in snapshot.endpoints:
        if (listener := listener_at(endpoint)) is not None:
            yield listener_evidence(snapshot, listener)
        else:
            yield from no_listener_evidence(endpoint)
    for nginx in snapshot.nginxes:
        if isinstance(nginx.errors, Known):
            last = nginx.errors.value[-1:]
            yield Evidence("nginx-log", *((last[0].where, last[0].raw) if last else (nginx.error_log_path, "no error")))
        if isinstance(nginx.test, Known) and (said := nginx.test.value[1].strip()):
            yield Evidence("nginx-test", nginx.conf_path, said.splitlines()[-1])
        if isinstance(nginx.config, Known) and not any(map(nginx.serves, snapshot.routes)):
            yield Evidence("nginx-config", nginx.conf_path, "no location passes requests on")


def _gather(gathered: _Gathered, facts: RouteFacts, endpoint: Endpoint, others: Iterable[RouteFacts]) -> None:
    """Add an address of a route, with other routes that fail by it."""
    places, routes = gathered.setdefault(_address_key(facts, endpoint), ({}, {}))
    places.setdefault(endpoint.id, endpoint)
    for one in (facts, *others):
        routes.setdefault(one.route.id, one)


def _suspects(verdict: RouteVerdict, reached: tuple[Endpoint, ...], nginx: Nginx,
              snapshot: Snapshot) -> tuple[Endpoint, ...]:
    """Return the addresses of a route that may be at fault."""
    told = any(endpoint.configured_service for endpoint in reached)
    if _is_suspect(verdict, told) or has_met_no_backend(verdict, reached, nginx, snapshot):
        found = _suspect_endpoints(verdict, reached, snapshot)
        if found:
            return found
    return _lost_names(verdict, reached, nginx, snapshot)


def _unused_servers(nginx: Nginx) -> tuple[frozenset[int], frozenset[int]]:
    """Return the servers that get no request, as (hidden, nameless). Both are empty if nginx may run with other
    files."""
    changed, loaded = nginx.config_mtime, nginx.loaded_at
    if isinstance(nginx.config, Unknown) or isinstance(changed, Unknown) or isinstance(loaded, Unknown):
        return _NO_UNUSED_SERVERS
    config = nginx.config.value
    if changed.value > loaded.value + CLOCK_GRAIN:
        return _NO_UNUSED_SERVERS
    return config.hidden_servers(), config.nameless_servers()


def is_auth_request_of(guard: RouteFacts, facts: RouteFacts) -> bool:
    """Return whether `auth_request` of `facts` asks the location `guard` of the same server."""
    return bool(facts.route.auth) and guard is not facts and guard.route.location.endswith(facts.route.auth) and (
        (guard.node, guard.conf, guard.route.server_index) == (facts.node, facts.conf, facts.route.server_index))


def _has_no_live_endpoint(facts: RouteFacts, snapshot: Snapshot, endpoints: Mapping[str, Endpoint]) -> bool:
    """Return whether nothing accepts at any of its addresses."""
    return bool(facts.endpoints) and all(
        _is_dead(endpoints[name], snapshot) for name in facts.endpoints if name in endpoints)


def _is_own_listen_address(nginx: Nginx, endpoint: Endpoint) -> bool:
    """Return whether this nginx itself listens there, in another server or in a `stream` block."""
    config = nginx.config.or_else(None)
    if config is None:
        return False
    blocks = (*(server.listens for server in config.servers), *(route.listens for route in config.routes))
    wanted = {(listen.address, listen.port) for listens in blocks for listen in listens}
    if endpoint.unix is not None:
        return (f"unix:{endpoint.unix}", 0) in wanted
    places = (ANY_IPV4, ANY_IPV6, endpoint.host)
    return is_own_host(endpoint.host) and any((place, endpoint.port) in wanted for place in places)


def _dead_stream_endpoints(
    facts: RouteFacts, handing_on: Iterable[RouteFacts], snapshot: Snapshot, endpoints: Mapping[str, Endpoint],
) -> dict[str, RouteFacts]:
    """Return the closed addresses to which a `stream` server of this nginx passes the route's requests."""
    return {
        name: inner for inner in handing_on
        if facts.route.id in inner.route.reached_from and (inner.node, inner.conf) == (facts.node, facts.conf)
        and _has_no_live_endpoint(inner, snapshot, endpoints) for name in inner.endpoints
    }


def _address_key(facts: RouteFacts, endpoint: Endpoint) -> tuple[object, ...]:
    return facts.node, facts.conf, endpoint.node, endpoint.host, endpoint.port, endpoint.unix, endpoint.single_address


def _would_answer(nginx: Nginx, reached: tuple[Endpoint, ...]) -> bool:
    """Return whether nginx does not run, and each address of the route answers directly: it is well but for that."""
    return nginx.master_pid is None and bool(reached) and all(map(is_answering, reached))


def _mark_services_in_use(taken: dict[str, RouteFacts], facts: RouteFacts, reached: tuple[Endpoint, ...]) -> None:
    for endpoint in reached:
        if is_closed(endpoint) is True:
            continue        # a closed member of an answering group proves nothing about its owner
        for name in (endpoint.configured_service, endpoint.listening_service):
            if name is not None:
                taken.setdefault(name, facts)


def _is_suspect(verdict: RouteVerdict, told: bool) -> bool:
    """Return whether the route fails, is slow, or has no probe although its path is known or `auth_request` asks it.
    `told`: a service is configured to listen at one of its addresses."""
    route = verdict.facts.route
    if route.location == "stream" and not route.reached_from:
        return verdict.has_failures and told      # else the owner is unclear: it may be a server of this nginx
    if verdict.has_failures or verdict.state == "slow":
        return True
    asked = isinstance(verdict.facts.probes, Known) and bool(verdict.facts.probes.value)
    if verdict.state == "unknown" and route.asked_first:
        return True
    return verdict.state == "unknown" and route.path is not None and not route.internal and not (
        route.shadowed and asked)


def _lost_names(verdict: RouteVerdict, reached: tuple[Endpoint, ...], nginx: Nginx,
                snapshot: Snapshot) -> tuple[Endpoint, ...]:
    """Return the addresses of an internal location (`auth_request`, an error page, `ssi`) whose name nginx just failed
    to resolve. No request of ours reaches it; the line tells of a visitor's, or of ours for the page that asks it."""
    route = verdict.facts.route
    within = route.internal or route.asked_first or route.included or route.location.startswith("@")
    if verdict.state != "unknown" or not within or not any(e.host for e in reached):
        return ()
    seen = route.asked_first or route.included      # what `mirror` asks in the background reaches no visitor
    told = {event.message.partition(" ")[0] for event in recent_events(nginx, (verdict.facts,), snapshot)
            if event.kind == "name-not-resolved" and (seen or SUBREQUEST not in event.raw)}
    return tuple(endpoint for endpoint in reached if endpoint.host in told)


def _nameless_guards(guards: Iterable[RouteFacts], judged: Mapping[str, RouteVerdict],
                     endpoints: Mapping[str, Endpoint]) -> Iterator[tuple[RouteFacts, Endpoint, list[RouteFacts]]]:
    """Yield the locations of `auth_request` whose name has no address, with the failing routes that ask them."""
    for facts in guards:
        verdict = judged.get(unique_route_id(facts))
        reached = [endpoints[name] for name in facts.endpoints if name in endpoints]
        nameless = [end for end in reached if end.unix is None and isinstance(end.addresses, Known)
                    and not end.addresses.value]
        if not nameless or verdict is None or verdict.state != "unknown":
            continue        # askers are looked for last: there may be thousands of routes
        askers = [j.facts for j in judged.values() if j.has_failures and is_auth_request_of(facts, j.facts)]
        yield from ((facts, endpoint, askers) for endpoint in nameless if askers)


def _suspect_endpoints(verdict: RouteVerdict, reached: tuple[Endpoint, ...],
                       snapshot: Snapshot) -> tuple[Endpoint, ...]:
    """Return the addresses that may be at fault. For a route without a probe, return them only if all are closed."""
    if verdict.skipped_members:
        return tuple(endpoint for endpoint in reached if endpoint.id in verdict.skipped_members)
    meant = tuple(endpoint for endpoint in reached if not endpoint.down)
    if verdict.state == "unknown" and not (meant and all(_is_dead(endpoint, snapshot) for endpoint in meant)):
        return ()
    answering = tuple(endpoint for endpoint in meant if is_answering(endpoint))
    if not answering and any(endpoint.single_address for endpoint in meant):
        # replicas that all fail share one reason: report it once
        meant = tuple({(e.file, e.start) if e.single_address else e.id: e for e in reversed(meant)}.values())[::-1]
    return meant if len(answering) == len(meant) else tuple(e for e in meant if e not in answering)


def _is_dead(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    """Return whether nothing accepts there. The name of a stopped container does not resolve: no connect succeeds.
    A container that ends again and again is "running" for moments in which no query reaches it."""
    service = None if endpoint.configured_service is None else snapshot.service(endpoint.configured_service)
    gone = service is not None and service.container is not None and (
        not service.running or is_looping(snapshot, service, endpoint))
    return is_closed(endpoint) is True or (gone and is_closed(endpoint) is not False)


def is_answering(endpoint: Endpoint) -> bool:
    """Return whether the address itself gave an HTTP answer."""
    return isinstance(endpoint.http, Known) and endpoint.http.value.status is not None


def accepts_connections(endpoint: Endpoint) -> bool:
    """Return whether it answers, or takes connections at least: its service is there, whatever else holds it up."""
    return is_answering(endpoint) or (isinstance(endpoint.tcp, Known) and endpoint.tcp.value.error is None)


_DROPPED = frozenset({"closed", "reset"})


def is_dropping(endpoint: Endpoint) -> bool:
    """Return whether the address accepted our connection and hung up without an answer."""
    return isinstance(endpoint.http, Known) and endpoint.http.value.error in _DROPPED


# The rule by which fixer.analysis.ownership.resolve found the owner of an address.
OwnershipRule: TypeAlias = Literal["placed", "alone", "related", "same-site", "contested", "bare", "elsewhere"]


@dataclass(frozen=True, slots=True)
class PortOwner:
    """A service that belongs at an address, and the rule that says so."""

    service: Service
    rule: OwnershipRule
    evidence: tuple[Evidence, ...]

    @property
    def certain(self) -> bool:
        """True if configuration or topology names the service, False if it is only the one left over."""
        return self.rule == "placed"

    @property
    def needs_choice(self) -> bool:
        """True if the operator must confirm the service."""
        return self.rule in ("same-site", "contested")


def location_text(case: Case, route: Route) -> str:
    """Return the location, with its server if another server of the case has such a location, too."""
    several = any(other.location == route.location and other.server_names != route.server_names
                  for other in (judged.facts.route for judged in case.verdicts.values()))
    return route_text(route, several and any(name not in ("", "_") for name in route.server_names))


def route_text(route: Route, with_server: bool) -> str:
    """Return the location, with its server if asked."""
    name = next((name for name in route.server_names if name not in ("", "_")), "")
    return f"{route.location} of {name or route.listen_text}" if with_server else route.location
