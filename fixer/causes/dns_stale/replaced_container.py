"""Container names on nginx's network: one name of two programs, and replicas that ended after nginx resolved it."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from fixer.analysis.case import Case, is_answering, route_ids_to_host, unique_route_id
from fixer.analysis.evidence import (
    age_text,
    bindings_of,
    clock_of,
    config_evidence,
    container_of,
    listener_evidence,
    listeners_on,
    shorten,
)
from fixer.analysis.nginx_process import is_about_other_route, is_ip_address, logged_address
from fixer.analysis.route_verdict import has_unloaded_config, recent_events
from fixer.analysis.service_state import state_evidence
from fixer.formats.numbers import times_text
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of
from fixer.model.diagnosis import Confidence, Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Container, Endpoint, ErrorEvent, Nginx, RouteFacts, Service
from fixer.nginx.error_kinds import CONNECTING

with lazy_imports():  # only for what is found
    from fixer.repairs.file_edits import check_and_reload_steps
    from fixer.repairs.start_service import start_steps


def collision_findings(case: Case) -> Iterator[Finding]:
    """Return one finding for each name that resolves to containers of different programs."""
    done: set[tuple[str, str]] = set()
    for facts in case.snapshot.routes:
        nginx = case.snapshot.nginx_of(facts)
        for name in facts.endpoints if nginx is not None else ():
            endpoint = case.endpoints[name]
            if nginx is not None and (facts.node, endpoint.host) not in done:
                done.add((facts.node, endpoint.host))
                found = _judge_name(case, nginx, endpoint)
                if found is not None:
                    yield found


def _judge_name(case: Case, nginx: Nginx, endpoint: Endpoint) -> Finding | None:
    web = container_of(case.snapshot, nginx.node)
    known = endpoint.addresses.or_else(())
    if web is None or web.is_machine or len(known) < 2:
        return None
    mine = {name for name, _, _ in web.networks}
    holders = [
        (service, network, ip) for service in case.snapshot.services if service.container is not None
        for network, ip, names in service.container.networks
        if network in mine and ip in known and endpoint.host in (*names, service.container.name)
    ]
    own = [s for s, _, _ in holders if s.container and endpoint.host in (s.container.service, s.container.name)]
    ours = [s for s in own if s.container and web.project and s.container.project == web.project]
    own = ours or own          # prefer nginx's own project if two projects have a service of that name
    rightful = own[0] if own else None
    strays = [h for h in holders if rightful is not None and _is_other_program(h[0], rightful)]
    if rightful is None or any(_is_other_program(s, rightful) for s in own):
        return None
    if strays:
        return _collision_finding(case, (nginx, endpoint, rightful), strays)
    alike = [h for h in holders if ours and h[0].container and h[0].container.project != web.project]
    return _downgrade_finding(_collision_finding(case, (nginx, endpoint, rightful), alike)) if alike else None


def _downgrade_finding(found: Finding) -> Finding:
    """Return the finding as advice: the same program and port in another project may be intended."""
    summary = found.summary.replace("answers with something else", "runs the same program for another project")
    return replace(found, role="advice", confidence="possible", summary=summary)


def _is_other_program(service: Service, rightful: Service) -> bool:
    """Return whether it is no replica: another compose service, with another program or other ports."""
    one, other = service.container, rightful.container
    if one is None or other is None or (one.project, one.service) == (other.project, other.service):
        return False
    return _program_of(one) != _program_of(other) or _has_other_ports(_ports(service), _ports(rightful))


def _ports(service: Service) -> frozenset[int]:
    return frozenset(b.port for b in bindings_of(service) if b.unix is None)


def _has_other_ports(one: frozenset[int], other: frozenset[int]) -> bool:
    """Return whether the ports differ: replicas of one program listen on the same port."""
    return bool(one and other) and one.isdisjoint(other)


def _program_of(box: Container) -> tuple[str, ...]:
    repository, _, tag = box.image.rpartition(":")
    return (repository if repository and "/" not in tag else box.image, *box.argv[:2])


def _collision_finding(case: Case, about: tuple[Nginx, Endpoint, Service],
                       strays: list[tuple[Service, str, str]]) -> Finding:
    nginx, endpoint, rightful = about
    stray, network, _ = strays[0]
    box = stray.container
    assert box is not None
    routes = route_ids_to_host(case, nginx, endpoint.host)
    names = ", ".join(dict.fromkeys(_display_name(service, rightful) for service, _, _ in strays))
    listens = [x for x in listeners_on(case.snapshot, stray.node) if x.port == endpoint.port and x.family != "unix"]
    held = (listener_evidence(case.snapshot, listens[0], stray),) if listens else ()
    what = "answers with something else" if listens else "does not listen there"
    shown = [Evidence("container", s.container.name, f"{endpoint.host} on {on}: {ip}, {shorten(' '.join(s.argv), 120)}")
             for s, on, ip in strays if s.container is not None]
    ours = {unique_route_id(f) for f in case.snapshot.routes if f.route.id in routes and f.node == nginx.node}
    judged = [j for key, j in case.verdicts.items() if key in ours]
    addresses = endpoint.addresses.or_else(())
    return Finding(
        cause="dns-stale", variant="docker-alias-collision", role="root", confidence="certain",
        summary=(f"{endpoint.host} is the name of {rightful.name} and also of {names}: nginx hands part of the "
                 f"requests to {_display_name(stray, rightful)}, which {what}"),
        detail=(), routes=routes, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, nginx, endpoint),
            Evidence("probe", endpoint.host, f"resolves to {', '.join(addresses)}"),
            *shown, *held, state_evidence(rightful), *(e for j in judged[:2] for e in j.evidence[:1]),
        ))),
        repairs=(_remove_alias_repair(box, endpoint.host, network),),
        effects=("wrong-place", "packets-blocked", "looks-busy", "stale-config"),
    )


def _display_name(service: Service, rightful: Service) -> str:
    """Return the container's name if both services have the same name, as in two projects."""
    box = service.container
    return box.name if box is not None and service.name == rightful.name else service.name


