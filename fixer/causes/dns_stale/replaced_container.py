"""One name that different containers have on nginx's network: Docker's DNS gives the addresses of all of them."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, route_key, routes_to
from fixer.analysis.evidence import bindings_of, config_evidence, listener_evidence, listeners_on, state_evidence
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Container, Endpoint, Nginx, Service
from fixer.repairs.file_edits import container_of


def collisions(case: Case) -> Iterator[Finding]:
    """One finding for each name that leads to containers of different programs."""
    done: set[tuple[str, str]] = set()
    for facts in case.snapshot.routes:
        nginx = case.snapshot.nginx_of(facts)
        for name in facts.endpoints if nginx is not None else ():
            endpoint = case.snapshot.endpoint(name)
            if nginx is not None and (facts.node, endpoint.host) not in done:
                done.add((facts.node, endpoint.host))
                found = _judge(case, nginx, endpoint)
                if found is not None:
                    yield found


def _judge(case: Case, nginx: Nginx, endpoint: Endpoint) -> Finding | None:
    web = container_of(case.snapshot, nginx.node)
    known = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
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
    own = ours or own          # of two projects' services of one name that of nginx's own project is meant
    rightful = own[0] if own else None
    strays = [h for h in holders if rightful is not None and _is_another(h[0], rightful)]
    if rightful is None or any(_is_another(s, rightful) for s in own):
        return None
    if strays:
        return _found(case, (nginx, endpoint, rightful), strays)
    alike = [h for h in holders if ours and h[0].container and h[0].container.project != web.project]
    return _perhaps(_found(case, (nginx, endpoint, rightful), alike)) if alike else None


def _perhaps(found: Finding) -> Finding:
    """The same program on the same port, of another project: a second deployment of it, or meant so."""
    said = found.summary.replace("answers with something else", "runs the same program for another project")
    return replace(found, role="advice", confidence="possible", explains=(), summary=said)


def _is_another(service: Service, rightful: Service) -> bool:
    """No copy of the same: another compose service that runs another program, or the same from another image."""
    one, other = service.container, rightful.container
    if one is None or other is None or (one.project, one.service) == (other.project, other.service):
        return False
    return _program(one) != _program(other) or _differ(_ports(service), _ports(rightful))


def _ports(service: Service) -> frozenset[int]:
    return frozenset(b.port for b in bindings_of(service) if b.unix is None)


def _differ(one: frozenset[int], other: frozenset[int]) -> bool:
    """Copies of one program listen on the same port."""
    return bool(one and other) and one.isdisjoint(other)


def _program(box: Container) -> tuple[str, ...]:
    repository, _, tag = box.image.rpartition(":")
    return (repository if repository and "/" not in tag else box.image, *box.argv[:2])


def _found(case: Case, about: tuple[Nginx, Endpoint, Service], strays: list[tuple[Service, str, str]]) -> Finding:
    nginx, endpoint, rightful = about
    stray, network, _ = strays[0]
    box = stray.container
    assert box is not None
    routes = routes_to(case, nginx, endpoint.host)
    names = ", ".join(dict.fromkeys(_called(service, rightful) for service, _, _ in strays))
    listens = [x for x in listeners_on(case.snapshot, stray.node) if x.port == endpoint.port and x.family != "unix"]
    held = (listener_evidence(case.snapshot, listens[0], stray),) if listens else ()
    what = "answers with something else" if listens else "does not listen there"
    shown = [Evidence("container", s.container.name, f"{endpoint.host} on {on}: {ip}, {' '.join(s.argv)[:120]}")
             for s, on, ip in strays if s.container is not None]
    ours = {route_key(f) for f in case.snapshot.routes if f.route.id in routes and f.node == nginx.node}
    judged = [j for key, j in case.judged.items() if key in ours]
    addresses = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    return Finding(
        cause="dns-stale", variant="docker-alias-collision", role="root", confidence="certain",
        summary=(f"{endpoint.host} is the name of {rightful.name} and of {names} too: nginx hands a part of all "
                 f"requests to {_called(stray, rightful)}, which {what}"),
        detail=(), routes=routes, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, nginx, endpoint),
            Evidence("probe", endpoint.host, f"resolves to {', '.join(addresses)}"),
            *shown, *held, state_evidence(rightful), *(e for j in judged[:2] for e in j.evidence[:1]),
        ))),
        repairs=(_repair(box, endpoint.host, network),),
        explains=("backend-down", "wrong-port", "wrong-bind-address", "nginx-not-reloaded", "backend-hung",
                  "wrong-host", "firewall-reject"),
    )


def _called(service: Service, rightful: Service) -> str:
    """Two projects may each have a service of that name."""
    box = service.container
    return box.name if box is not None and service.name == rightful.name else service.name


def _repair(box: Container, name: str, network: str) -> Repair:
    """Which of the two is to have the name, only a person knows; where it is written is told."""
    files = box.label("com.docker.compose.project.config_files") or "its compose file"
    place = f"make container {box.name} anew without the alias {name}"
    if box.project and box.service == name:
        place = (f"in {files} give service {name} another name, or take it off network {network}, where it has that "
                 f"name as its own; then docker compose -p {box.project} up -d")
    elif box.project and box.service:
        place = (f"take the alias {name} off service {box.service} in {files}, then docker compose -p {box.project} "
                 f"up -d --no-deps {box.service}")
    manual = (f"{place}, and let nginx look the name up anew (nginx -s reload); docker network disconnect {network} "
              f"{box.name} helps until that container is made anew")
    return Repair("remove-alias", "manual", f"take the name {name} off {box.name}", (), manual=manual)
