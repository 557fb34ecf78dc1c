"""The container that is intended if nginx's container connects where nothing listens, running or not."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import bindings_of, container_of, find_node, listeners_on
from fixer.analysis.nginx_errors import events_for
from fixer.analysis.ownership.configured import configured_owner, services_wanted_elsewhere
from fixer.analysis.ownership.container_network import (
    database_named,
    is_disconnected,
    is_docker_address,
    is_docker_host,
    is_loopback_endpoint,
    is_wrong_container_address,
    service_at_address,
)
from fixer.analysis.ownership.tie_break import best_by_name
from fixer.analysis.route_verdict import is_closed
from fixer.formats.addresses import is_ip
from fixer.formats.application_servers import server_of
from fixer.formats.docker_conventions import depends_on_conditions
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Container, Service


def intended_containers(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    """Return the application that belongs at such an address, by the rule `elsewhere`; several if they are equal, or
    none. One with that configured port comes first, even if it is stopped. If only elimination speaks for it, the
    operator must choose."""
    box = _asking_container(case, trouble)
    if box is None or not (is_own_loopback(trouble) or has_no_listener(case, trouble)
                           or is_refused_docker_address(case, trouble)):
        return ()
    pool = _candidate_services(case, trouble, box)
    same = [service for service in pool if _has_port(case, service, trouble.endpoint.port)]
    found = best_by_name(case, trouble, same or pool) if pool else ()
    if len(found) != 1:
        return found
    # only containers use a network of Docker's; any other address may be a machine that is off
    near = is_own_loopback(trouble) or _is_in_network_range(trouble.endpoint.host,
                                                            box) or not is_ip(trouble.endpoint.host)
    return (replace(found[0], rule="elsewhere" if near and (same or not found[0].needs_choice) else "contested"),)


def _asking_container(case: Case, trouble: FailingAddress) -> Container | None:
    """Return nginx's container if it has its own network and asks an address without a configured owner."""
    endpoint, box = trouble.endpoint, container_of(case.snapshot, trouble.nginx.node)
    if box is None or box.is_machine or box.network_mode == "host" or endpoint.unix is not None:
        return None
    if is_docker_host(endpoint):
        return None
    return box if configured_owner(case, endpoint) is None else None


def is_own_loopback(trouble: FailingAddress) -> bool:
    """Return whether the address is closed and in nginx's own container."""
    endpoint = trouble.endpoint
    return is_loopback_endpoint(endpoint) and endpoint.node == trouble.nginx.node and is_closed(endpoint) is True


def is_refused_docker_address(case: Case, trouble: FailingAddress) -> bool:
    """Return whether a bare Docker address that another container has now, or a database's name, refuses."""
    endpoint, box = trouble.endpoint, container_of(case.snapshot, trouble.nginx.node)
    if box is None or endpoint.unix is not None:
        return False
    tcp = endpoint.tcp
    refused = is_closed(endpoint) is True or (isinstance(tcp, Known) and tcp.value.error == "refused")
    holder = service_at_address(case.snapshot, endpoint) or database_named(case.snapshot, endpoint)
    if holder is not None:
        return refused and is_wrong_container_address(case.snapshot, endpoint)
    return refused and endpoint.node is None and is_ip(endpoint.host) and is_docker_address(box,
                                                                                                      endpoint.host)


def has_no_listener(case: Case, trouble: FailingAddress) -> bool:
    """Return whether a bare address gave no answer, not even a refusal, which only a running machine can send."""
    endpoint, tcp = trouble.endpoint, trouble.endpoint.tcp
    if endpoint.node is not None or not is_ip(endpoint.host):
        return False
    if isinstance(tcp, Known) and (tcp.value.error is None or tcp.value.error in ("refused", "reset", "closed")):
        return False
    unreachable = isinstance(tcp, Known) and tcp.value.error == "unreachable"
    if unreachable or arp_silence_evidence(case, trouble):
        return True
    return bool(events_for(case, trouble, {"host-unreachable"}))


def arp_silence_evidence(case: Case, trouble: FailingAddress) -> tuple[Evidence, ...]:
    """Return the evidence that nginx's kernel asked its network for the address and no machine replied."""
    node = find_node(case.snapshot, trouble.nginx.node)
    host = trouble.endpoint.host
    asked = node is not None and host in node.unanswered_addresses
    return (Evidence("kernel", f"{trouble.nginx.node} /proc/net/arp", f"no node answers for {host}"),) if asked else ()


