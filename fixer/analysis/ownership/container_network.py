"""Nodes that share one network: a container, and those in its network namespace (`network_mode: service:x`, a pod)."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import bindings_of, container_of, find_node, listeners_on
from fixer.formats import docker_conventions
from fixer.formats.addresses import is_ip, is_loopback
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Container, Endpoint, Service, Snapshot

with lazy_imports():
    import ipaddress  # only if a bare address refuses

    from fixer.analysis.service_names import is_named_in_config, system_kind_of


def nodes_in_same_network(case: Case, node: str | None) -> frozenset[str | None]:
    """Return the node and those whose sockets its loopback address reaches. A container that stayed in an older network
    of the same container is left out."""
    boxes = {s.node: s.container for s in case.snapshot.services
             if s.container is not None and not s.container.is_machine}
    own = boxes.get(node or "")
    if own is None or not any(box.lender for box in boxes.values()):
        return frozenset((node,))

    apart = {s.node for s in case.snapshot.services if s.node in boxes
             and lost_shared_network(case.snapshot, s) is not None}
    mates = {name for name,
             box in boxes.items() if _network_lender_id(box) == _network_lender_id(own) and name not in apart}
    return frozenset((node, *(mates if node not in apart else ())))


def _network_lender_id(box: Container) -> str:
    return box.lender or box.id


def is_only_by_elimination(case: Case, endpoint: Endpoint, service: Service | None) -> bool:
    """Return whether the service is only left over. The address leads to the network that it shares, and it listens at
    another port: the right service may be removed from the project. The name of the lending container is the name of
    all that share its network. If it is no application, the others come first."""
    box = None if service is None else service.container
    if service is None or box is None or endpoint.unix is not None or not is_in_shared_network(case, service):
        return False
    if box.lender and endpoint.host in (box.service, box.name):
        return False
    port, told = endpoint.port_on_node, {b.port for b in bindings_of(service) if b.unix is None}
    if port in told:
        return False
    if not service.is_app_server and service.running and not box.lender:
        return True
    if told or not service.running:
        return bool(told)
    held = {x.port for x in listeners_on(case.snapshot, service.node) if x.family != "unix"}
    return bool(held) and port not in held


def is_in_shared_network(case: Case, service: Service) -> bool:
    """Return whether it is in the network of another container, or other applications are in its own."""
    box = service.container
    return box is not None and not box.is_machine and (bool(box.lender) or any(
        s.container is not None and s.container.lender == box.id and s.is_app_server for s in case.snapshot.services))


def is_sole_network_candidate(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether neither port nor name speaks for it, only that no other application is in the network."""
    asked = any(b.unix is None and b.port == trouble.endpoint.port_on_node for b in bindings_of(service))
    return not asked and is_in_shared_network(case, service) and not is_named_in_config(trouble, service)


# The Docker host as its containers see it, and the containers that share its network.


def is_docker_host(endpoint: Endpoint) -> bool:
    """Return whether nginx names the Docker host by one of Docker's names for it."""
    return endpoint.unix is None and endpoint.host.lower() in docker_conventions.DOCKER_HOST_NAMES


def has_host_network(service: Service) -> bool:
    """Return whether it is a container with the Docker host's own network: it listens on the host."""
    box = service.container
    return box is not None and not box.is_machine and box.network_mode == "host"


def configured_on_host_network(snapshot: Snapshot, endpoint: Endpoint) -> list[Service]:
    """Return the containers in the host's network that are configured for the port that nginx uses on the host."""
    addresses = endpoint.addresses.or_else(())
    boxes = (service.container for service in snapshot.services if service.container is not None)
    if endpoint.unix is not None or not docker_conventions.is_docker_host(endpoint.host, addresses, boxes):
        return []
    return [s for s in snapshot.services if has_host_network(s) and _is_configured_on_port(s, endpoint.port)]


def is_loopback_endpoint(endpoint: Endpoint) -> bool:
    """Return whether the address is loopback only; in a container that is the container itself."""
    addresses = endpoint.addresses.or_else(())
    return endpoint.unix is None and bool(addresses) and all(is_loopback(ip) for ip in addresses)


