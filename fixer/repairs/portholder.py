"""A port of the Docker host that a container is to publish and that was taken when it was started: whose it is now."""

from __future__ import annotations

from fixer.model.snapshot import Container, Service, Snapshot

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  addresses that were read


def port_holder(snapshot: Snapshot, box: Container) -> Service | None:
    """The container that runs and publishes such a port by now."""
    for service in snapshot.services:
        other = service.container
        if other is not None and other.id != box.id and other.status in ("running", "paused") and any(
                outer == port and (host == own or not _EVERYWHERE.isdisjoint({host, own}))
                for own, port, _ in box.published for host, outer, _ in other.published):
            return service
    return None


def is_free_now(snapshot: Snapshot, box: Container) -> bool:
    """It was another container's, as the engine said, and none publishes it by now: all that do were asked for."""
    return snapshot.target.kind in ("compose", "docker") and "port is already allocated" in box.error and (
        bool(box.networks) and port_holder(snapshot, box) is None)
