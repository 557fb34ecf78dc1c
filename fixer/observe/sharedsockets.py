"""Unix sockets that containers share through a volume: whose socket it is that nginx finds in its own file system."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.model.facts import Known
from fixer.model.snapshot import Container, Service


def sharer(path: str, own: Container | None, services: Sequence[Service]) -> tuple[Service, str] | None:
    """The service of another container that is told to listen at this very socket, and its own name for it; None
    where several are."""
    wanted = _place(own, path) if own is not None else None
    if own is None or wanted is None:
        return None
    found = {
        service.id: (service, binding.unix) for service in services
        if service.container is not None and service.container.id != own.id and isinstance(service.bindings, Known)
        for binding in service.bindings.value
        if binding.unix is not None and _place(service.container, binding.unix) == wanted
    }
    return next(iter(found.values())) if len(found) == 1 else None


def _place(container: Container, path: str) -> str | None:
    """The path on the engine's machine of a container's path in a bind mount or a volume."""
    best: tuple[str, str] | None = None
    for source, destination in container.shares:
        root = destination.rstrip("/")
        if (path == root or path.startswith(root + "/")) and (best is None or len(root) > len(best[1])):
            best = (source.rstrip("/"), root)
    return None if best is None else best[0] + path[len(best[1]):]
