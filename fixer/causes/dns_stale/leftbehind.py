"""Copies that nginx still asks although they do not run any more: it looked their name up while they did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from fixer.analysis.case import Case, is_answering, route_key, routes_to
from fixer.analysis.evidence import config_evidence, now_on, say_age, state_evidence
from fixer.analysis.members import is_meant_to_run
from fixer.analysis.route_verdict import fresh_events, is_edited
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Confidence, Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Container, Endpoint, ErrorEvent, Nginx, RouteFacts, Service
from fixer.repairs.file_edits import container_of, nginx_steps
from fixer.repairs.start_service import start_steps

_UPSTREAM = regex(r"^(?:\w+://)?(?:\[([0-9a-fA-F:]+)\]|(\d{1,3}(?:\.\d{1,3}){3}))(?::\d+)?(?:/|$)")
_ADDRESS = regex(r"^[\d.]+$|^\[?[0-9a-fA-F:]*:[0-9a-fA-F:.]*\]?$")
_MARGIN = 2.0       # seconds: so near to nginx's start it is not known which of the two was first


def of_log(event: ErrorEvent) -> str:
    """The address that the line says nginx asked; a visitor could write one, so it weighs and chooses nothing."""
    match = _UPSTREAM.match(event.upstream)
    return (match[1] or match[2]) if match is not None else ""


def is_address(host: str) -> bool:
    """Written as a number: no name that could lead elsewhere."""
    return _ADDRESS.match(host) is not None


def is_of_another(case: Case, routes: Sequence[RouteFacts], event: ErrorEvent) -> bool:
    """A line about a path for which a longer location is written than for any of these routes: what nginx asked then
    was asked for that one. Where paths are rewritten it may not be so, and the line shows nothing for certain."""
    path = [*event.request.split(" "), ""][1]
    own = max((len(at) for facts in routes if (at := _plain(facts)) and path.startswith(at)), default=0)
    mine = {route_key(facts) for facts in routes}
    places = {(facts.node, facts.conf) for facts in routes}
    return any(
        len(at) > own and path.startswith(at) for facts in case.snapshot.routes
        if (facts.node, facts.conf) in places and route_key(facts) not in mine and _serves(facts, event.server)
        and (at := _plain(facts))
    )


def _plain(facts: RouteFacts) -> str:
    """The path of its location, empty where that is a pattern."""
    return facts.route.location.split(" ")[-1] if facts.route.path is not None else ""


def _serves(facts: RouteFacts, server: str) -> bool:
    names = facts.route.server_names
    return not server or not names or "" in names or server in names


def left_behind(case: Case, told: AbstractSet[str]) -> Iterator[Finding]:
    """One finding for each name behind routes that answer, of which nginx still holds a dead copy's address."""
    done: set[tuple[str, str, str]] = set()
    for facts in case.snapshot.routes:
        nginx = case.snapshot.nginx_of(facts)
        if nginx is None or nginx.master_pid is None or is_edited(nginx) or route_key(facts) in told:
            continue
        if case.judged[route_key(facts)].state not in ("ok", "degraded", "slow"):
            continue
        for name in facts.endpoints:
            endpoint = case.snapshot.endpoint(name)
            if (facts.node, facts.conf, endpoint.host) not in done and _is_held(facts, endpoint):
                done.add((facts.node, facts.conf, endpoint.host))
                yield from _judge(case, nginx, facts, endpoint)


def _is_held(facts: RouteFacts, endpoint: Endpoint) -> bool:
    """A name that was looked up once, when nginx read its configuration, and that leads to somebody who answers."""
    if endpoint.unix is not None or endpoint.down or not endpoint.host or is_address(endpoint.host):
        return False
    route = facts.route
    if any(server.resolves or server.variable for server in route.servers if server.host == endpoint.host):
        return False
    return is_answering(endpoint) and (bool(route.upstream) or "$" not in route.pass_text)


def _judge(case: Case, nginx: Nginx, facts: RouteFacts, endpoint: Endpoint) -> Iterator[Finding]:
    now = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    if not now:
        return
    lines = [e for e in fresh_events(nginx, (facts,), case.snapshot)
             if "connecting" in e.phase and not is_of_another(case, (facts,), e)]
    strange = [e for e in lines if (asked := of_log(e)) and asked not in now]
    dead = _dead_copies(case, nginx, endpoint)
    if dead:
        yield _of_copies(case, (nginx, facts, endpoint), dead, strange)
    elif _is_sure(case, nginx, facts, endpoint, strange):
        yield _of_lines(case, (nginx, facts, endpoint), now, strange)


