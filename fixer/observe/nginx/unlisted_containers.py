"""Containers outside the target that nginx may reach: by a name, by a host port, or by a reused address."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterator, Mapping, Sequence

from fixer.formats.addresses import is_loopback, is_wildcard
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.facts import Known, Unknown
from fixer.model.query import Command, Probe
from fixer.model.snapshot import AddressCandidate, Container
from fixer.observe.docker.published_ports import is_docker_host_address, is_held_by_host
from fixer.observe.nginx.endpoints import container_at, probe_result
from fixer.observe.nginx.nginx_masters import loaded_at
from fixer.observe.nginx.probes import plan_probes
from fixer.observe.nginx.sites import Address, Site
from fixer.observe.view.node_view import View, container_of, node_of
from fixer.observe.view.observe_options import ObserveOptions

_PORT_IN_USE = regex(r"port is already allocated|address already in use")
MOST_NAMES = 8              # each site has few names outside the target
_UNNAMED_NETWORKS = frozenset({"", "none", "host", "default", "bridge"})


def named_container_query(sites: Sequence[Site], containers: tuple[Container, ...],
                          views: Mapping[str, View]) -> Command | None:
    """Return the query for Docker; None if every name belongs to the target or cannot be a container there."""
    names: dict[str, None] = {}
    networks: dict[str, None] = {}
    for site in sites:
        own = container_of(site.view.name, containers)
        if own is not None and not own.is_machine:
            asked = [name for address in site.addresses
                     for name in _unlisted_names(address, own, containers, site.view)]
            asked += _lookup_time(site, own, containers)
            names.update(dict.fromkeys(asked))
            joined = {name for name, _, _ in own.networks} | ({own.network_mode} - _UNNAMED_NETWORKS)
            networks.update(dict.fromkeys(sorted(joined) if asked else ()))
    for own in containers:       # its port is in use: query who holds it
        if own.status != "running" and _PORT_IN_USE.search(own.error):
            names.update({f":{outer}": None for _, outer, _ in own.published})
            networks.update({name: None for name, _, _ in own.networks})
    joined_text = ",".join(name for name in networks if not name.startswith("container:"))
    return Command("docker-called", (joined_text, *list(names)[:MOST_NAMES])) if names and joined_text else None


def _lookup_time(site: Site, own: Container, containers: tuple[Container, ...]) -> Iterator[str]:
    """Yield when nginx looked names up, if a container that one of them leads to was started since: another one may
    have got the address of before."""
    loaded = loaded_at(site.nginx)
    if isinstance(loaded, Known) and any(_holders(address, own, _younger_containers(containers, loaded.value))
                                         for address in site.addresses):
        yield f"@{math.floor(loaded.value)}"


def _younger_containers(containers: tuple[Container, ...], loaded: float) -> list[Container]:
    return [c for c in containers if c.status == "running" and not c.is_machine and c.started_at > loaded]


def _holders(address: Address, own: Container, young: list[Container]) -> set[str]:
    """Return the ids of the young containers to which a name leads; empty for an address that is no name."""
    if address.server.unix is not None or _IP.search(address.server.host):
        return set()
    return {c.id for c in young if c.id != own.id and c.addresses.intersection(address.ips)}


def _unlisted_names(address: Address, own: Container, containers: tuple[Container, ...], view: View) -> Iterator[str]:
    server = address.server
    if server.unix is not None or not server.host:
        return
    if is_docker_host_address(server, address.ips, view, own, containers):
        publish = any(server.port == outer for c in containers for _, outer, _ in c.published)
        if not publish and not is_held_by_host(server.port, view):
            yield f":{server.port}"
        return
    if container_at(server, address.ips, containers, own) is not None:
        others = [a for a in address.ips if _is_private(a) and not any(a in c.addresses for c in containers)]
        if len(others) < len(address.ips):        # the name leads to a target container and to others
            yield from others
        return
    if any(is_loopback(a) or a in view.addresses for a in address.ips) or server.host == "localhost":
        return
    if not address.ips or any(_is_private(a) for a in address.ips):
        yield server.host.strip("[]")
        yield from address.ips


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


# Containers that may have received the address that nginx cached for a name: probed like that address.
MOST_PER_ADDRESS = 4              # containers probed for one address
_IP = regex(r"^[\d.]+$|:")


def unlisted_containers_of(sites: tuple[Site, ...], options: ObserveOptions, views: Mapping[str, View],
                 containers: tuple[Container, ...]) -> tuple[AddressCandidate, ...]:
    """Return each of them with its answer to nginx's container."""
    return tuple(
        AddressCandidate(key, node, probe.host, probe_result(site.view.node.answers.get(probe)))
        for site in sites for key, node, probe in _each_probe(site, options, views, containers)
    )


def unlisted_container_probes(site: Site, options: ObserveOptions, views: Mapping[str, View],
                    containers: tuple[Container, ...]) -> Iterator[Probe]:
    """Yield the probes of one site; rarely any."""
    return (probe for _, _, probe in _each_probe(site, options, views, containers))


def _each_probe(site: Site, options: ObserveOptions, views: Mapping[str, View],
           containers: tuple[Container, ...]) -> Iterator[tuple[str, str, Probe]]:
    """Yield (address id, node, probe) if the name's container started after nginx resolved it and may have moved.
    Each probe goes to another container started since, on the same port of a network of nginx's."""
    own, loaded = container_of(site.view.name, containers), loaded_at(site.nginx)
    if own is None or own.is_machine or site.nginx.master is None or isinstance(loaded, Unknown):
        return
    young = _younger_containers(containers, loaded.value)
    if len(young) < 2:
        return
    mine = {name for name, _, _ in own.networks}
    plan = plan_probes(site, options, views, containers)
    for address in site.addresses:
        probe = plan.by_address.get(address.id)
        holders = _holders(address, own, young)
        if probe is None or not holders:
            continue
        others = [(c, ip) for c in young if c.id not in holders | {own.id}
                  for name, ip, _ in c.networks if name in mine and ip]
        for other, ip in others[:MOST_PER_ADDRESS]:
            node = node_of(other, views)
            if _has_listener(views.get(node), ip, address.server.port):
                yield address.id, node, replace(probe, host=ip)


def _has_listener(view: View | None, ip: str, port: int) -> bool:
    return view is not None and isinstance(view.listeners, Known) and any(
        x.port == port and (is_wildcard(x.address) or x.address == ip) for x in view.listeners.value)
