"""Containers that a machine's nginx may lead to: by published ports, shared socket folders, names and networks."""

from __future__ import annotations

from collections.abc import Container, Sequence

from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.container_selection import Listing, candidate_containers, containers_at, select_named
from fixer.hosts.docker_engine.docker_cli import Docker
from fixer.hosts.nodes.container_node import ContainerAsker
from fixer.hosts.nodes.engine_node import EngineAsker
from fixer.model.host import Asker
from fixer.model.query import Command


def published_container_askers(places: Sequence[str], here: Asker | None = None,
                  docker: Docker = docker_cli.docker) -> tuple[Asker, ...]:
    """Return a node for each container at these ports or socket paths, and `engine`; empty if there is none.
    `here` reads the engine's files (default: this machine)."""
    found = containers_at(places, Listing(docker))
    if not found:
        return ()
    nodes = [ContainerAsker(docker_cli.name_of(item), item, docker) for item in found]
    return (*nodes, EngineAsker({Command("docker-published", tuple(places)): found}, here, docker))




def named_container_askers(query: Command, known: Container[str], project: str | None = None) -> tuple[Asker, ...]:
    """Return a node for each container that matches the query, and `engine`; empty if there is no new one.
    `known` are existing nodes, by node and container name. `project`: if nginx uses the host's network and no container
    publishes the port, also candidates, preferably of that project."""
    listing = Listing()
    called, carriers = select_named(listing, *query.args)
    every = [*called, *(() if project is None else candidate_containers(query.args, project, listing))]
    found = list({name: item for item in every if (name := docker_cli.name_of(item)) not in known}.values())
    carriers = [item for item in carriers if docker_cli.name_of(item) not in known]
    if not found and not carriers:
        return ()
    answer = EngineAsker({query: [*found, *carriers]})
    return (*(ContainerAsker(docker_cli.name_of(item), item) for item in found), answer)
