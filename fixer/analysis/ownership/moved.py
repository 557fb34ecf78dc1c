"""A bare address in nginx's files that Docker has given to another container since (they go round with each start), and
the name of a database in the place of an application's."""

from __future__ import annotations

from fixer.analysis.engines import engine_of
from fixer.analysis.evidence import find_node, listeners_on
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.snapshot import Container, Endpoint, Service, Snapshot

_SCRIPTS = frozenset({"", "python", "binary", "node"})
_IP = regex(r"^(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]?)$")


def is_moved(snapshot: Snapshot, endpoint: Endpoint) -> bool:
    """The container that has it by now is not told the port and does not listen there, and another one of its network
    is told it: then it is not the port that is wrong. One whose files chose that address keeps it."""
    holder = address_holder(snapshot, endpoint) or database_named(snapshot, endpoint)
    if holder is None or holder.container is None or _has_port(snapshot, holder, endpoint.port) is not False:
        return False
    box, bare = holder.container, endpoint.host.strip("[]")
    shared = {name for name, ip, _ in box.networks if ip == bare} | {name for name, ip in box.ipv6 if ip == bare}
    shared = shared or {name for name, _, _ in box.networks}
    if any(bare in chosen for _, chosen in box.fixed):
        return False
    return any(
        other.container is not None and other.id != holder.id and not other.container.is_machine
        and shared.intersection(name for name, _, _ in other.container.networks)
        and is_told_server(other, endpoint.port)
        for other in snapshot.services
    )


def is_told_server(service: Service, port: int) -> bool:
    """An application behind a server of its own that is told to listen at that port: what merely listens there, and
    scripts that may be anything, are no reason to think of them."""
    told = service.bindings.value if isinstance(service.bindings, Known) else ()
    return service.is_app_server and service.runtime not in _SCRIPTS and any(
        b.unix is None and b.port == port for b in told)


def address_holder(snapshot: Snapshot, endpoint: Endpoint) -> Service | None:
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
    return next((s for s in snapshot.services if s.container is not None and engine_of(s)
                 and endpoint.host in _names(s.container)), None)


def _names(box: Container) -> set[str]:
    return {box.service or "", box.name, *(name for _, _, names in box.networks for name in names)}


def is_dockers(box: Container, host: str) -> bool:
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
    told = service.bindings.value if isinstance(service.bindings, Known) else ()
    if any(b.unix is None and b.port == port for b in told):
        return True
    node = find_node(snapshot, service.node)
    if node is None or not isinstance(node.listeners, Known):
        return False if told else None
    return any(x.family != "unix" and x.port == port for x in listeners_on(snapshot, service.node))
