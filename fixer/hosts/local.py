"""The `local` target: this machine, in-process."""

from __future__ import annotations

import os
from collections.abc import Sequence

from fixer.errors import NeedsPerson
from fixer.hosts.machine import state_root
from fixer.hosts.nodes.local_node import LocalAsker, LocalWriter
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.host import Asker, Writer
from fixer.model.query import Command
from fixer.model.target import TargetRef

with lazy_imports():
    from fixer.hosts.nodes.nearby_containers import nginx_container_askers, published_container_askers

_ENGINE_PLACES = ("/run/docker.sock", "/var/run/docker.sock", "/var/lib/containers/storage")


class LocalTarget:
    """The machine that runs fixer."""

    notes: tuple[str, ...] = ()

    def __init__(self, ref: TargetRef) -> None:
        self.ref = ref

    def askers(self) -> tuple[Asker, ...]:
        """Return one node, `local`."""
        return (LocalAsker(),)

    def has_docker(self) -> bool:
        """Return whether Docker or Podman may have containers here, by their files: most machines have none."""
        return "DOCKER_HOST" in os.environ or any(map(os.path.exists, _ENGINE_PLACES))

    def beside(self, places: Sequence[str]) -> tuple[Asker, ...]:
        """Return the containers that may serve these ports and sockets, and the engine; empty if there are none."""
        return published_container_askers(places)

    def with_nginx(self, ids: Sequence[str]) -> tuple[tuple[Asker, ...], tuple[Command, ...]]:
        """Return the containers with nginx and those of their projects, and the engine with its answers."""
        return nginx_container_askers(ids)

    def writer(self, node: str) -> Writer:
        """Return this machine, which is the Docker host too."""
        if node == "engine":
            return LocalWriter("engine")
        if node != "local":
            raise NeedsPerson(f"{node} is not this machine", "name its own target: docker:// or compose://")
        return LocalWriter()

    def journal_location(self) -> tuple[Writer, str]:
        """Return this machine and the target's folder."""
        return LocalWriter(), state_root.target_folder(state_root.private_root(), self.ref)

    def close(self) -> None:
        """Do nothing: nothing is open."""
