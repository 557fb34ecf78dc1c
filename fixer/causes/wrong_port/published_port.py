"""Ports that Docker publishes for containers: one that leads to nothing inside, and one that nginx asks for in vain."""

from __future__ import annotations

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.evidence import (
    absent_evidence,
    address_text,
    bindings_of,
    config_evidence,
    container_of,
    endpoint_text,
    listener_evidence,
    listeners_on,
    pids_of,
)
from fixer.analysis.nginx_errors import is_cut_off, is_refused, say_routes, symptom_evidence
from fixer.analysis.ownership.configured import placed_owner
from fixer.analysis.ownership.container_network import by_elimination, is_in_other_container, is_on_docker_host
from fixer.analysis.ownership.resolve import owners
from fixer.analysis.ownership.tie_break import SERVERS, separated
from fixer.analysis.service_names import is_foreign, is_named_for
from fixer.analysis.service_state import condition, state_evidence
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Container, Listener, Service
from fixer.repairs.container_settings import publish, publish_inner, republish
from fixer.repairs.listen_address import EVERYWHERE, listen_at
from fixer.repairs.upstream_address import Option, point_at_listener

_CAUSE = "wrong-port"
_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  addresses that were read


def judge_published(case: Case, trouble: Trouble) -> Finding | str | Evidence:
    """Docker hands connections on to a port of a container: does anything listen there, or elsewhere in it?"""
    endpoint, owner = trouble.endpoint, placed_owner(case, trouble.endpoint)
    if owner is None and by_elimination(case, endpoint, case.service(endpoint.service)):
        return _only_left(case, trouble)
    if owner is None or owner.service.container is None or condition(owner.service) != "running":
        return config_evidence(case.snapshot, trouble.nginx, endpoint)
    service, text = owner.service, endpoint_text(endpoint)
    if not isinstance(endpoint.listener, Known):
        return f"who listens on port {endpoint.inner} in {service.name}: {endpoint.listener.reason}"
    if endpoint.listener.value is not None:
        return listener_evidence(case.snapshot, endpoint.listener.value, service)
    held = _own_listeners(case, service)
    there = [line for line in held if line.port != endpoint.inner and not _is_inner(line)]
    alone = [line for line in held if line.port == endpoint.inner and _is_inner(line)]
    if alone:
        said = f"port {endpoint.inner} of {service.name}, which listens on {_text(alone[0])} there and nowhere else"
        return _no_listener(case, trouble, owner, (said, alone[0]), (listen_at(case, service, endpoint, EVERYWHERE),))
    ports = sorted({line.port for line in there})
    if not ports:
        return f"why nobody accepts on port {endpoint.inner} in {service.name}: no socket of its own is there"
    told = [b.port for b in bindings_of(service) if b.port in ports]
    if len(ports) > 1 and not told:
        return f"which of the ports {', '.join(map(str, ports))} of {service.name} belongs behind {text}"
    line = next(x for x in there if x.port == (told or ports)[0])
    said = f"port {endpoint.inner} of {service.name}, where nothing listens; it listens on {_text(line)}"
    return _no_listener(case, trouble, owner, (said, line), _ways(case, trouble, owner, line))


def _only_left(case: Case, trouble: Trouble) -> Finding | str:
    """The container that publishes it lends its network, and whoever is in there is not told that port: a person says
    whether one of them is meant."""
    found, endpoint = owners(case, trouble), trouble.endpoint
    options = [o for owner in found for o in _published(case, trouble, owner, _outside(case, owner.service))]
    names = " or ".join(owner.service.name for owner in found)
    if not options:
        return (f"which application belongs behind {endpoint_text(endpoint)}, port {endpoint.inner} of a network that "
                f"containers share{f': {names}?' if names else ''}")
    said = (f"which Docker publishes for port {endpoint.inner} of a network that containers share, where nothing "
            f"listens; meant may be {' or '.join(f'{o.owner.service.name} at {o.text}' for o in options)}")
    first = options[0]
    return _not_published(case, trouble, first.owner, ("docker-proxy-no-listener", said, first.listener),
                          point_at_listener(case, trouble, tuple(options), ask=True), sure=False)


def _ways(case: Case, trouble: Trouble, owner: Owner, line: Listener) -> tuple[Repair, ...]:
    """To a port that Docker publishes for that socket already, else by publishing the right one."""
    options = _published(case, trouble, owner, (line,))
    if options:
        return (point_at_listener(case, trouble, options[:1], ask=False),)
    return (republish(case, trouble, owner.service, line.port),)


