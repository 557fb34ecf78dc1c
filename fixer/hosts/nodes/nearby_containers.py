"""Containers that a machine's nginx may lead to: by published ports, shared socket folders, names and networks."""

from __future__ import annotations

from collections.abc import Container, Sequence

from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.container_selection import Listing, candidate_containers, containers_at, select_named
from fixer.hosts.docker_engine.docker_cli import PROJECT_LABEL, Docker, Inspected
from fixer.hosts.docker_engine.engine_answers import project_containers, with_peers
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


_MOST_GROUPS = 12        # projects and single containers with nginx that one look of a machine takes


def nginx_container_askers(ids: Sequence[str], here: Asker | None = None, docker: Docker = docker_cli.docker,
                           ) -> tuple[tuple[Asker, ...], tuple[Command, ...]]:
    """Return a node for each container of the projects (or networks) that contain one of these, named by the container,
    and `engine`; and the queries that `engine` can answer without asking again. Empty if there is none.
    No ids: of every container that starts nginx. A machine in a container is another target."""
    listing = Listing(docker)
    found = listing.inspected(ids) if ids else [i for i in listing.every if docker_cli.runs_nginx(i)]
    answered: dict[Command, Sequence[Inspected]] = {}
    nodes: dict[str, Inspected] = {}
    for item in sorted(found, key=docker_cli.name_of):
        name, project = docker_cli.name_of(item), docker_cli.labels_of(item).get(PROJECT_LABEL, "")
        if docker_cli.is_machine(item) or name in nodes or len(answered) == _MOST_GROUPS:
            continue
        group = project_containers(project, docker) if project else with_peers(item, docker)
        query = Command("docker-project", (project,)) if project else Command("docker-container", (name,))
        answered[query] = group
        nodes |= {docker_cli.name_of(one): one for one in group if not docker_cli.is_machine(one)}
    reserved = {docker.host, "engine"}
    askers = [ContainerAsker(name, item, docker) for name, item in sorted(nodes.items()) if name not in reserved]
    return ((*askers, EngineAsker(answered, here, docker)), tuple(answered)) if askers else ((), ())


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
