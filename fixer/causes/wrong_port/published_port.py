"""Ports that Docker publishes: one without a listener in the container, and one that nginx uses and is not
published."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    config_evidence,
    container_of,
    endpoint_text,
    listener_evidence,
    listeners_on,
    no_listener_evidence,
    pids_of,
)
from fixer.analysis.nginx_errors import connect_symptoms, routes_text, symptom_evidence
from fixer.analysis.ownership.configured import configured_owner
from fixer.analysis.ownership.container_network import (
    is_in_other_container,
    is_nginx_on_docker_host,
    is_only_by_elimination,
)
from fixer.analysis.ownership.tie_break import SERVERS, best_by_name
from fixer.analysis.service_state import run_state_of, state_evidence
from fixer.formats.addresses import ANY_IPV4, DOCKER_RESOLVER, is_loopback, is_wildcard
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Container, Listener, Service
from fixer.nginx.error_kinds import CONNECT_FAILED, CUT_OFF
from fixer.repairs.upstream_address import ReachableListener, point_at_listener_repair

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.resolve import candidate_owners
    from fixer.analysis.service_names import has_unrelated_name, is_named_after_site
    from fixer.repairs.container_settings import manual_publish_repair, publish_port_repair, republish_port_repair
    from fixer.repairs.listen_address import listen_address_repair

_CAUSE_ID = "wrong-port"


def judge_published(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    """Judge a published port: does anything listen there in the container, or on another port in it?"""
    endpoint, owner = trouble.endpoint, configured_owner(case, trouble.endpoint)
    if owner is None and is_only_by_elimination(case, endpoint, case.service(endpoint.configured_service)):
        return _judge_only_left(case, trouble)
    if owner is None or owner.service.container is None or run_state_of(owner.service) != "running":
        return config_evidence(case.snapshot, trouble.nginx, endpoint)
    service, text = owner.service, endpoint_text(endpoint)
    if not isinstance(endpoint.listener, Known):
        return f"what listens on port {endpoint.container_port} in {service.name}: {endpoint.listener.reason}"
    if endpoint.listener.value is not None:
        return listener_evidence(case.snapshot, endpoint.listener.value, service)
    held = _own_listeners(case, service)
    there = [line for line in held if line.port != endpoint.container_port and not is_loopback(line.address)]
    alone = [line for line in held if line.port == endpoint.container_port and is_loopback(line.address)]
    if alone:
        said = (f"port {endpoint.container_port} of {service.name}; it listens on {_listener_text(alone[0])} there and "
                f"nowhere else")
        return _no_listener_finding(case, trouble, owner, (said, alone[0]),
                                    (listen_address_repair(case, service, endpoint, ANY_IPV4),))
    ports = sorted({line.port for line in there})
    if not ports:
        return (f"why nothing accepts connections on port {endpoint.container_port} in {service.name}: it has no "
                "listener there")
    told = [b.port for b in bindings_of(service) if b.port in ports]
    if len(ports) > 1 and not told:
        return f"which of the ports {', '.join(map(str, ports))} of {service.name} belongs behind {text}"
    line = next(x for x in there if x.port == (told or ports)[0])
    said = (f"port {endpoint.container_port} of {service.name}, where nothing listens; it listens on "
            f"{_listener_text(line)}")
    return _no_listener_finding(case, trouble, owner, (said, line), _publish_repairs(case, trouble, owner, line))


def _judge_only_left(case: Case, trouble: FailingAddress) -> Finding | str:
    """Judge a port published for a shared network in which no service is configured for it: the operator decides
    whether one of them is intended."""
    found, endpoint = candidate_owners(case, trouble), trouble.endpoint
    options = [o for owner in found
               for o in _published_listeners(case, trouble, owner, _outside_listeners(case, owner.service))]
    names = " or ".join(owner.service.name for owner in found)
    if not options:
        return (f"which application belongs behind {endpoint_text(endpoint)}, port {endpoint.container_port} of a "
                f"network that "
                f"containers share{f': {names}?' if names else ''}")
    said = (f"which Docker publishes for port {endpoint.container_port} of a network that containers share, where "
            f"nothing "
            f"listens; candidates: {', '.join(f'{o.owner.service.name} at {o.text}' for o in options)}")
    first = options[0]
    return _make_unpublished_finding(case, trouble, first.owner, ("docker-proxy-no-listener", said, first.listener),
                          point_at_listener_repair(case, trouble, tuple(options), ask=True), sure=False)


def _publish_repairs(case: Case, trouble: FailingAddress, owner: PortOwner, line: Listener) -> tuple[Repair, ...]:
    """Return the repair: use a port that is published for that listener, else publish the right one."""
    options = _published_listeners(case, trouble, owner, (line,))
    if options:
        return (point_at_listener_repair(case, trouble, options[:1], ask=False),)
    return (republish_port_repair(case, trouble, owner.service, line.port),)


def _no_listener_finding(case: Case, trouble: FailingAddress, owner: PortOwner, words: tuple[str, Listener],
                 repairs: tuple[Repair, ...]) -> Finding:
    said, line = words
    endpoint, box = trouble.endpoint, owner.service.container
    assert box is not None
    return Finding(
        cause=_CAUSE_ID, variant="docker-proxy-no-listener", role="root", confidence="certain",
        summary=f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)}, which Docker publishes for {said}",
        detail=(), routes=trouble.route_ids, service=owner.service.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint),
            *_mapping_evidence(_publishing_container(case, box), endpoint.port),
            *no_listener_evidence(endpoint), listener_evidence(case.snapshot, line, owner.service),
            state_evidence(owner.service),
            *symptom_evidence(case, trouble, CUT_OFF | CONNECT_FAILED),
        ))),
        repairs=repairs, effects=("nothing-listens", "wrong-place"),
    )


def judge_unpublished(case: Case, trouble: FailingAddress) -> Finding | str | None:
    """Judge a closed port that Docker does not publish: is a container intended? None if there is no candidate."""
    if not is_nginx_on_docker_host(case, trouble) or not any(s.container is not None for s in case.snapshot.services):
        return None
    pool = _free_applications(case, trouble)
    held = {s.id: _outside_listeners(case, s) for s in pool if run_state_of(s) == "running"}
    same = [s for s in pool if any(line.port == trouble.endpoint.port for line in held.get(s.id, ()))]
    meant = same or _select_servers(pool)
    found = best_by_name(case, trouble, meant) if meant else ()
    text = endpoint_text(trouble.endpoint)
    if len(found) > 1:
        options = tuple(o for owner in found
                        for o in _published_listeners(case, trouble, owner, held.get(owner.service.id, ())))
        names = [o.service.container.name for o in found if o.service.container is not None]
        return _which_container_finding(case, trouble, options, names) if options else (
            f"which container belongs behind {text}: {', '.join(names)}")
    if not found:
        return None
    owner = found[0]
    told = bool(same) or _is_same_project(case, trouble, owner.service) or is_named_after_site(trouble, owner.service)
    # a stopped or unreachable one may be the intended one
    alone = bool(same) or len(meant) == 1
    proven = owner.rule == "related" or (
        told and alone and not has_unrelated_name(trouble, owner.service) and not owner.needs_choice)
    lines = held.get(owner.service.id, ())
    if not lines:
        return _judge_unreachable(case, trouble, owner, proven=proven)
    options = _published_listeners(case, trouble, owner, lines)
    return _unpublished_finding(case, trouble, owner, options, lines, proven=proven)


def _which_container_finding(case: Case, trouble: FailingAddress, options: tuple[ReachableListener, ...],
                             every: list[str]) -> Finding:
    """Return the finding on several candidates with published ports: the operator chooses."""
    named = [(o.owner.service.container.name, o.text) for o in options if o.owner.service.container is not None]
    rest = [name for name in every if name not in {name for name, _ in named}]
    said = f"where nothing listens; candidates: {', '.join(f'{name} at {text}' for name, text in named)}"
    said += f", or {', '.join(rest)} (without a published listener)" if rest else ""
    return _make_unpublished_finding(case, trouble, options[0].owner,
                                     ("container-wrong-port", said, options[0].listener),
                          point_at_listener_repair(case, trouble, options, ask=True), sure=False)


def _select_servers(pool: list[Service]) -> list[Service]:
    """Return the application servers if there are any: a script with a listener is rarely the site's application."""
    return [s for s in pool if s.runtime in SERVERS] or pool


