"""The Docker host as its containers see it: who of the containers has its network, and listens where it does."""

from __future__ import annotations

from fixer.formats import docker_conventions
from fixer.model.facts import Known
from fixer.model.snapshot import Endpoint, Service, Snapshot


def is_docker_host(endpoint: Endpoint) -> bool:
    """Whether nginx asks for the Docker host by one of the names that Docker has for it."""
    return endpoint.unix is None and endpoint.host.lower() in docker_conventions.NAMES


def shares_host_network(service: Service) -> bool:
    """A container with the Docker host's own network: where it listens, the host does."""
    box = service.container
    return box is not None and not box.is_machine and box.network_mode == "host"


def told_on_host(snapshot: Snapshot, endpoint: Endpoint) -> list[Service]:
    """The containers of the Docker host's own network that are told to listen where nginx asks that host."""
    addresses = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    boxes = (service.container for service in snapshot.services if service.container is not None)
    if endpoint.unix is not None or not docker_conventions.is_docker_host(endpoint.host, addresses, boxes):
        return []
    return [s for s in snapshot.services if shares_host_network(s) and _is_bound(s, endpoint.port)]


def asks_loopback(endpoint: Endpoint) -> bool:
    """Whether the address is nothing but the asker's own, which in a container is that container."""
    addresses = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    return endpoint.unix is None and bool(addresses) and all(ip.startswith("127.") or ip == "::1" for ip in addresses)


def told_beside(snapshot: Snapshot, endpoint: Endpoint) -> list[Service]:
    """The containers that were put into the network of the one in which nginx asks itself (`network_mode: service:…`),
    and that are told to listen there."""
    if not asks_loopback(endpoint):
        return []
    boxes = [s.container for s in (*snapshot.services, *(n.service for n in snapshot.nginxes if n.service is not None))
             if s.node == endpoint.node and s.container is not None]
    lent = {f"container:{name}" for box in boxes for name in (box.id, box.name)}
    return [s for s in snapshot.services if s.container is not None and s.container.network_mode in lent
            and _is_bound(s, endpoint.port)]


def _is_bound(service: Service, port: int) -> bool:
    told = service.bindings.value if isinstance(service.bindings, Known) else ()
    return any(b.unix is None and b.port == port for b in told)