def _remove_alias_repair(box: Container, name: str, network: str) -> Repair:
    """Return a manual repair that says where the name is configured: only the operator knows whose it is."""
    files = box.label("com.docker.compose.project.config_files") or "its compose file"
    place = f"recreate container {box.name} without the alias {name}"
    if box.project and box.service == name:
        place = (f"in {files}, rename service {name} or remove it from network {network}, where it always has that "
                 f"name. Then run docker compose -p {box.project} up -d")
    elif box.project and box.service:
        place = (f"remove the alias {name} from service {box.service} in {files}. Then run docker compose -p "
                 f"{box.project} up -d --no-deps {box.service}")
    manual = (f"{place}. Reload nginx, so that it resolves the name again (nginx -s reload). docker network disconnect "
              f"{network} {box.name} helps until that container is recreated")
    return Repair("remove-alias", "manual", f"remove the name {name} from {box.name}", (), manual=manual)


# Replicas that ended after nginx resolved their name, and that nginx still uses.
_START_MARGIN = 2.0       # seconds: closer to nginx's start, the order of the two is unknown


def find_stale_replicas(case: Case, reported: AbstractSet[str]) -> Iterator[Finding]:
    """Return one finding for each name of an answering route for which nginx still uses a dead replica."""
    done: set[tuple[str, str, str]] = set()
    for facts in case.snapshot.routes:
        nginx = case.snapshot.nginx_of(facts)
        if nginx is None or nginx.master_pid is None or has_unloaded_config(nginx) or (
                unique_route_id(facts) in reported):
            continue
        if case.verdicts[unique_route_id(facts)].state not in ("ok", "degraded", "slow"):
            continue
        for name in facts.endpoints:
            endpoint = case.endpoints[name]
            if (facts.node, facts.conf, endpoint.host) not in done and _is_cached_name(facts, endpoint):
                done.add((facts.node, facts.conf, endpoint.host))
                yield from _stale_replica_findings(case, nginx, facts, endpoint)


def _is_cached_name(facts: RouteFacts, endpoint: Endpoint) -> bool:
    """Return whether nginx resolved the name once, when it read its configuration, and the endpoint answers."""
    if endpoint.unix is not None or endpoint.down or not endpoint.host or is_ip_address(endpoint.host):
        return False
    route = facts.route
    if any(server.resolves or server.variable for server in route.servers if server.host == endpoint.host):
        return False
    return is_answering(endpoint) and (bool(route.upstream) or "$" not in route.pass_text)


def _stale_replica_findings(case: Case, nginx: Nginx, facts: RouteFacts, endpoint: Endpoint) -> Iterator[Finding]:
    now = endpoint.addresses.or_else(())
    if not now:
        return
    lines = [e for e in recent_events(nginx, (facts,), case.snapshot)
             if e.kind in CONNECTING and not is_about_other_route(case, (facts,), e)]
    strange = [e for e in lines if (asked := logged_address(e)) and asked not in now]
    dead = _ended_replicas(case, nginx, endpoint)
    if dead:
        yield _ended_replica_finding(case, (nginx, facts, endpoint), dead, strange)
    elif _is_certain(case, nginx, facts, endpoint, strange):
        yield _old_address_finding(case, (nginx, facts, endpoint), now, strange)