def _judge_unreachable(case: Case, trouble: FailingAddress, owner: PortOwner, *, proven: bool) -> Finding | str:
    """Judge an intended container without a reachable listener: it does not run, or listens on loopback only."""
    service, endpoint, box = owner.service, trouble.endpoint, owner.service.container
    text = endpoint_text(endpoint)
    held = _own_listeners(case, service) if run_state_of(service) == "running" else ()
    inner = [line for line in held if is_loopback(line.address)]
    if box is None or not proven or len({line.port for line in inner}) != 1:
        return (f"whether {service.name} belongs behind {text}: it has no listener that can be reached from outside "
                "its container")
    line = inner[0]
    said = (f"where nothing listens; {service.name} listens on {_listener_text(line)} in its container, only for "
            "itself, and is not published")
    return _make_unpublished_finding(case, trouble, owner, ("docker-port-not-published", said, line),
                          manual_publish_repair(trouble, service, line.port, _listener_text(line)), sure=True)


def _is_same_project(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether nginx and the application belong to one compose project."""
    web = container_of(case.snapshot, trouble.nginx.node)
    return web is not None and bool(web.project) and service.container is not None and (
        service.container.project == web.project)


def _unpublished_finding(case: Case, trouble: FailingAddress, owner: PortOwner, options: tuple[ReachableListener, ...],
                         lines: tuple[Listener, ...],
           *, proven: bool) -> Finding:
    endpoint, service, box = trouble.endpoint, owner.service, owner.service.container
    assert box is not None
    line = next((x for x in lines if x.port == endpoint.port), lines[0])
    if options:
        sure = proven and len(options) == 1
        repair = point_at_listener_repair(case, trouble, options, ask=not sure)
        said = f"where nothing listens; {service.name} is published at {' or '.join(o.text for o in options)}"
    else:
        sure = proven and len({x.port for x in lines}) == 1
        repair = publish_port_repair(case, trouble, service, line.port, proven=sure)
        elsewhere = [address_text(host, outer) for host, outer, inner in box.published if inner == line.port]
        how = f"published at {' and '.join(elsewhere[:3])} only" if elsewhere else "not published"
        said = f"where nothing listens; {service.name} listens on {_listener_text(line)} in its container, {how}"
    variant = "container-wrong-port" if options else "docker-port-not-published"
    return _make_unpublished_finding(case, trouble, owner, (variant, said, line), repair, sure=sure)


def _make_unpublished_finding(case: Case, trouble: FailingAddress, owner: PortOwner, words: tuple[str, str, Listener],
                              repair: Repair,
                   *, sure: bool) -> Finding:
    """Return the finding. `words` are the variant, the address' fault, and the intended listener."""
    (variant, said, line), service, box = words, owner.service, owner.service.container
    assert box is not None
    return Finding(
        cause=_CAUSE_ID, variant=variant, role="root", confidence="likely" if sure else "possible",
        summary=f"nginx hands {routes_text(trouble)} to {endpoint_text(trouble.endpoint)}, {said}", detail=(),
        routes=trouble.route_ids, service=service.name if sure else None, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *no_listener_evidence(trouble.endpoint),
            *_mapping_evidence(_publishing_container(case, box), 0), listener_evidence(case.snapshot, line, service),
            state_evidence(service),
            *connect_symptoms(case, trouble),
        ))),
        repairs=(repair,), effects=("nothing-listens",),
    )


