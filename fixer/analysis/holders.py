"""Who holds a socket that none of a container's own processes has: another container that lives in its network."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from fixer.analysis.evidence import listener_evidence, listeners_on, pids_of
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence
from fixer.model.snapshot import Container, Listener, Snapshot


def is_anothers(snapshot: Snapshot, line: Listener, mine: AbstractSet[int | None]) -> bool:
    """Held by none of these processes: its holder was seen, or they were seen to hold sockets and not this one."""
    held = set(pids_of(line))
    if held:
        return not held & mine
    return any(set(pids_of(other)) & mine for other in listeners_on(snapshot, line.node))


def container_of_socket(snapshot: Snapshot, line: Listener) -> tuple[Container, Listener] | None:
    """The container in which the very same socket was seen with a process, and the socket as it was seen there."""
    if not line.inode or pids_of(line):
        return None
    for service in snapshot.services:
        if service.container is None or service.container.is_machine or service.node == line.node:
            continue
        seen = next((other for other in listeners_on(snapshot, service.node)
                     if other.inode == line.inode and pids_of(other)), None)
        if seen is not None:
            return service.container, seen
    return None


def holder_evidence(snapshot: Snapshot, line: Listener) -> Evidence:
    """A socket with who holds it, and in which container."""
    found = container_of_socket(snapshot, line)
    if found is None:
        return listener_evidence(snapshot, line)
    box, seen = found
    shown = listener_evidence(snapshot, seen)
    return replace(shown, text=f"{shown.text}, in container {box.name}")