def _is_in_network_range(host: str, box: Container) -> bool:
    """Return whether the address is in a network of the container, by Docker's usual sizes."""
    return any(ip and host.split(".")[:2] == ip.split(".")[:2] for _, ip, _ in box.networks)


def _candidate_services(case: Case, trouble: FailingAddress, box: Container, *,
                        taken_off: bool = False) -> list[Service]:
    """Return applications in containers on a network of nginx's that no route relies on and that speak its protocol.
    `taken_off` adds those that run and were taken off such a network."""
    kind = trouble.routes[0].route.kind
    mine = {name for name, _, _ in box.networks}
    away = services_wanted_elsewhere(case, trouble)
    return [
        s for s in case.snapshot.services
        if s.container is not None and not s.container.is_machine and s.node != trouble.nginx.node
        and s.is_app_server and s.id not in case.services_in_use and s.id not in away
        and (kind == "proxy_pass" or kind.removesuffix("_pass") in server_of(s.runtime).protocols)
        and (mine.intersection(name for name, _, _ in s.container.networks)
             or (taken_off and s.running and is_disconnected(s.container) and s.container.network_mode in mine))
    ]


def _has_port(case: Case, service: Service, port: int) -> bool:
    """Return whether it is configured for that port, or listens there if no configuration could be read."""
    told = bindings_of(service)
    if told:
        return any(b.unix is None and b.port == port for b in told)
    held = listeners_on(case.snapshot, service.node) if service.running else ()
    return any(x.family != "unix" and x.port == port for x in held)


def reachable_ip_and_name(service: Service, box: Container) -> tuple[str, str] | None:
    """Return the address of a container on a network of nginx's, and its name there; None if it has none."""
    own, mine = service.container, {name for name, _, _ in box.networks}
    shared = [(ip, names) for name, ip, names in own.networks if name in mine] if own is not None else []
    if own is None or not shared:
        return None
    ip, names = shared[0]
    name = next((n for n in (own.service, own.name) if n and n in names), None)
    return None if name is None else (ip, name)


def services_with_same_port(case: Case, trouble: FailingAddress, named: Service) -> tuple[tuple[Service, str], ...]:
    """Return applications of nginx's networks that no route uses and that have the port that it uses with another one's
    name, and their names there. The name may be wrong, and not the port: whatever may be one is enough for a doubt.
    One that was taken off such a network has the name there that it will have again."""
    box = container_of(case.snapshot, trouble.nginx.node)
    if box is None or box.is_machine or named.container is None or trouble.endpoint.unix is not None:
        return ()
    pool = (s for s in _candidate_services(case, trouble, box, taken_off=True) if s.id != named.id
            and _has_port(case, s, trouble.endpoint.port))
    return tuple((s, name) for s in pool if (name := name_on_network(s, box)))


def name_on_network(service: Service, box: Container) -> str:
    """Return the name by which nginx's container reaches another one, or will; empty if it has none."""
    reached, own = reachable_ip_and_name(service, box), service.container
    if reached is not None:
        return reached[1]
    return own.service or own.name if own is not None and is_disconnected(own) else ""


def misnamed_container(case: Case, trouble: FailingAddress) -> PortOwner | None:
    """Return the container that is meant instead of the named one: the only one that has the port and that no route
    uses, while the named one is not configured for the port. None if there is no such one, or if nothing else speaks
    against the named one: it serves another route, or nginx's compose service depends on the other and not on it."""
    endpoint = trouble.endpoint
    named = configured_owner(case, endpoint)
    if named is None or named.service.container is None or (
            is_closed(endpoint) is not True or endpoint.port in [b.port for b in bindings_of(named.service)]):
        return None
    found = services_with_same_port(case, trouble, named.service)
    if len(found) != 1:
        return None
    depends = _depends_on_other_evidence(case, trouble, named.service, found[0][0])
    if not depends and named.service.id not in case.services_in_use:
        return None
    return PortOwner(found[0][0], "elsewhere", (*depends, *named.evidence))


def _depends_on_other_evidence(case: Case, trouble: FailingAddress, named: Service,
                               other: Service) -> tuple[Evidence, ...]:
    """Return the evidence that nginx's compose service starts after the other one and not after the named one."""
    box, boxes = container_of(case.snapshot, trouble.nginx.node), (named.container, other.container)
    if box is None or any(one is None or one.project != box.project for one in boxes):
        return ()
    wanted = {name for name, _ in depends_on_conditions(box)}
    names = [one.service for one in boxes if one is not None]
    if names[0] in wanted or names[1] not in wanted:
        return ()
    return (Evidence("container", box.name, f"depends_on: {', '.join(sorted(wanted))}"),)