def _free_applications(case: Case, trouble: FailingAddress) -> list[Service]:
    """Return applications in containers that no route uses, including stopped ones."""
    wanted = {e.configured_service for e in case.snapshot.endpoints if e.container_port} | set(case.services_in_use)
    return [
        s for s in case.snapshot.services
        if is_in_other_container(s, trouble) and s.is_app_server and s.id not in wanted
    ]


def _own_listeners(case: Case, service: Service) -> tuple[Listener, ...]:
    """Return the service's listeners; if their owner is unknown, those on its configured ports."""
    ours, told = set(service.pids), {b.port for b in bindings_of(service)}
    return tuple(
        line for line in listeners_on(case.snapshot, service.node)
        if line.family != "unix" and not _is_docker_resolver(line)
        and (bool(ours & set(pids_of(line))) if pids_of(line) else line.port in told)
    )


def _outside_listeners(case: Case, service: Service) -> tuple[Listener, ...]:
    return tuple(line for line in _own_listeners(case, service) if not is_loopback(line.address))


def _is_docker_resolver(line: Listener) -> bool:
    """Return whether it is Docker's resolver, which every container of a network has."""
    return line.address == DOCKER_RESOLVER


def _published_listeners(case: Case, trouble: FailingAddress, owner: PortOwner,
                         lines: tuple[Listener, ...]) -> tuple[ReachableListener, ...]:
    """Return the host's published ports of these listeners that nginx can use."""
    box, endpoint = owner.service.container, trouble.endpoint
    addresses = endpoint.addresses.or_else(())
    inner = {line.port: line for line in lines}
    taken = {(e.port, e.node) for e in case.snapshot.endpoints if e.id not in {x.id for x in trouble.endpoints}}
    found: dict[int, ReachableListener] = {}
    for host, outer, port in _publishing_container(case, box).published if box is not None else ():
        if port in inner and (is_wildcard(host) or host in addresses) and (outer, endpoint.node) not in taken:
            shown = replace(inner[port], port=outer)
            found.setdefault(outer, ReachableListener(owner, shown, address_text(endpoint.host, outer), True))
    return tuple(found.values())


def _publishing_container(case: Case, box: Container) -> Container:
    """Return the container whose published ports it uses: the one that lends its network, else itself."""
    boxes = (s.container for s in case.snapshot.services if s.container is not None)
    return next((other for other in boxes if other.id == box.lender), box)


def _mapping_evidence(box: Container, port: int) -> tuple[Evidence, ...]:
    """Return evidence of a container's published ports: one port, or all (0)."""
    shown = [f"{address_text(host or ANY_IPV4, outer)} -> {inner}" for host, outer, inner in box.published
             if port in (0, outer)]
    return (Evidence("container", box.name, f"published: {', '.join(shown)}" if shown else "publishes no port"),)


def _listener_text(line: Listener) -> str:
    return address_text(line.address, line.port)