def _no_listener(case: Case, trouble: Trouble, owner: Owner, words: tuple[str, Listener],
                 repairs: tuple[Repair, ...]) -> Finding:
    said, line = words
    endpoint, box = trouble.endpoint, owner.service.container
    assert box is not None
    return Finding(
        cause=_CAUSE, variant="docker-proxy-no-listener", role="root", confidence="certain",
        summary=f"nginx hands {say_routes(trouble)} to {endpoint_text(endpoint)}, which Docker publishes for {said}",
        detail=(), routes=trouble.route_ids, service=owner.service.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint), *_mapping(_publisher(case, box), endpoint.port),
            *absent_evidence(endpoint), listener_evidence(case.snapshot, line, owner.service),
            state_evidence(owner.service), *symptom_evidence(case, trouble, lambda e: is_cut_off(e) or is_refused(e)),
        ))),
        repairs=repairs, explains=("wrong-bind-address", "slow-start", "backend-down"),
    )


def judge_unpublished(case: Case, trouble: Trouble) -> Finding | str | None:
    """Nothing listens there and Docker publishes nothing there: is it a container that is meant? None where there is no
    such thing."""
    if not is_on_docker_host(case, trouble):
        return None
    pool = _free(case, trouble)
    held = {s.id: _outside(case, s) for s in pool if condition(s) == "running"}
    same = [s for s in pool if any(line.port == trouble.endpoint.port for line in held.get(s.id, ()))]
    meant = same or _servers(pool)
    found = separated(case, trouble, meant) if meant else ()
    text = endpoint_text(trouble.endpoint)
    if len(found) > 1:
        options = tuple(o for owner in found for o in _published(case, trouble, owner, held.get(owner.service.id, ())))
        names = [o.service.container.name for o in found if o.service.container is not None]
        return _which(case, trouble, options, names) if options else (
            f"which container belongs behind {text}: {', '.join(names)}")
    if not found:
        return None
    owner = found[0]
    told = bool(same) or _is_of_one_project(case, trouble, owner.service) or is_named_for(trouble, owner.service)
    # one that does not run, or that nobody can reach, may be the one that is meant
    alone = bool(same) or len(meant) == 1
    proven = owner.rule == "related" or (
        told and alone and not is_foreign(trouble, owner.service) and not owner.is_unsure)
    lines = held.get(owner.service.id, ())
    if not lines:
        return _unreachable(case, trouble, owner, proven=proven)
    options = _published(case, trouble, owner, lines)
    return _found(case, trouble, owner, options, lines, proven=proven)


def _which(case: Case, trouble: Trouble, options: tuple[Option, ...], every: list[str]) -> Finding:
    """Several may be meant, and ports of theirs are published: a person says which."""
    named = [(o.owner.service.container.name, o.text) for o in options if o.owner.service.container is not None]
    rest = [name for name in every if name not in {name for name, _ in named}]
    said = f"where nothing listens; meant may be {' or '.join(f'{name} at {text}' for name, text in named)}"
    said += f", or {', '.join(rest)}, of which nothing that listens is published" if rest else ""
    return _not_published(case, trouble, options[0].owner, ("container-wrong-port", said, options[0].listener),
                          point_at_listener(case, trouble, options, ask=True), sure=False)


def _servers(pool: list[Service]) -> list[Service]:
    """The application servers where there are any: a script that listens too is hardly the site's application."""
    return [s for s in pool if s.runtime in SERVERS] or pool


def _unreachable(case: Case, trouble: Trouble, owner: Owner, *, proven: bool) -> Finding | str:
    """The container that is meant has no socket that could be published: it does not run, or listens to itself only."""
    service, endpoint, box = owner.service, trouble.endpoint, owner.service.container
    text = endpoint_text(endpoint)
    held = _own_listeners(case, service) if condition(service) == "running" else ()
    inner = [line for line in held if _is_inner(line)]
    if box is None or not proven or len({line.port for line in inner}) != 1:
        return f"whether {service.name} belongs behind {text}: nothing of it can be reached from outside its container"
    line = inner[0]
    said = (f"where nothing listens; {service.name} listens on {_text(line)} in its container, for itself only, and is "
            "not published")
    return _not_published(case, trouble, owner, ("docker-port-not-published", said, line),
                          publish_inner(trouble, service, line.port, _text(line)), sure=True)


def _is_of_one_project(case: Case, trouble: Trouble, service: Service) -> bool:
    """nginx and the application are parts of one compose project."""
    web = container_of(case.snapshot, trouble.nginx.node)
    return web is not None and bool(web.project) and service.container is not None and (
        service.container.project == web.project)


