"""Which names nginx asks for on its container's networks that no container of the target goes by, or not it alone; and
which ports of the Docker host that no container of the target publishes."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from fixer.lazy.regex import regex
from fixer.model.query import Command
from fixer.model.snapshot import Container
from fixer.observe.docker.published_ports import asks_host, is_held
from fixer.observe.nginx.endpoints import container_at
from fixer.observe.nginx.sites import Address, Site
from fixer.observe.view.node_view import View, container_of, is_loopback

_TAKEN = regex(r"port is already allocated|address already in use")
MOST = 8              # names: each site asks for few that are not its own
_NONE = frozenset({"", "none", "host", "default", "bridge"})


def called_query(sites: Sequence[Site], containers: tuple[Container, ...], views: Mapping[str, View]) -> Command | None:
    """What to ask Docker for, None where every name is one of the target's own, or nobody's on those networks."""
    names: dict[str, None] = {}
    networks: dict[str, None] = {}
    for site in sites:
        own = container_of(site.view.name, containers)
        if own is not None and not own.is_machine:
            asked = [name for address in site.addresses for name in _strange(address, own, containers, site.view)]
            names.update(dict.fromkeys(asked))
            joined = {name for name, _, _ in own.networks} | ({own.network_mode} - _NONE)
            networks.update(dict.fromkeys(sorted(joined) if asked else ()))
    for own in containers:       # a port that it was refused: whose is it?
        if own.status != "running" and _TAKEN.search(own.error):
            names.update({f":{outer}": None for _, outer, _ in own.published})
            networks.update({name: None for name, _, _ in own.networks})
    joined_text = ",".join(name for name in networks if not name.startswith("container:"))
    return Command("docker-called", (joined_text, *list(names)[:MOST])) if names and joined_text else None


def _strange(address: Address, own: Container, containers: tuple[Container, ...], view: View) -> Iterator[str]:
    server = address.server
    if server.unix is not None or not server.host:
        return
    if asks_host(server, address.found, view, own, containers):
        publish = any(server.port == outer for c in containers for _, outer, _ in c.published)
        if not publish and not is_held(server.port, view):
            yield f":{server.port}"
        return
    if container_at(server, address.found, containers, own) is not None:
        others = [a for a in address.found if _is_near(a) and not any(a in c.addresses for c in containers)]
        if len(others) < len(address.found):        # one of ours is behind that name, and somebody else's besides
            yield from others
        return
    if any(is_loopback(a) or a in view.addresses for a in address.found) or server.host == "localhost":
        return
    if not address.found or any(_is_near(a) for a in address.found):
        yield server.host.strip("[]")
        yield from address.found


def _is_near(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False
