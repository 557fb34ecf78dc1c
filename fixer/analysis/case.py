"""A case: one snapshot under judgement, with what several causes ask worked out once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from fixer.analysis.hidden_failures import weigh_masked, weigh_members
from fixer.analysis.route_verdict import Judged, fresh_events, is_closed, judge_route
from fixer.lazy.dataclass import dataclass, field
from fixer.model.diagnosis import Inputs
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx, RouteFacts, Service, Snapshot

_TAKEN = "an earlier server block of the same name and address takes its requests"
_NAMELESS = "it has no name that anybody asks for, and another server block is the default there"
_GRAIN = 0.5       # seconds: a file and a start that are closer cannot be put in order
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})
_NONE: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Trouble:
    """One address that failing routes lead to. `endpoints` are all the places where it is written."""

    nginx: Nginx
    endpoints: tuple[Endpoint, ...]
    routes: tuple[RouteFacts, ...]
    judged: tuple[Judged, ...]

    @property
    def endpoint(self) -> Endpoint:
        """Any one of the places: they name the same address."""
        return self.endpoints[0]

    @property
    def route_ids(self) -> tuple[str, ...]:
        """The failing routes' ids, in configuration order."""
        return tuple(rf.route.id for rf in self.routes)


@dataclass(frozen=True, slots=True)
class Case:
    """What the causes judge.

    `troubles` are the addresses behind routes that fail (or must fail, where nobody could ask them). `taken` are the
    services that routes which answer rely on, by id, with such a route; a service in it is nobody else's.
    """

    snapshot: Snapshot
    inputs: Inputs
    judged: Mapping[str, Judged]
    troubles: tuple[Trouble, ...]
    taken: Mapping[str, RouteFacts]
    accepting: tuple[Endpoint, ...]      # the addresses where somebody listens
    # worked out at the first question by fixer.analysis.ownership.resolve: who is placed at an address, what is
    # wanted where, which routes of a server somebody listens behind
    placed: dict[int, tuple[Endpoint, Owner | None]] = field(default_factory=dict)
    owned: dict[int, tuple[Trouble, tuple[Owner, ...]]] = field(default_factory=dict)
    wanted: dict[str, set[int]] = field(default_factory=dict)
    serving: dict[tuple[str, str, int], list[tuple[Judged, list[Endpoint]]]] = field(default_factory=dict)

    def failing(self, nginx: Nginx) -> tuple[Judged, ...]:
        """The routes of one nginx that fail, wholly or partly."""
        return tuple(j for j in self.judged.values() if nginx.serves(j.facts) and j.is_bad)

    def service(self, service_id: str | None) -> Service | None:
        """The service with that id, None where there is none."""
        return None if service_id is None else self.snapshot.service(service_id)


def route_key(facts: RouteFacts) -> str:
    """A route's id, unique over all nodes."""
    return f"{facts.node}/{facts.route.id}"


def routes_to(case: Case, nginx: Nginx, host: str) -> tuple[str, ...]:
    """The ids of the routes by which that nginx asks that name or address."""
    return tuple(
        facts.route.id for facts in case.snapshot.routes if nginx.serves(facts)
        and any(case.snapshot.endpoint(name).host == host for name in facts.endpoints)
    )


