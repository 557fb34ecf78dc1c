"""Which nodes are one network: a container, and those that have its (`network_mode: service:x`), as in a pod."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import bindings_of, container_of, find_node, listeners_on
from fixer.analysis.service_names import is_named_in_config, system_kind_of
from fixer.formats import docker_conventions
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Container, Endpoint, Service, Snapshot


def nodes_in_same_network(case: Case, node: str | None) -> frozenset[str | None]:
    """The node, and those among whose sockets a loopback address of it leads. One that stayed in an older network of
    the same container is none of them."""
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
    """An address leads to the network that it shares, not to it, and it listens at another port: the one that belongs
    there may have been taken out of the project's files, and this one is only left. The name of the container that
    lends its network is that of all of them; where it is no application itself, it is not meant while others are there.
    """
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
    """Whether it is in the network of another container, or other applications are in its own."""
    box = service.container
    return box is not None and not box.is_machine and (bool(box.lender) or any(
        s.container is not None and s.container.lender == box.id and s.is_app_server for s in case.snapshot.services))


def is_sole_network_candidate(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Nothing says that it is meant but that no other application is in the network: neither the port nor a name."""
    asked = any(b.unix is None and b.port == trouble.endpoint.port_on_node for b in bindings_of(service))
    return not asked and is_in_shared_network(case, service) and not is_named_in_config(trouble, service)


# The Docker host as its containers see it: who of the containers has its network, and listens where it does.


def is_docker_host(endpoint: Endpoint) -> bool:
    """Whether nginx asks for the Docker host by one of the names that Docker has for it."""
    return endpoint.unix is None and endpoint.host.lower() in docker_conventions.DOCKER_HOST_NAMES


def has_host_network(service: Service) -> bool:
    """A container with the Docker host's own network: where it listens, the host does."""
    box = service.container
    return box is not None and not box.is_machine and box.network_mode == "host"


def configured_on_host_network(snapshot: Snapshot, endpoint: Endpoint) -> list[Service]:
    """The containers of the Docker host's own network that are told to listen where nginx asks that host."""
    addresses = endpoint.addresses.or_else(())
    boxes = (service.container for service in snapshot.services if service.container is not None)
    if endpoint.unix is not None or not docker_conventions.is_docker_host(endpoint.host, addresses, boxes):
        return []
    return [s for s in snapshot.services if has_host_network(s) and _is_configured_on_port(s, endpoint.port)]


def is_loopback_endpoint(endpoint: Endpoint) -> bool:
    """Whether the address is nothing but the asker's own, which in a container is that container."""
    addresses = endpoint.addresses.or_else(())
    return endpoint.unix is None and bool(addresses) and all(ip.startswith("127.") or ip == "::1" for ip in addresses)


def configured_in_shared_network(snapshot: Snapshot, endpoint: Endpoint) -> list[Service]:
    """The containers that were put into the network of the one in which nginx asks itself (`network_mode: service:…`),
    and that are told to listen there."""
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


# A bare address in nginx's files that Docker has given to another container since (they go round with each start),
# and the name of a database in the place of an application's.
_SCRIPT_RUNTIMES = frozenset({"", "python", "binary", "node"})
_IP = regex(r"^(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]?)$")


def is_wrong_container_address(snapshot: Snapshot, endpoint: Endpoint) -> bool:
    """The container that has it by now is not told the port and does not listen there, and another one of its network
    is told it: then it is not the port that is wrong. One whose files chose that address keeps it."""
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
    """An application behind a server of its own that is told to listen at that port: what merely listens there, and
    scripts that may be anything, are no reason to think of them."""
    told = service.bindings.or_else(())
    return service.is_app_server and service.runtime not in _SCRIPT_RUNTIMES and any(
        b.unix is None and b.port == port for b in told)


def service_at_address(snapshot: Snapshot, endpoint: Endpoint) -> Service | None:
    """The container that has the bare address; None for a name, and where it is nobody's that was seen."""
    bare = endpoint.host.strip("[]")
    if endpoint.unix is not None or not _IP.match(endpoint.host):
        return None
    return next((s for s in snapshot.services if s.container is not None and not s.container.is_machine
                 and bare in s.container.addresses), None)


def database_named(snapshot: Snapshot, endpoint: Endpoint) -> Service | None:
    """The container that bears the name and is a database, a cache or the like: nothing that speaks HTTP."""
    if endpoint.unix is not None or not endpoint.host or _IP.match(endpoint.host):
        return None
    return next((s for s in snapshot.services if s.container is not None and system_kind_of(s)
                 and endpoint.host in _container_names(s.container)), None)


