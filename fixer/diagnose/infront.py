"""A proxy of another kind that takes the visitors in, before nginx: what it does with them is not looked at."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.evidence import address_text
from fixer.model.snapshot import Container, Snapshot
from fixer.repairs.file_edits import container_of

_FRONTS = frozenset({"caddy", "traefik", "haproxy", "envoy", "apache2", "apache2ctl", "httpd", "httpd-foreground"})
_EVERYWHERE = "0.0.0.0"  # noqa: S104  an address that was read


def in_front(snapshot: Snapshot) -> Iterator[str]:
    """One line a container of nginx's project that publishes ports where nginx's own publishes none."""
    behind = {endpoint.service for endpoint in snapshot.endpoints}
    webs = [box for nginx in snapshot.nginxes if (box := container_of(snapshot, nginx.node)) is not None]
    projects = {box.project for box in webs if box.project and not box.published and not box.is_guest}
    if any(box.published or box.is_machine for box in webs):
        return
    for service in snapshot.services:
        box = service.container
        if box is None or box.project not in projects or not box.published or service.id in behind:
            continue
        if program := _front(box):
            host, outer, _ = box.published[0]
            at = address_text(host or _EVERYWHERE, outer)
            yield (f"visitors come in through {box.name} ({program}, published at {at}), which is not looked at, and "
                   "not through nginx itself: whether it hands on to nginx, its own configuration and log tell")


def _front(box: Container) -> str:
    """The program that it was made with, which an entry point may stand before; empty where it is none of these."""
    words = (word.rpartition("/")[2] for word in box.argv[:3])
    return next((word for word in words if word in _FRONTS), "")