def open_case(snapshot: Snapshot, inputs: Inputs) -> Case:
    """Judge every route once and gather the addresses behind those that do not answer."""
    endpoints = {endpoint.id: endpoint for endpoint in snapshot.endpoints}
    judged: dict[str, Judged] = {}
    gathered: dict[tuple[object, ...], tuple[dict[str, Endpoint], dict[str, RouteFacts]]] = {}
    taken: dict[str, RouteFacts] = {}
    handing_on = tuple(facts for facts in snapshot.routes if facts.route.behind)
    guards = tuple(facts for facts in snapshot.routes if facts.route.asked_first)
    unused = {nginx.node + nginx.conf_path: _unused(nginx) for nginx in snapshot.nginxes}
    for facts in snapshot.routes:
        nginx = snapshot.nginx_of(facts)
        reached = tuple(endpoints[name] for name in facts.endpoints if name in endpoints)
        hidden, nameless = unused[nginx.node + nginx.conf_path] if nginx is not None else _NONE
        if facts.route.server_index in hidden | nameless:
            why = _TAKEN if facts.route.server_index in hidden else _NAMELESS
            judged[route_key(facts)] = Judged(facts, "unknown", why, ())
            _take(taken, facts, reached)
            continue
        verdict = weigh_masked(judge_route(facts, reached, nginx, snapshot), reached, nginx, snapshot)
        verdict = weigh_members(verdict, reached, nginx, snapshot)
        judged[route_key(facts)] = verdict
        if nginx is None:
            continue
        if verdict.state == "ok" or verdict.gone:
            _take(taken, facts, reached)
        if verdict.is_bad and any(_guards(guard, facts) and _is_gone(guard, snapshot, endpoints) for guard in guards):
            continue        # nobody gets as far as the route's own address
        further = _dead_behind(facts, handing_on, snapshot, endpoints) if verdict.is_bad else {}
        if further:             # who listens there is this nginx, which hands on
            for name, inner in further.items():
                places, routes = gathered.setdefault(_address(facts, endpoints[name]), ({}, {}))
                places.setdefault(name, endpoints[name])
                routes.update(((facts.route.id, facts), (inner.route.id, inner)))
            continue
        if _is_suspect(verdict, any(e.service for e in reached)) or _is_asked_inside(verdict, reached, nginx, snapshot):
            for endpoint in _blamed(verdict, reached, snapshot):
                if nginx.master_pid is None and _listens_itself(nginx, endpoint):
                    continue        # that nobody is there is no fault of its own: this nginx does not run
                places, routes = gathered.setdefault(_address(facts, endpoint), ({}, {}))
                places.setdefault(endpoint.id, endpoint)
                routes.setdefault(facts.route.id, facts)
                if facts.route.asked_first:
                    routes.update((other.route.id, other) for other in snapshot.routes if _guards(facts, other))
    troubles = tuple(
        Trouble(
            nginx,
            tuple(places.values()),
            tuple(routes.values()),
            tuple(judged[route_key(facts)] for facts in routes.values()),
        )
        for places, routes in gathered.values() if (nginx := snapshot.nginx_of(next(iter(routes.values())))) is not None
    )
    accepting = tuple(e for e in snapshot.endpoints if is_closed(e) is False)
    return Case(snapshot, inputs, judged, troubles, taken, accepting)


def _unused(nginx: Nginx) -> tuple[frozenset[int], frozenset[int]]:
    """The servers that its workers hand no request, where they run with the files as they are: others bear their names,
    or they have none."""
    changed, loaded = nginx.config_mtime, nginx.loaded_at
    if isinstance(nginx.config, Unknown) or isinstance(changed, Unknown) or isinstance(loaded, Unknown):
        return _NONE
    config = nginx.config.value
    return _NONE if changed.value > loaded.value + _GRAIN else (config.hidden_servers(), config.nameless_servers())


def _guards(guard: RouteFacts, facts: RouteFacts) -> bool:
    """Whether `auth_request` of that route asks this one of the same server first."""
    return bool(facts.route.auth) and guard is not facts and guard.route.location.endswith(facts.route.auth) and (
        (guard.node, guard.conf, guard.route.server_index) == (facts.node, facts.conf, facts.route.server_index))


def _is_gone(facts: RouteFacts, snapshot: Snapshot, endpoints: Mapping[str, Endpoint]) -> bool:
    """Nobody is at any of its addresses."""
    return bool(facts.endpoints) and all(
        _is_dead(endpoints[name], snapshot) for name in facts.endpoints if name in endpoints)


def _listens_itself(nginx: Nginx, endpoint: Endpoint) -> bool:
    """Whether its own configuration listens there: one server hands on to another, or to a `stream` block."""
    config = nginx.config.value if isinstance(nginx.config, Known) else None
    if config is None:
        return False
    blocks = (*(server.listens for server in config.servers), *(route.listens for route in config.routes))
    wanted = {(listen.address, listen.port) for listens in blocks for listen in listens}
    if endpoint.unix is not None:
        return (f"unix:{endpoint.unix}", 0) in wanted
    places = ("0.0.0.0", "::", endpoint.host)  # noqa: S104  told, not bound
    return endpoint.host in _HERE and any((place, endpoint.port) in wanted for place in places)


def _dead_behind(
    facts: RouteFacts, handing_on: Iterable[RouteFacts], snapshot: Snapshot, endpoints: Mapping[str, Endpoint],
) -> dict[str, RouteFacts]:
    """The addresses at which nobody is, where a `stream` server of this nginx hands on what the route asks for."""
    return {
        name: inner for inner in handing_on
        if facts.route.id in inner.route.behind and (inner.node, inner.conf) == (facts.node, facts.conf)
        and _is_gone(inner, snapshot, endpoints) for name in inner.endpoints
    }