def _container_names(box: Container) -> set[str]:
    return {box.service or "", box.name, *(name for _, _, names in box.networks for name in names)}


def is_docker_address(box: Container, host: str) -> bool:
    """An address that Docker gives out on a network of that container, and not the Docker host's own."""
    import ipaddress  # only where a bare address refuses

    try:
        address = ipaddress.ip_address(host.strip("[]"))
        nets = [ipaddress.ip_network(subnet, strict=False) for _, subnet in box.subnets]
    except ValueError:
        return False
    return address.compressed not in box.gateways and any(address in net for net in nets)


def _has_port(snapshot: Snapshot, service: Service, port: int) -> bool | None:
    """Told to listen at that port, or listening there; None where neither is known."""
    told = service.bindings.or_else(())
    if any(b.unix is None and b.port == port for b in told):
        return True
    node = find_node(snapshot, service.node)
    if node is None or not isinstance(node.listeners, Known):
        return False if told else None
    return any(x.family != "unix" and x.port == port for x in listeners_on(snapshot, service.node))


# Containers that stayed behind in the network of another one that has a new network by now, or is gone.
_LENDER_MISSING = regex(r"(?:No such container: |cannot join network of a non running container: "
                        r")(?P<id>[0-9a-f]{12,64})")


@dataclass(frozen=True, slots=True)
class LostSharedNetwork:
    """A container that is alone in a network which was another's; `lender` is that one where it still exists."""

    service: Service
    container: Container
    lender: Container | None
    evidence: tuple[Evidence, ...]
    sure: bool = True


def lost_shared_network(snapshot: Snapshot, service: Service | None) -> LostSharedNetwork | None:
    """Proven by Docker's times of both starts, by the kernel (no address but its loopback), or by the engine's word
    that it cannot be started. One of a project that has ended says none of these: likely, where the other is not among
    the containers that were found."""
    box = service.container if service is not None else None
    if service is None or box is None or not box.lender:
        return None
    wanted = box.lender
    boxes = [s.container for s in snapshot.services if s.container is not None]
    lender = next((other for other in boxes if other.id == wanted), None)
    made = Evidence("container", box.name, f"made with the network of container {wanted[:12]}")
    if box.status != "running":
        said = _LENDER_MISSING.search(box.error)
        gone = lender is None and said is not None and wanted.startswith(said["id"])
        if gone:
            return LostSharedNetwork(service, box, None, (Evidence("container", box.name, box.error[:200]), made))
        return LostSharedNetwork(service, box, None, (made, _missing_container_evidence(wanted)),
                                 sure=False) if lender is None and box.project \
            else None
    if lender is not None:
        later = lender.started_at - box.started_at
        if lender.status != "running" or later <= 0:
            return None
        again = Evidence("container", lender.name, f"started again {later:.0f} s after {box.name}: its network is new")
        return LostSharedNetwork(service, box, lender, (again, made))
    node = find_node(snapshot, service.node)
    if node is None or not node.addresses or not all(a.startswith("127.") or a == "::1" for a in node.addresses):
        return None
    alone = Evidence("kernel", f"addresses of {node.name}", f"{', '.join(node.addresses)}: of no network")
    return LostSharedNetwork(service, box, None, (alone, made, _missing_container_evidence(wanted)))


def _missing_container_evidence(wanted: str) -> Evidence:
    return Evidence("container", wanted[:12], "no container of that id was found")


def is_nginx_on_docker_host(case: Case, trouble: FailingAddress) -> bool:
    """nginx has the Docker host's network and asks for an address of that host, and there are containers."""
    endpoint, node = trouble.endpoint, find_node(case.snapshot, trouble.nginx.node)
    if endpoint.unix is not None or node is None or not isinstance(endpoint.addresses, Known):
        return False
    box = container_of(case.snapshot, node.name)
    shares = case.snapshot.target.kind in ("local", "ssh") if box is None else box.network_mode == "host"
    own = all(a.startswith("127.") or a == "::1" or a in node.addresses for a in endpoint.addresses.value)
    return shares and own and any(is_in_other_container(s, trouble) for s in case.snapshot.services)


def is_in_other_container(service: Service, trouble: FailingAddress) -> bool:
    """Whether the service is a container of its own, not nginx's."""
    box = service.container
    return box is not None and not box.is_machine and service.node != trouble.nginx.node
