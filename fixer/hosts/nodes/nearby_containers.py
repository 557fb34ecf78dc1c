"""Containers of a machine that its own nginx may lead to: by the ports that Docker publishes, or is to publish, and by
the unix sockets in folders that they share with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.container_selection import Listing
from fixer.hosts.docker_engine.docker_cli import Docker, Inspected
from fixer.hosts.nodes.container_node import ContainerAsker
from fixer.model.host import Asker
from fixer.model.query import Command

MOST = 12             # containers that are looked at where none publishes a port: each is asked by a process of its own
_ENGINE = "engine"


def askers_beside(places: Sequence[str], here: Asker | None = None,
                  docker: Docker = docker_cli.docker) -> tuple[Asker, ...]:
    """A node for each container at a place (a port, or the path of a socket), and `engine`, whose files
    `here` reads (this machine's by default); none where there is no container."""
    found = containers_at(places, Listing(docker))
    if not found:
        return ()
    from fixer.hosts.nodes.engine_node import EngineAsker  # which builds on the local asker

    nodes = [ContainerAsker(docker_cli.name_of(item), item, docker) for item in found]
    return (*nodes, EngineAsker({Command("docker-published", tuple(places)): found}, here, docker))


def containers_at(places: Sequence[str], listing: Listing) -> list[Inspected]:
    """Those that publish one of the ports or share the folder of one of the sockets, running or not; for a port that
    none publishes also whatever runs and may be meant, those first that know a port of that number."""
    every = [item for item in listing.every if _counts(item, listing.docker.host)]
    outer = {id(item): _outer(item) for item in every}
    wanted = {int(place) for place in places if place.isdigit()}
    paths = [place for place in places if not place.isdigit()]
    found = [item for item in every if outer[id(item)] & wanted or any(_shares(item, path) for path in paths)]
    left = wanted - {port for item in found for port in outer[id(item)]}
    if left:
        others = [i for i in every if i not in found and docker_cli.status_of(i) in ("running", "restarting")]
        others = [i for i in others if not docker_cli.runs_nginx(i)]
        others.sort(key=lambda i: (not _mentions(i, left), not outer[id(i)], docker_cli.name_of(i)))
        found += others[:MOST]
    lenders = {item.get("Id") for item in found}
    found += [i for i in every if i not in found and docker_cli.lender_of(i) in lenders]     # who serves in its network
    return sorted(found, key=docker_cli.name_of)


def publishing(ports: AbstractSet[int], listing: Listing) -> list[Inspected]:
    """Those that publish one of the ports, or would if they ran."""
    return [item for item in listing.every if _counts(item, listing.docker.host) and _outer(item) & ports]


def _counts(item: Inspected, host: str) -> bool:
    """No machine of its own, which is another target, and no container named like one of our own nodes."""
    shared = (item.get("HostConfig") or {}).get("NetworkMode") == "host"
    names = {docker_cli.name_of(item), docker_cli.labels_of(item).get(docker_cli.SERVICE_LABEL, "")}
    return not docker_cli.is_machine(item) and not shared and not names & {host, _ENGINE}


def _bindings(item: Inspected) -> Mapping[str, Any]:
    return {**((item.get("HostConfig") or {}).get("PortBindings") or {}),
            **((item.get("NetworkSettings") or {}).get("Ports") or {})}


def _shares(item: Inspected, path: str) -> bool:
    """Whether this path of the machine lies in a folder that the container has too."""
    sources = [str((mount or {}).get("Source") or "").rstrip("/") for mount in item.get("Mounts") or ()]
    return any(source and path.startswith(f"{source}/") for source in sources)


def _outer(item: Inspected) -> set[int]:
    """The ports of this machine that it publishes, or would if it ran."""
    places = [place for some in _bindings(item).values() for place in some or ()]
    words = [str((place or {}).get("HostPort", "")) for place in places]
    return {int(word) for word in words if word.isdigit()}


def _mentions(item: Inspected, ports: set[int]) -> bool:
    """Whether it exposes a port of that number, or its command or health check names one."""
    config = item.get("Config") or {}
    check = (config.get("Healthcheck") or {}).get("Test") or ()
    text = " ".join(map(str, (*_bindings(item), *(config.get("ExposedPorts") or ()), item.get("Path"),
                              *(item.get("Args") or ()), *check)))
    return any(str(port) in text for port in ports)
