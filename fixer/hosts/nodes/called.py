"""Containers of other projects that nginx asks for by name or address on networks that it shares with them: what
several projects have in common is a network, and a proxy of its own project in front."""

from __future__ import annotations

from collections.abc import Container, Sequence

from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.container_selection import Listing
from fixer.hosts.docker_engine.docker_cli import PROJECT_LABEL, SERVICE_LABEL, Docker, Inspected
from fixer.hosts.nodes.container_node import ContainerAsker
from fixer.hosts.nodes.engine_node import EngineAsker
from fixer.hosts.nodes.nearby_containers import containers_at, publishing
from fixer.model.host import Asker
from fixer.model.query import Command


def askers_called(query: Command, known: Container[str], project: str | None = None) -> tuple[Asker, ...]:
    """A node for each container that answers to the query, and `engine`; none where there is none but those that are
    nodes already (`known`, by node's and container's name). `project`: where nginx has the network of the Docker host
    and nobody publishes the port, also those that may be meant, of that project where it has others."""
    listing = Listing()
    called, carriers = _called(listing, *query.args)
    every = [*called, *(() if project is None else may_be_meant(query.args, project, listing))]
    found = list({name: item for item in every if (name := docker_cli.name_of(item)) not in known}.values())
    carriers = [item for item in carriers if docker_cli.name_of(item) not in known]
    if not found and not carriers:
        return ()
    answer = EngineAsker({query: [*found, *carriers]})
    return (*(ContainerAsker(docker_cli.name_of(item), item) for item in found), answer)


def may_be_meant(words: Sequence[str], project: str, listing: Listing) -> list[Inspected]:
    """Of the same project where others of it run, else whatever runs: behind a port of the Docker host that nobody
    publishes. Nothing where nginx has a network of its own."""
    ports = [name[1:] for name in words[1:] if name.startswith(":")]
    if not ports or "host" not in words[0].split(","):
        return []
    beside = containers_at(ports, listing)
    return [item for item in beside if project and docker_cli.labels_of(item).get(PROJECT_LABEL) == project] or beside


def containers_called(networks: str, *names: str, docker: Docker = docker_cli.docker) -> list[Inspected]:
    """Both: those that answer to the names there, and those that bear one of them elsewhere."""
    found, carriers = _called(Listing(docker), networks, *names)
    return [*found, *carriers]


def _called(listing: Listing, networks: str, *names: str) -> tuple[list[Inspected], list[Inspected]]:
    """Those that go by one of the names, or have one of the addresses, on one of the networks (joined by commas), or
    were made with it and taken off since, and those that are in the network of one of them; of `:PORT` those that
    publish that port of the Docker host, or are to. And those that bear one of the names on other networks."""
    wanted, asked = set(networks.split(",")), {name for name in names if not name.startswith(":")}
    ports = {int(name[1:]) for name in names if name.startswith(":") and name[1:].isdigit()}
    outer = publishing(ports, listing) if ports else []
    every = listing.inspected(row.id for row in listing.rows if not row.networks or (
        asked and (wanted & row.networks or asked & {row.name, row.service})))
    found = [item for item in every if asked and _goes_by(item, wanted, asked)]
    known = {item.get("Id") for item in found}
    found += [item for item in outer if item.get("Id") not in known]
    known |= {item.get("Id") for item in outer}
    guests = [item for item in every if docker_cli.lender_of(item) in known and item.get("Id") not in known]
    known |= {item.get("Id") for item in guests}
    carriers = [item for item in every if item.get("Id") not in known and _bears(item, asked)]
    return sorted([*found, *guests], key=docker_cli.name_of), sorted(carriers, key=docker_cli.name_of)


def _bears(item: Inspected, names: set[str]) -> bool:
    """Called so itself, on no network that matters: no machine, and none that lives in another's network."""
    called = {docker_cli.name_of(item), docker_cli.labels_of(item).get(SERVICE_LABEL)}
    mode = (item.get("HostConfig") or {}).get("NetworkMode")
    is_alone = mode != "host" and not docker_cli.lender_of(item) and not docker_cli.is_machine(item)
    return bool(called & names) and is_alone


def _goes_by(item: Inspected, networks: set[str], names: set[str]) -> bool:
    joined = (item.get("NetworkSettings") or {}).get("Networks") or {}
    ends = [end or {} for name, end in joined.items() if name in networks]
    if not ends and (item.get("HostConfig") or {}).get("NetworkMode") not in networks:
        return False
    called: set[object] = {docker_cli.name_of(item), docker_cli.labels_of(item).get(SERVICE_LABEL)}
    for end in ends:
        called |= {end.get("IPAddress"), end.get("GlobalIPv6Address"), *_names(end)}
    return bool(called & names)


def _names(end: dict[str, object]) -> Sequence[object]:
    return [name for key in ("Aliases", "DNSNames") for name in _listed(end.get(key))]


def _listed(value: object) -> Sequence[object]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