def _ended_replicas(case: Case, nginx: Nginx, endpoint: Endpoint) -> list[Service]:
    """Return other containers of the service that ran when nginx resolved the name, and ended since."""
    web, loaded = container_of(case.snapshot, nginx.node), nginx.loaded_at
    here = case.service(endpoint.configured_service)
    if web is None or web.is_machine or here is None or here.container is None or not isinstance(loaded, Known):
        return []
    box, mine = here.container, {name for name, _, _ in web.networks}
    unresolved = {e.configured_service for e in case.snapshot.endpoints if e.host == endpoint.host
            and e.addresses == Known(())}
    return [
        s for s in case.snapshot.services
        if s.container is not None and s.id not in (here.id, *unresolved) and not s.running
        and box.service and (s.container.project, s.container.service) == (box.project, box.service)
        and s.container.status == "exited" and s.container.started_at < loaded.value
        and s.container.finished_at > loaded.value + _START_MARGIN and _has_name(s.container, endpoint.host, mine)
    ]


def _has_name(box: Container, host: str, networks: AbstractSet[str]) -> bool:
    return any(network in networks and host in (*names, box.service) for network, _, names in box.networks)


def _is_certain(case: Case, nginx: Nginx, facts: RouteFacts, endpoint: Endpoint, strange: list[ErrorEvent]) -> bool:
    """Return whether a replica was removed for good: several log lines, none with another address of this route."""
    endpoints = case.reached(facts)
    if any(not isinstance(e.addresses, Known) for e in endpoints):
        return False
    others = {a for e in endpoints if isinstance(e.addresses, Known) and e.host != endpoint.host
              for a in (e.host, *e.addresses.value)}
    service = case.service(endpoint.configured_service)
    boxed = service is not None and service.container is not None
    return (boxed and container_of(case.snapshot, nginx.node) is not None and len(strange) > 1
            and all(logged_address(event) not in others for event in strange))


def _ended_replica_finding(
    case: Case, about: tuple[Nginx, RouteFacts, Endpoint], dead: list[Service], lines: list[ErrorEvent],
) -> Finding:
    nginx, _, endpoint = about
    boxes = [s.container for s in dead if s.container is not None]
    names = ", ".join(box.name for box in boxes)
    clock, loaded = clock_of(case.snapshot, nginx.node), nginx.loaded_at
    shown = [Evidence("container", box.name, f"ended {age_text(max(0.0, clock - box.finished_at))} ago; nginx resolved "
                      f"{endpoint.host} {age_text(max(0.0, clock - loaded.value))} ago, while it ran")
             for box in boxes if isinstance(loaded, Known)]
    summary = (f"{names} {'does' if len(boxes) == 1 else 'do'} not run, and nginx still connects "
               f"to {'it' if len(boxes) == 1 else 'them'} in turn with the other replicas of {endpoint.host}")
    starts = tuple(step for service in dead for step in start_steps(case.snapshot, service, None))
    start = (Repair("start-service", "safe", f"start {names}", starts),) if starts else ()
    reload = (_reload_repair(case, nginx, endpoint),)
    missed = all(manager_of(service).is_started_at_boot() for service in dead)
    return _finding(case, about, ("certain", summary), (*shown, *map(state_evidence, dead), *_newest_evidence(lines)),
                    (*start, *reload) if missed else (*reload, *start))


def _old_address_finding(
    case: Case, about: tuple[Nginx, RouteFacts, Endpoint], now: tuple[str, ...], lines: list[ErrorEvent],
) -> Finding:
    nginx, _, endpoint = about
    old = ", ".join(dict.fromkeys(map(logged_address, lines)))
    summary = f"nginx still connects to {old} too, which is no address of {endpoint.host} now"
    shown = (Evidence("probe", endpoint.host, f"resolves to {', '.join(now)}, and answers there"),
             *_newest_evidence(lines))
    return _finding(case, about, ("likely", summary), shown, (_reload_repair(case, nginx, endpoint),))


def _newest_evidence(lines: list[ErrorEvent]) -> tuple[Evidence, ...]:
    if not lines:
        return ()
    count = f"{times_text(len(lines))}: " if len(lines) > 1 else ""
    return (Evidence("nginx-log", lines[-1].where, count + lines[-1].raw),)


def _reload_repair(case: Case, nginx: Nginx, endpoint: Endpoint) -> Repair:
    return Repair(
        "reload-nginx", "safe", f"check the configuration and reload nginx, which then resolves {endpoint.host} "
        "again (the configuration in its memory cannot be restored)", check_and_reload_steps(case.snapshot, nginx),
    )


def _finding(
    case: Case, about: tuple[Nginx, RouteFacts, Endpoint], claim: tuple[Confidence, str], shown: tuple[Evidence, ...],
    repairs: tuple[Repair, ...],
) -> Finding:
    nginx, facts, endpoint = about
    return Finding(
        cause="dns-stale", variant="stale-dns", role="root", confidence=claim[0], summary=claim[1], detail=(),
        routes=route_ids_to_host(case, nginx, endpoint.host), service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            *shown, config_evidence(case.snapshot, nginx, endpoint),
            *case.verdicts[unique_route_id(facts)].evidence[:1],
        ))),
        repairs=repairs,
    )