def _address(facts: RouteFacts, endpoint: Endpoint) -> tuple[object, ...]:
    return facts.node, facts.conf, endpoint.node, endpoint.host, endpoint.port, endpoint.unix, endpoint.at


def _take(taken: dict[str, RouteFacts], facts: RouteFacts, reached: tuple[Endpoint, ...]) -> None:
    for endpoint in reached:
        if is_closed(endpoint) is True:
            continue        # a dead member of a group that answers without it proves nothing about its owner
        for name in (endpoint.service, endpoint.holder):
            if name is not None:
                taken.setdefault(name, facts)


def _is_suspect(verdict: Judged, told: bool) -> bool:
    """A route that fails, is slow, or could not be asked though a request path for it is known, or others ask it.
    `told`: a service is told to listen at one of its addresses."""
    route = verdict.facts.route
    if route.location == "stream" and not route.behind:
        return verdict.is_bad and told      # else anybody could be meant, another server of this nginx too
    if verdict.is_bad or verdict.state == "slow":
        return True
    asked = isinstance(verdict.facts.probes, Known) and bool(verdict.facts.probes.value)
    if verdict.state == "unknown" and route.asked_first:
        return True
    return verdict.state == "unknown" and route.path is not None and not route.internal and not (
        route.shadowed and asked)


def _is_asked_inside(
    verdict: Judged, reached: tuple[Endpoint, ...], nginx: Nginx, snapshot: Snapshot,
) -> bool:
    """Visitors were sent to an internal location just now (`X-Accel-Redirect`, an error page), or a part of their page
    is taken from there (`ssi`), and nobody was there. What nginx asks beside a request (`mirror`) they do not see."""
    route = verdict.facts.route
    if verdict.state != "unknown" or not route.internal or route.asked_first:
        return False
    events = [e for e in fresh_events(nginx, (verdict.facts,), snapshot)
              if e.errno and (route.included or ", subrequest: " not in e.raw)]
    return any(_is_at(event, endpoint) for event in events for endpoint in reached)


def _is_at(event: ErrorEvent, endpoint: Endpoint) -> bool:
    place = event.upstream.partition("://")[2]
    if endpoint.unix is not None:
        return place.startswith(f"unix:{endpoint.unix}:")
    return place.partition("/")[0].rpartition(":")[2] == str(endpoint.port)


def _blamed(verdict: Judged, reached: tuple[Endpoint, ...], snapshot: Snapshot) -> tuple[Endpoint, ...]:
    """The addresses that may be at fault; a route nobody asked is only at fault where all of them are closed."""
    if verdict.gone:
        return tuple(endpoint for endpoint in reached if endpoint.id in verdict.gone)
    meant = tuple(endpoint for endpoint in reached if not endpoint.down)
    if verdict.state == "unknown" and not (meant and all(_is_dead(endpoint, snapshot) for endpoint in meant)):
        return ()
    answering = tuple(endpoint for endpoint in meant if is_answering(endpoint))
    if not answering and any(endpoint.at for endpoint in meant):
        # copies that all fail do it for one reason: said once
        meant = tuple({(e.file, e.start) if e.at else e.id: e for e in reversed(meant)}.values())[::-1]
    return meant if len(answering) == len(meant) else tuple(e for e in meant if e not in answering)


def _is_dead(endpoint: Endpoint, snapshot: Snapshot) -> bool:
    """Nothing accepts there; the name of a container that does not run leads nowhere, so nobody could connect."""
    service = None if endpoint.service is None else snapshot.service(endpoint.service)
    gone = service is not None and service.container is not None and not service.running
    return is_closed(endpoint) is True or (gone and is_closed(endpoint) is not False)


def is_answering(endpoint: Endpoint) -> bool:
    """True when the address itself gave an HTTP answer."""
    return isinstance(endpoint.http, Known) and endpoint.http.value.status is not None


# A service that belongs behind an address; which one that is, `fixer.analysis.ownership.resolve` says.
Rule: TypeAlias = Literal["placed", "alone", "related", "same-site", "contested", "bare", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Owner:
    """A service that belongs behind an address, and the rule that says so; `certain` where the rule is proof."""

    service: Service
    rule: Rule
    why: tuple[Evidence, ...]

    @property
    def certain(self) -> bool:
        """True where configuration or topology says it, false where it is only the one left over."""
        return self.rule == "placed"

    @property
    def is_unsure(self) -> bool:
        """True where a person must say that it is meant."""
        return self.rule in ("same-site", "contested")
