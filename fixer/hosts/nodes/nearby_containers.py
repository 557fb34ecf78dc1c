"""Containers of a machine that its own nginx may lead to: by the ports that Docker publishes, or is to publish, and by
the unix sockets in folders that they share with it."""

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
    """A node for each container at a place (a port, or the path of a socket), and `engine`, whose files
    `here` reads (this machine's by default); none where there is no container."""
    found = containers_at(places, Listing(docker))
    if not found:
        return ()
    from fixer.hosts.nodes.engine_node import EngineAsker  # which builds on the local asker

    nodes = [ContainerAsker(docker_cli.name_of(item), item, docker) for item in found]
    return (*nodes, EngineAsker({Command("docker-published", tuple(places)): found}, here, docker))


# Containers of other projects that nginx asks for by name or address on networks that it shares with them: what
# several projects have in common is a network, and a proxy of its own project in front.


def named_container_askers(query: Command, known: Container[str], project: str | None = None) -> tuple[Asker, ...]:
    """A node for each container that answers to the query, and `engine`; none where there is none but those that are
    nodes already (`known`, by node's and container's name). `project`: where nginx has the network of the Docker host
    and nobody publishes the port, also those that may be meant, of that project where it has others."""
    listing = Listing()
    called, carriers = select_named(listing, *query.args)
    every = [*called, *(() if project is None else candidate_containers(query.args, project, listing))]
    found = list({name: item for item in every if (name := docker_cli.name_of(item)) not in known}.values())
    carriers = [item for item in carriers if docker_cli.name_of(item) not in known]
    if not found and not carriers:
        return ()
    answer = EngineAsker({query: [*found, *carriers]})
    return (*(ContainerAsker(docker_cli.name_of(item), item) for item in found), answer)
