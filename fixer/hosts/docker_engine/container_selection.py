"""Selection of containers: an engine's listing, inspected once per query, and matches by name, port or socket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any

from fixer.formats.service_log import parse_time
from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.docker_cli import PROJECT_LABEL, SERVICE_LABEL, Docker, Inspected
from fixer.lazy.dataclass import dataclass

_ROW = f'{{{{.ID}}}}\t{{{{.Names}}}}\t{{{{.Label "{SERVICE_LABEL}"}}}}\t{{{{.Networks}}}}'


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `docker ps -a`; no network if the container shares another one's."""

    id: str
    name: str
    service: str
    networks: frozenset[str]


class Listing:
    """All containers of an engine, stopped ones too; raises `Unreachable` if Docker does not answer."""

    def __init__(self, docker: Docker = docker_cli.docker) -> None:
        self.docker = docker
        self._seen: dict[str, Inspected] = {}

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Return one row per container."""
        said = self.docker("ps", "-a", "--no-trunc", "--format", _ROW).stdout.decode(errors="replace")
        cells = [row.split("\t") for row in said.splitlines()]
        return tuple(Row(some[0], some[1], some[2], frozenset(filter(None, some[3].split(","))))
                     for some in cells if len(some) == 4)

    @property
    def every(self) -> list[Inspected]:
        """Return all containers, inspected."""
        # an older podman behind the name docker knows no labels in rows
        return self.inspected([row.id for row in self.rows] or docker_cli.list_ids(docker=self.docker))

    def inspected(self, ids: Iterable[str]) -> list[Inspected]:
        """Return the inspections of those ids that still exist; inspect each only once."""
        wanted = list(ids)
        for item in docker_cli.inspect([one for one in wanted if one not in self._seen], self.docker):
            self._seen[str(item.get("Id"))] = item
        return [self._seen[one] for one in wanted if one in self._seen]




def candidate_containers(words: Sequence[str], project: str, listing: Listing) -> list[Inspected]:
    """Return candidates for a port of the Docker host that no container publishes.
    Prefer containers of the same project, else any. Empty if nginx has its own network."""
    ports = [name[1:] for name in words[1:] if name.startswith(":")]
    if not ports or "host" not in words[0].split(","):
        return []
    beside = containers_at(ports, listing)
    return [item for item in beside if project and docker_cli.labels_of(item).get(PROJECT_LABEL) == project] or beside


def containers_named(networks: str, *names: str, docker: Docker = docker_cli.docker) -> list[Inspected]:
    """Return both: containers with one of the names on the networks, and on other networks."""
    found, carriers = select_named(Listing(docker), networks, *names)
    return [*found, *carriers]


def select_named(listing: Listing, networks: str, *names: str) -> tuple[list[Inspected], list[Inspected]]:
    """Return containers with one of the names or addresses on one of the networks (comma-separated), and carriers.
    Includes containers created with such a network and disconnected since, those that share the network of a match, for
    `:PORT` those that publish that port of the Docker host, or are configured to, and for `@SECONDS` those that run and
    were started since that time. Carriers have one of the names on other networks."""
    wanted, asked = set(networks.split(",")), {name for name in names if not name.startswith((":", "@"))}
    times = [int(name[1:]) for name in names if name.startswith("@") and name[1:].isdigit()]
    ports = {int(name[1:]) for name in names if name.startswith(":") and name[1:].isdigit()}
    outer = containers_publishing(ports, listing) if ports else []
    every = listing.inspected(row.id for row in listing.rows if not row.networks or (
        (asked and (wanted & row.networks or asked & {row.name, row.service})) or (times and wanted & row.networks)))
    found = [item for item in every if asked and _answers_to(item, wanted, asked)]
    found += [item for item in every if times and item not in found and _is_younger(item, wanted, min(times))]
    known = {item.get("Id") for item in found}
    found += [item for item in outer if item.get("Id") not in known]
    known |= {item.get("Id") for item in outer}
    guests = [item for item in every if docker_cli.lender_of(item) in known and item.get("Id") not in known]
    known |= {item.get("Id") for item in guests}
    carriers = [item for item in every if item.get("Id") not in known and _is_named_directly(item, asked)]
    return sorted([*found, *guests], key=docker_cli.name_of), sorted(carriers, key=docker_cli.name_of)


def _is_younger(item: Inspected, networks: set[str], since: float) -> bool:
    joined = (item.get("NetworkSettings") or {}).get("Networks") or {}
    begun = parse_time(str((item.get("State") or {}).get("StartedAt", "")))
    return docker_cli.status_of(item) == "running" and begun >= since and not networks.isdisjoint(joined)


def _is_named_directly(item: Inspected, names: set[str]) -> bool:
    """Return whether it has one of the names itself: no machine, and none that shares another's network."""
    called = {docker_cli.name_of(item), docker_cli.labels_of(item).get(SERVICE_LABEL)}
    mode = (item.get("HostConfig") or {}).get("NetworkMode")
    is_alone = mode != "host" and not docker_cli.lender_of(item) and not docker_cli.is_machine(item)
    return bool(called & names) and is_alone