def _dead_copies(case: Case, nginx: Nginx, endpoint: Endpoint) -> list[Service]:
    """Further containers of the same service that ran when nginx looked the name up, and ended since."""
    web, loaded = container_of(case.snapshot, nginx.node), nginx.loaded_at
    here = case.service(endpoint.service)
    if web is None or web.is_machine or here is None or here.container is None or not isinstance(loaded, Known):
        return []
    box, mine = here.container, {name for name, _, _ in web.networks}
    told = {e.service for e in case.snapshot.endpoints if e.host == endpoint.host and e.addresses == Known(())}
    return [
        s for s in case.snapshot.services if s.container is not None and s.id not in (here.id, *told) and not s.running
        and box.service and (s.container.project, s.container.service) == (box.project, box.service)
        and s.container.status == "exited" and s.container.started_at < loaded.value
        and s.container.finished_at > loaded.value + _MARGIN and _has_name(s.container, endpoint.host, mine)
    ]


def _has_name(box: Container, host: str, networks: AbstractSet[str]) -> bool:
    return any(network in networks and host in (*names, box.service) for network, _, names in box.networks)


def _is_sure(case: Case, nginx: Nginx, facts: RouteFacts, endpoint: Endpoint, strange: list[ErrorEvent]) -> bool:
    """More than one line, of which no address is any other place's of this route: a copy was taken away for good."""
    beside = [case.snapshot.endpoint(name) for name in facts.endpoints]
    if any(not isinstance(e.addresses, Known) for e in beside):
        return False
    others = {a for e in beside if isinstance(e.addresses, Known) and e.host != endpoint.host
              for a in (e.host, *e.addresses.value)}
    service = case.service(endpoint.service)
    boxed = service is not None and service.container is not None
    return (boxed and container_of(case.snapshot, nginx.node) is not None and len(strange) > 1
            and all(of_log(event) not in others for event in strange))


def _of_copies(
    case: Case, about: tuple[Nginx, RouteFacts, Endpoint], dead: list[Service], lines: list[ErrorEvent],
) -> Finding:
    nginx, _, endpoint = about
    boxes = [s.container for s in dead if s.container is not None]
    names = ", ".join(box.name for box in boxes)
    clock, loaded = now_on(case.snapshot, nginx.node), nginx.loaded_at
    shown = [Evidence("container", box.name, f"ended {say_age(max(0.0, clock - box.finished_at))} ago; nginx looked "
                      f"{endpoint.host} up {say_age(max(0.0, clock - loaded.value))} ago, while it ran")
             for box in boxes if isinstance(loaded, Known)]
    summary = (f"{names} {'does' if len(boxes) == 1 else 'do'} not run, and nginx still asks "
               f"{'it' if len(boxes) == 1 else 'them'} in turn with the other copies behind {endpoint.host}")
    starts = tuple(step for service in dead for step in start_steps(case.snapshot, service, None))
    start = (Repair("start-service", "safe", f"start {names}", starts),) if starts else ()
    reload = (_reload(case, nginx, endpoint),)
    missed = all(box.restart_policy == "always" and is_meant_to_run(s) for s, box in zip(dead, boxes, strict=True))
    return _finding(case, about, ("certain", summary), (*shown, *map(state_evidence, dead), *_newest(lines)),
                    (*start, *reload) if missed else (*reload, *start))


def _of_lines(
    case: Case, about: tuple[Nginx, RouteFacts, Endpoint], now: tuple[str, ...], lines: list[ErrorEvent],
) -> Finding:
    nginx, _, endpoint = about
    old = ", ".join(dict.fromkeys(map(of_log, lines)))
    summary = f"nginx still asks {old} too, which is none of the addresses that {endpoint.host} has now"
    shown = (Evidence("probe", endpoint.host, f"resolves to {', '.join(now)}, and answers there"), *_newest(lines))
    return _finding(case, about, ("likely", summary), shown, (_reload(case, nginx, endpoint),))


def _newest(lines: list[ErrorEvent]) -> tuple[Evidence, ...]:
    if not lines:
        return ()
    count = f"{len(lines)} times: " if len(lines) > 1 else ""
    return (Evidence("nginx-log", lines[-1].where, count + lines[-1].raw[:300]),)


def _reload(case: Case, nginx: Nginx, endpoint: Endpoint) -> Repair:
    return Repair(
        "reload-nginx", "safe", f"check the configuration and reload nginx, which looks {endpoint.host} up anew "
        "(what it holds in memory now cannot be brought back)", nginx_steps(case.snapshot, nginx),
    )


def _finding(
    case: Case, about: tuple[Nginx, RouteFacts, Endpoint], words: tuple[Confidence, str], shown: tuple[Evidence, ...],
    repairs: tuple[Repair, ...],
) -> Finding:
    nginx, facts, endpoint = about
    return Finding(
        cause="dns-stale", variant="stale-dns", role="root", confidence=words[0], summary=words[1], detail=(),
        routes=routes_to(case, nginx, endpoint.host), service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            *shown, config_evidence(case.snapshot, nginx, endpoint),
            *case.judged[route_key(facts)].evidence[:1],
        ))),
        repairs=repairs, explains=("nginx-not-reloaded", "overload-saturated"),
    )
