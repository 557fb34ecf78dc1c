"""The Docker host as its containers ask for it: by a name that Docker has for it, or by its address on a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fixer.model.service import Container

NAMES = frozenset({"host.docker.internal", "gateway.docker.internal"})


def is_docker_host(host: str, addresses: Sequence[str], containers: Iterable[Container]) -> bool:
    """Whether a container that asks for this host, or for all these addresses, asks the machine that it runs on."""
    if host.lower() in NAMES:
        return True
    known = {address for container in containers for address in container.gateways}
    return bool(addresses) and known.issuperset(addresses)
