"""What an engine has, listed once and inspected once for as long as one question takes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.docker_cli import SERVICE_LABEL, Docker, Inspected

_ROW = f'{{{{.ID}}}}\t{{{{.Names}}}}\t{{{{.Label "{SERVICE_LABEL}"}}}}\t{{{{.Networks}}}}'


class Row(NamedTuple):
    """A container as `docker ps -a` tells it; no network where it has another one's."""

    id: str
    name: str
    service: str
    networks: frozenset[str]


class Listing:
    """All containers of an engine, stopped ones too; `Unreachable` where Docker does not answer."""

    def __init__(self, docker: Docker = docker_cli.docker) -> None:
        self.docker = docker
        self._seen: dict[str, Inspected] = {}

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One for each."""
        said = self.docker("ps", "-a", "--no-trunc", "--format", _ROW).stdout.decode(errors="replace")
        cells = [row.split("\t") for row in said.splitlines()]
        return tuple(Row(some[0], some[1], some[2], frozenset(filter(None, some[3].split(","))))
                     for some in cells if len(some) == 4)

    @property
    def every(self) -> list[Inspected]:
        """All of them, inspected."""
        # an older podman that answers to docker's name knows no label in a row
        return self.inspected([row.id for row in self.rows] or docker_cli.list_ids(docker=self.docker))

    def inspected(self, ids: Iterable[str]) -> list[Inspected]:
        """Those of these ids that still exist; only what was not inspected before is asked for."""
        wanted = list(ids)
        for item in docker_cli.inspect([one for one in wanted if one not in self._seen], self.docker):
            self._seen[str(item.get("Id"))] = item
        return [self._seen[one] for one in wanted if one in self._seen]