def configured_in_shared_network(snapshot: Snapshot, endpoint: Endpoint) -> list[Service]:
    """Return the containers in the network of the endpoint's container (`network_mode: service:…`) that are configured
    to listen there."""
    if not is_loopback_endpoint(endpoint):
        return []
    boxes = [s.container for s in (*snapshot.services, *(n.service for n in snapshot.nginxes if n.service is not None))
             if s.node == endpoint.node and s.container is not None]
    lent = {f"container:{name}" for box in boxes for name in (box.id, box.name)}
    return [s for s in snapshot.services if s.container is not None and s.container.network_mode in lent
            and _is_configured_on_port(s, endpoint.port)]


def _is_configured_on_port(service: Service, port: int) -> bool:
    told = service.bindings.or_else(())
    return any(b.unix is None and b.port == port for b in told)


# An address in nginx's files that Docker has assigned to another container since (addresses change with each start), or
# the name of a database instead of an application's.
_SCRIPT_RUNTIMES = frozenset({"", "python", "binary", "node"})


def is_wrong_container_address(snapshot: Snapshot, endpoint: Endpoint) -> bool:
    """Return whether the address leads to the wrong container. Its holder neither listens at the port nor is configured
    for it, and another container of its network is. A fixed address stays with its holder."""
    holder = service_at_address(snapshot, endpoint) or database_named(snapshot, endpoint)
    if holder is None or holder.container is None or _has_port(snapshot, holder, endpoint.port) is not False:
        return False
    box, bare = holder.container, endpoint.host.strip("[]")
    shared = {name for name, ip, _ in box.networks if ip == bare} | {name for name, ip in box.ipv6 if ip == bare}
    shared = shared or {name for name, _, _ in box.networks}
    if any(bare in chosen for _, chosen in box.fixed_addresses):
        return False
    return any(
        other.container is not None and other.id != holder.id and not other.container.is_machine
        and shared.intersection(name for name, _, _ in other.container.networks)
        and is_configured_server(other, endpoint.port)
        for other in snapshot.services
    )


def is_configured_server(service: Service, port: int) -> bool:
    """Return whether it is an application with its own server that is configured to listen at that port. A mere
    listener, or a script that may be anything, does not count."""
    told = service.bindings.or_else(())
    return service.is_app_server and service.runtime not in _SCRIPT_RUNTIMES and any(
        b.unix is None and b.port == port for b in told)


def service_at_address(snapshot: Snapshot, endpoint: Endpoint) -> Service | None:
    """Return the container that has the bare address; None for a name, or if no observed container has it."""
    bare = endpoint.host.strip("[]")
    if endpoint.unix is not None or not is_ip(endpoint.host):
        return None
    return next((s for s in snapshot.services if s.container is not None and not s.container.is_machine
                 and bare in s.container.addresses), None)


def database_named(snapshot: Snapshot, endpoint: Endpoint) -> Service | None:
    """Return the container of that name if it is a database, a cache or the like, which does not speak HTTP."""
    if endpoint.unix is not None or not endpoint.host or is_ip(endpoint.host):
        return None
    return next((s for s in snapshot.services if s.container is not None and system_kind_of(s)
                 and endpoint.host in _container_names(s.container)), None)


def no_application_text(service: Service) -> str:
    """Return its name and what it is instead."""
    return f"{service.name}, which is not an application ({system_kind_of(service)})"


def _container_names(box: Container) -> set[str]:
    return {box.service or "", box.name, *(name for _, _, names in box.networks for name in names)}


def is_disconnected(box: Container) -> bool:
    """Return whether it is not on the network that it was created with. An id says nothing about that one's name."""
    made = box.network_mode
    is_named = made not in ("", "none", "default", "bridge") and not (len(made) == 64 and made.isalnum())
    return is_named and not box.has_shared_network and made not in {name for name, _, _ in box.networks}


