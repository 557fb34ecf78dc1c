"""Ports that Docker publishes: addresses of the Docker host that lead to a container, not to the host itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.formats.addresses import is_loopback, is_wildcard
from fixer.formats.docker_conventions import is_docker_host
from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Known
from fixer.model.nginx_config import UpstreamServer
from fixer.model.query import Command
from fixer.model.snapshot import Container, Listener
from fixer.observe.view.node_view import ENGINE, View, container_of, known_pids

_FORWARDERS = ("docker-proxy", "rootlessport", "rootlesskit", "slirp4netns")      # hold such ports on the host


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """The container that an address of the Docker host leads to, and the port inside it."""

    container: Container
    port: int


def is_on_docker_host(view: View, views: Mapping[str, View], containers: tuple[Container, ...]) -> bool:
    """Return whether a node uses the Docker host's network: the host itself, or a container that shares it."""
    if view.is_target_machine:
        return ENGINE in views
    own = container_of(view.name, containers)
    return own is not None and not own.is_machine and own.network_mode == "host"


def find_published_port(server: UpstreamServer, addresses: Sequence[str], view: View, views: Mapping[str, View],
                 containers: tuple[Container, ...]) -> PublishedPort | None:
    """Return what Docker publishes at an address of nginx; running containers come before stopped ones.

    None if a host program itself holds the port.
    """
    if server.unix is not None or not addresses:
        return None
    here = is_on_docker_host(view, views, containers)
    if here and not all(is_loopback(a) or a in view.addresses for a in addresses):
        return None
    if not here and not _is_host_asked_from_inside(server, addresses, view, containers):
        return None
    held = [x for x in _tcp_listeners(view) if here and x.port == server.port]
    if any(_is_host_listener(x, view) for x in held):
        return None
    for container in sorted(containers, key=lambda c: c.status != "running"):
        if container.is_machine or (held and container.status not in ("running", "paused")):
            continue
        for host, outer, inner in container.published:
            if outer == server.port and (is_wildcard(host) or host in addresses):
                return PublishedPort(container, inner)
    return None


def is_docker_host_address(server: UpstreamServer, addresses: Sequence[str], view: View, own: Container,
              containers: tuple[Container, ...]) -> bool:
    """Return whether nginx in a container addresses the Docker host: by host networking, or by its name."""
    if own.network_mode == "host":
        return bool(addresses) and all(is_loopback(a) or a in view.addresses for a in addresses)
    return is_docker_host(server.host, addresses, containers)


def is_held_by_host(port: int, view: View) -> bool:
    """Return whether a host program that forwards to no container holds the port, as far as the node sees."""
    return any(_is_host_listener(x, view) for x in _tcp_listeners(view) if x.port == port)


def _is_host_asked_from_inside(server: UpstreamServer, addresses: Sequence[str], view: View,
                      containers: tuple[Container, ...]) -> bool:
    """Return whether nginx in a container with its own network addresses the host (not by loopback)."""
    own = container_of(view.name, containers)
    inside = own is not None and not own.is_machine and own.network_mode != "host"
    return inside and is_docker_host(server.host, addresses, containers)


def _tcp_listeners(view: View) -> tuple[Listener, ...]:
    found = view.listeners.or_else(())
    return tuple(x for x in found if x.family != "unix")


def _is_host_listener(listener: Listener, view: View) -> bool:
    """Return whether a known process that does not forward to a container holds the listener."""
    names = {view.by_pid[pid].comm for pid in known_pids(listener.pids) if pid in view.by_pid}
    return bool(names) and not any(name.startswith(_FORWARDERS) for name in names)


def published_query(places: Sequence[str]) -> Command:
    """Return the query for containers that publish these ports or share these sockets."""
    return Command("docker-published", tuple(places))


def addresses_without_listener(view: View, wanted: Sequence[tuple[UpstreamServer, tuple[str, ...]]]) -> tuple[str, ...]:
    """Return ports and socket paths on this machine that nginx uses and no host program listens on.
    A container may publish or share them."""
    return tuple(dict.fromkeys(_each_without_listener(view, wanted)))


def _each_without_listener(view: View, wanted: Sequence[tuple[UpstreamServer, tuple[str, ...]]]) -> Iterator[str]:
    if not isinstance(view.listeners, Known):
        return
    held: dict[int, list[Listener]] = {}
    heard = {x.address for x in view.listeners.value if x.family == "unix"}
    for listener in _tcp_listeners(view):
        held.setdefault(listener.port, []).append(listener)
    for server, addresses in wanted:
        own = server.unix is None and addresses and all(is_loopback(a) or a in view.addresses for a in addresses)
        if own and not any(_is_host_listener(x, view) for x in held.get(server.port, ())):
            yield str(server.port)
        if server.unix is not None and server.unix.startswith("/") and server.unix not in heard:
            yield server.unix
