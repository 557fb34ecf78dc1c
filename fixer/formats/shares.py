"""Where a container's paths lie on its engine's machine, and under which paths another one sees the same. Pure."""

from __future__ import annotations

from fixer.model.service import Container


def place_of(container: Container, path: str) -> str | None:
    """The path on the engine's machine of a container's path in a bind mount or a volume."""
    best: tuple[str, str] | None = None
    for source, destination in container.shares:
        root = destination.rstrip("/")
        if _is_in(path, root) and (best is None or len(root) > len(best[1])):
            best = (source.rstrip("/"), root)
    return None if best is None else best[0] + path[len(best[1]):]


def seen_as(container: Container, place: str) -> str | None:
    """The path by which a container sees a path of its engine's machine; None where nothing shows it to it."""
    for source, destination in container.shares:
        root = source.rstrip("/")
        if _is_in(place, root):
            path = destination.rstrip("/") + place[len(root):]
            if place_of(container, path) == place:      # nothing is mounted over it
                return path
    return None


def _is_in(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