def is_docker_address(box: Container, host: str) -> bool:
    """Return whether Docker assigns the address on a network of that container, and it is not the host's own."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
        nets = [ipaddress.ip_network(subnet, strict=False) for _, subnet in box.subnets]
    except ValueError:
        return False
    return address.compressed not in box.gateways and any(address in net for net in nets)


def _has_port(snapshot: Snapshot, service: Service, port: int) -> bool | None:
    """Return whether it is configured to listen at that port, or listens there; None if neither is known."""
    told = service.bindings.or_else(())
    if any(b.unix is None and b.port == port for b in told):
        return True
    node = find_node(snapshot, service.node)
    if node is None or not isinstance(node.listeners, Known):
        return False if told else None
    return any(x.family != "unix" and x.port == port for x in listeners_on(snapshot, service.node))


# Containers that stayed in the network of another one that has a new network now, or was removed.
_LENDER_MISSING = regex(r"(?:No such container: |cannot join network of a non running container: "
                        r")(?P<id>[0-9a-f]{12,64})")


@dataclass(frozen=True, slots=True)
class LostSharedNetwork:
    """A container alone in a network that was another's; `lender` is that one if it still exists."""

    service: Service
    container: Container
    lender: Container | None
    evidence: tuple[Evidence, ...]
    sure: bool = True


def lost_shared_network(snapshot: Snapshot, service: Service | None) -> LostSharedNetwork | None:
    """Return the network that a container lost, or None. Proof: Docker's times of both starts, the kernel (loopback
    only), or the engine's error. A stopped container of a project has none of these: it is likely if the lender was not
    found."""
    box = service.container if service is not None else None
    if service is None or box is None or not box.lender:
        return None
    wanted = box.lender
    boxes = [s.container for s in snapshot.services if s.container is not None]
    lender = next((other for other in boxes if other.id == wanted), None)
    made = Evidence("container", box.name, f"created with the network of container {wanted[:12]}")
    if box.status != "running":
        said = _LENDER_MISSING.search(box.error)
        gone = lender is None and said is not None and wanted.startswith(said["id"])
        if gone:
            return LostSharedNetwork(service, box, None, (Evidence("container", box.name, box.error), made))
        return LostSharedNetwork(service, box, None, (made, _missing_container_evidence(wanted)),
                                 sure=False) if lender is None and box.project \
            else None
    if lender is not None:
        later = lender.started_at - box.started_at
        if lender.status != "running" or later <= 0:
            return None
        again = Evidence("container", lender.name, f"restarted {later:.0f} s after {box.name}: its network is new")
        return LostSharedNetwork(service, box, lender, (again, made))
    node = find_node(snapshot, service.node)
    if node is None or not node.addresses or not all(is_loopback(a) for a in node.addresses):
        return None
    alone = Evidence("kernel", f"addresses of {node.name}", f"{', '.join(node.addresses)}: loopback only, no network")
    return LostSharedNetwork(service, box, None, (alone, made, _missing_container_evidence(wanted)))


def _missing_container_evidence(wanted: str) -> Evidence:
    return Evidence("container", wanted[:12], "no container with this id was found")


def is_nginx_on_docker_host(case: Case, trouble: FailingAddress) -> bool:
    """Return whether nginx has the Docker host's network, uses an address of that host, and other containers exist."""
    endpoint, node = trouble.endpoint, find_node(case.snapshot, trouble.nginx.node)
    if endpoint.unix is not None or node is None or not isinstance(endpoint.addresses, Known):
        return False
    box = container_of(case.snapshot, node.name)
    shares = case.snapshot.target.kind in ("local", "ssh") if box is None else box.network_mode == "host"
    own = all(is_loopback(a) or a in node.addresses for a in endpoint.addresses.value)
    return shares and own and any(is_in_other_container(s, trouble) for s in case.snapshot.services)


def is_in_other_container(service: Service, trouble: FailingAddress) -> bool:
    """Return whether the service is a container of its own, not nginx's."""
    box = service.container
    return box is not None and not box.is_machine and service.node != trouble.nginx.node