def _answers_to(item: Inspected, networks: set[str], names: set[str]) -> bool:
    joined = (item.get("NetworkSettings") or {}).get("Networks") or {}
    ends = [end or {} for name, end in joined.items() if name in networks]
    if not ends and (item.get("HostConfig") or {}).get("NetworkMode") not in networks:
        return False
    called: set[object] = {docker_cli.name_of(item), docker_cli.labels_of(item).get(SERVICE_LABEL)}
    for end in ends:
        called |= {end.get("IPAddress"), end.get("GlobalIPv6Address"), *_endpoint_names(end)}
    return bool(called & names)


def _endpoint_names(end: dict[str, object]) -> Sequence[object]:
    return [name for key in ("Aliases", "DNSNames") for name in _strings_in(end.get(key))]


def _strings_in(value: object) -> Sequence[object]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


# candidates for a port that no container publishes: each costs a process
MOST_CANDIDATES = 12
_ENGINE = "engine"


def containers_at(places: Sequence[str], listing: Listing) -> list[Inspected]:
    """Return containers that publish one of the ports or share the folder of one of the sockets, running or not.
    For a port that none publishes, also running candidates, those first that mention a port of that number."""
    every = [item for item in listing.every if _is_eligible(item, listing.docker.host)]
    outer = {id(item): _published_ports(item) for item in every}
    wanted = {int(place) for place in places if place.isdigit()}
    paths = [place for place in places if not place.isdigit()]
    found = [item for item in every if outer[id(item)] & wanted
             or any(_has_mounted_folder(item, path) for path in paths)]
    left = wanted - {port for item in found for port in outer[id(item)]}
    if left:
        others = [i for i in every if i not in found and docker_cli.status_of(i) in ("running", "restarting")]
        others = [i for i in others if not docker_cli.runs_nginx(i)]
        others.sort(key=lambda i: (not _mentions_port(i, left), not outer[id(i)], docker_cli.name_of(i)))
        found += others[:MOST_CANDIDATES]
    lenders = {item.get("Id") for item in found}
    found += [i for i in every if i not in found and docker_cli.lender_of(i) in lenders]  # which serve in its network
    return sorted(found, key=docker_cli.name_of)


def containers_publishing(ports: AbstractSet[int], listing: Listing) -> list[Inspected]:
    """Return the containers that publish one of the ports, or would if they ran."""
    return [item for item in listing.every if _is_eligible(item, listing.docker.host)
            and _published_ports(item) & ports]


def _is_eligible(item: Inspected, host: str) -> bool:
    """Return False for a machine, which is another target, and for a container with the name of a node."""
    shared = (item.get("HostConfig") or {}).get("NetworkMode") == "host"
    names = {docker_cli.name_of(item), docker_cli.labels_of(item).get(docker_cli.SERVICE_LABEL, "")}
    return not docker_cli.is_machine(item) and not shared and not names & {host, _ENGINE}


def _bindings(item: Inspected) -> Mapping[str, Any]:
    return {**((item.get("HostConfig") or {}).get("PortBindings") or {}),
            **((item.get("NetworkSettings") or {}).get("Ports") or {})}


def _has_mounted_folder(item: Inspected, path: str) -> bool:
    """Return whether this host path is in a folder that the container mounts."""
    sources = [str((mount or {}).get("Source") or "").rstrip("/") for mount in item.get("Mounts") or ()]
    return any(source and path.startswith(f"{source}/") for source in sources)


def _published_ports(item: Inspected) -> set[int]:
    """Return the host ports that it publishes, or would if it ran."""
    places = [place for some in _bindings(item).values() for place in some or ()]
    words = [str((place or {}).get("HostPort", "")) for place in places]
    return {int(word) for word in words if word.isdigit()}


def _mentions_port(item: Inspected, ports: set[int]) -> bool:
    """Return whether it exposes a port of that number, or its command or health check mentions one."""
    config = item.get("Config") or {}
    check = (config.get("Healthcheck") or {}).get("Test") or ()
    text = " ".join(map(str, (*_bindings(item), *(config.get("ExposedPorts") or ()), item.get("Path"),
                              *(item.get("Args") or ()), *check)))
    return any(str(port) in text for port in ports)
