"""Containers that stayed behind in the network of another one that has a new network by now, or is gone."""

from __future__ import annotations

from fixer.analysis.evidence import find_node
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.snapshot import Container, Service, Snapshot

_GONE = regex(r"(?:No such container: |cannot join network of a non running container: )(?P<id>[0-9a-f]{12,64})")


@dataclass(frozen=True, slots=True)
class Stranded:
    """A container that is alone in a network which was another's; `lender` is that one where it still exists."""

    service: Service
    box: Container
    lender: Container | None
    why: tuple[Evidence, ...]
    sure: bool = True


def stranded(snapshot: Snapshot, service: Service | None) -> Stranded | None:
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
        said = _GONE.search(box.error)
        gone = lender is None and said is not None and wanted.startswith(said["id"])
        if gone:
            return Stranded(service, box, None, (Evidence("container", box.name, box.error[:200]), made))
        return Stranded(service, box, None, (made, _not_found(wanted)), sure=False) if lender is None and box.project \
            else None
    if lender is not None:
        later = lender.started_at - box.started_at
        if lender.status != "running" or later <= 0:
            return None
        again = Evidence("container", lender.name, f"started again {later:.0f} s after {box.name}: its network is new")
        return Stranded(service, box, lender, (again, made))
    node = find_node(snapshot, service.node)
    if node is None or not node.addresses or not all(a.startswith("127.") or a == "::1" for a in node.addresses):
        return None
    alone = Evidence("kernel", f"addresses of {node.name}", f"{', '.join(node.addresses)}: of no network")
    return Stranded(service, box, None, (alone, made, _not_found(wanted)))


def _not_found(wanted: str) -> Evidence:
    return Evidence("container", wanted[:12], "no container of that id was found")
