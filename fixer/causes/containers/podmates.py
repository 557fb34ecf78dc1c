"""Which nodes are one network: a container, and those that have its (`network_mode: service:x`), as in a pod."""

from __future__ import annotations

from fixer.causes.case import Case
from fixer.model.snapshot import Container


def same_network(case: Case, node: str | None) -> frozenset[str | None]:
    """The node, and those among whose sockets a loopback address of it leads. One that stayed in an older network of
    the same container is none of them."""
    boxes = {s.node: s.container for s in case.snapshot.services
             if s.container is not None and not s.container.is_machine}
    own = boxes.get(node or "")
    if own is None or not any(box.lender for box in boxes.values()):
        return frozenset((node,))
    from fixer.causes.containers.stranding import stranded

    apart = {s.node for s in case.snapshot.services if s.node in boxes and stranded(case.snapshot, s) is not None}
    mates = {name for name, box in boxes.items() if _root(box) == _root(own) and name not in apart}
    return frozenset((node, *(mates if node not in apart else ())))


def _root(box: Container) -> str:
    return box.lender or box.id
