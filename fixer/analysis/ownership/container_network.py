"""Which nodes are one network: a container, and those that have its (`network_mode: service:x`), as in a pod."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import bindings_of, listeners_on
from fixer.analysis.service_names import is_called
from fixer.model.snapshot import Container, Endpoint, Service


def same_network(case: Case, node: str | None) -> frozenset[str | None]:
    """The node, and those among whose sockets a loopback address of it leads. One that stayed in an older network of
    the same container is none of them."""
    boxes = {s.node: s.container for s in case.snapshot.services
             if s.container is not None and not s.container.is_machine}
    own = boxes.get(node or "")
    if own is None or not any(box.lender for box in boxes.values()):
        return frozenset((node,))
    from fixer.analysis.ownership.stranding import stranded

    apart = {s.node for s in case.snapshot.services if s.node in boxes and stranded(case.snapshot, s) is not None}
    mates = {name for name, box in boxes.items() if _root(box) == _root(own) and name not in apart}
    return frozenset((node, *(mates if node not in apart else ())))


def _root(box: Container) -> str:
    return box.lender or box.id


def by_elimination(case: Case, endpoint: Endpoint, service: Service | None) -> bool:
    """An address leads to the network that it shares, not to it, and it listens at another port: the one that belongs
    there may have been taken out of the project's files, and this one is only left. The name of the container that
    lends its network is that of all of them; where it is no application itself, it is not meant while others are there.
    """
    box = None if service is None else service.container
    if service is None or box is None or endpoint.unix is not None or not is_shared(case, service):
        return False
    if box.lender and endpoint.host in (box.service, box.name):
        return False
    port, told = endpoint.port_there, {b.port for b in bindings_of(service) if b.unix is None}
    if port in told:
        return False
    if not service.is_app_server and service.running and not box.lender:
        return True
    if told or not service.running:
        return bool(told)
    held = {x.port for x in listeners_on(case.snapshot, service.node) if x.family != "unix"}
    return bool(held) and port not in held


def is_shared(case: Case, service: Service) -> bool:
    """Whether it is in the network of another container, or other applications are in its own."""
    box = service.container
    return box is not None and not box.is_machine and (bool(box.lender) or any(
        s.container is not None and s.container.lender == box.id and s.is_app_server for s in case.snapshot.services))


def is_only_left(case: Case, trouble: Trouble, service: Service) -> bool:
    """Nothing says that it is meant but that no other application is in the network: neither the port nor a name."""
    asked = any(b.unix is None and b.port == trouble.endpoint.port_there for b in bindings_of(service))
    return not asked and is_shared(case, service) and not is_called(trouble, service)