def _found(case: Case, trouble: Trouble, owner: Owner, options: tuple[Option, ...], lines: tuple[Listener, ...],
           *, proven: bool) -> Finding:
    endpoint, service, box = trouble.endpoint, owner.service, owner.service.container
    assert box is not None
    line = next((x for x in lines if x.port == endpoint.port), lines[0])
    if options:
        sure = proven and len(options) == 1
        repair = point_at_listener(case, trouble, options, ask=not sure)
        said = f"where nothing listens; {service.name} is published at {' or '.join(o.text for o in options)}"
    else:
        sure = proven and len({x.port for x in lines}) == 1
        repair = publish(case, trouble, service, line.port, proven=sure)
        elsewhere = [address_text(host, outer) for host, outer, inner in box.published if inner == line.port]
        how = f"published at {' and '.join(elsewhere[:3])} only" if elsewhere else "not published"
        said = f"where nothing listens; {service.name} listens on {_text(line)} in its container, {how}"
    variant = "container-wrong-port" if options else "docker-port-not-published"
    return _not_published(case, trouble, owner, (variant, said, line), repair, sure=sure)


def _not_published(case: Case, trouble: Trouble, owner: Owner, words: tuple[str, str, Listener], repair: Repair,
                   *, sure: bool) -> Finding:
    """`words` are the variant, what is said of the address, and the socket that is meant."""
    (variant, said, line), service, box = words, owner.service, owner.service.container
    assert box is not None
    return Finding(
        cause=_CAUSE, variant=variant, role="root", confidence="likely" if sure else "possible",
        summary=f"nginx hands {say_routes(trouble)} to {endpoint_text(trouble.endpoint)}, {said}", detail=(),
        routes=trouble.route_ids, service=service.name if sure else None, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
            *_mapping(_publisher(case, box), 0), listener_evidence(case.snapshot, line, service),
            state_evidence(service),
            *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(repair,), explains=("backend-down",),
    )


def _free(case: Case, trouble: Trouble) -> list[Service]:
    """Applications of containers that no route relies on, also those that do not run."""
    wanted = {e.service for e in case.snapshot.endpoints if e.inner} | set(case.taken)
    return [
        s for s in case.snapshot.services
        if is_in_other_container(s, trouble) and s.is_app_server and s.id not in wanted
    ]


def _own_listeners(case: Case, service: Service) -> tuple[Listener, ...]:
    """Its sockets; where nobody may see who holds them, those at the ports it is told."""
    ours, told = set(service.pids), {b.port for b in bindings_of(service)}
    return tuple(
        line for line in listeners_on(case.snapshot, service.node)
        if line.family != "unix" and not _is_resolver(line)
        and (bool(ours & set(pids_of(line))) if pids_of(line) else line.port in told)
    )


def _outside(case: Case, service: Service) -> tuple[Listener, ...]:
    return tuple(line for line in _own_listeners(case, service) if not _is_inner(line))


def _is_inner(line: Listener) -> bool:
    return line.address.removeprefix("::ffff:").startswith("127.") or line.address == "::1"


def _is_resolver(line: Listener) -> bool:
    """Docker's own resolver inside every container of a network."""
    return line.address.startswith("127.0.0.11")


def _published(case: Case, trouble: Trouble, owner: Owner, lines: tuple[Listener, ...]) -> tuple[Option, ...]:
    """The ports of the host that Docker hands on to these sockets, where nginx can ask for them."""
    box, endpoint = owner.service.container, trouble.endpoint
    addresses = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    inner = {line.port: line for line in lines}
    taken = {(e.port, e.node) for e in case.snapshot.endpoints if e.id not in {x.id for x in trouble.endpoints}}
    found: dict[int, Option] = {}
    for host, outer, port in _publisher(case, box).published if box is not None else ():
        if port in inner and (host in _ANY or host in addresses) and (outer, endpoint.node) not in taken:
            shown = replace(inner[port], port=outer)
            found.setdefault(outer, Option(owner, shown, address_text(endpoint.host, outer), True))
    return tuple(found.values())


def _publisher(case: Case, box: Container) -> Container:
    """Whose ports Docker publishes for it: those of the container whose network it has."""
    boxes = (s.container for s in case.snapshot.services if s.container is not None)
    return next((other for other in boxes if other.id == box.lender), box)


def _mapping(box: Container, port: int) -> tuple[Evidence, ...]:
    """What Docker publishes of a container: all of it, or one port."""
    shown = [f"{address_text(host or EVERYWHERE, outer)} -> {inner}" for host, outer, inner in box.published
             if port in (0, outer)]
    return (Evidence("container", box.name, f"published: {', '.join(shown)}" if shown else "publishes no port"),)


def _text(line: Listener) -> str:
    return address_text(line.address, line.port)
