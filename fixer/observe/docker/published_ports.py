"""Ports that Docker publishes: an address of the Docker host behind which a container answers, not the host itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.formats.docker_conventions import is_docker_host
from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Known
from fixer.model.nginx_config import UpstreamServer
from fixer.model.query import Command
from fixer.model.snapshot import Container, Listener
from fixer.observe.view.node_view import ENGINE, View, container_of, is_loopback, known_pids

_ANY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_FORWARDERS = ("docker-proxy", "rootlessport", "rootlesskit", "slirp4netns")      # what holds such a port on the host


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A container that an address of the Docker host leads to, and the port that is meant inside it."""

    container: Container
    port: int


def is_on_docker_host(view: View, views: Mapping[str, View], containers: tuple[Container, ...]) -> bool:
    """Whether a node has the Docker host's own network: this machine itself, or a container that shares it."""
    if view.is_target_machine:
        return ENGINE in views
    own = container_of(view.name, containers)
    return own is not None and not own.is_machine and own.network_mode == "host"


def find_published_port(server: UpstreamServer, addresses: Sequence[str], view: View, views: Mapping[str, View],
                 containers: tuple[Container, ...]) -> PublishedPort | None:
    """What Docker publishes at an address that nginx asks for; a container that runs comes before one that is meant to.

    A program of the host that holds the port itself is not passed over.
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
            if outer == server.port and (host in _ANY_ADDRESS or host in addresses):
                return PublishedPort(container, inner)
    return None


def is_docker_host_address(server: UpstreamServer, addresses: Sequence[str], view: View, own: Container,
              containers: tuple[Container, ...]) -> bool:
    """Whether nginx in a container asks the Docker host for a port: it shares the network of the host, or names it."""
    if own.network_mode == "host":
        return bool(addresses) and all(is_loopback(a) or a in view.addresses for a in addresses)
    return is_docker_host(server.host, addresses, containers)


def is_held_by_host(port: int, view: View) -> bool:
    """By a program of the host that forwards to no container, as far as the node sees the host's sockets."""
    return any(_is_host_listener(x, view) for x in _tcp_listeners(view) if x.port == port)


def _is_host_asked_from_inside(server: UpstreamServer, addresses: Sequence[str], view: View,
                      containers: tuple[Container, ...]) -> bool:
    """From inside a container with a network of its own; its loopback and its addresses are not the host's."""
    own = container_of(view.name, containers)
    inside = own is not None and not own.is_machine and own.network_mode != "host"
    return inside and is_docker_host(server.host, addresses, containers)


def _tcp_listeners(view: View) -> tuple[Listener, ...]:
    found = view.listeners.value if isinstance(view.listeners, Known) else ()
    return tuple(x for x in found if x.family != "unix")


def _is_host_listener(listener: Listener, view: View) -> bool:
    """Held by a program that does not forward to a container; who holds it may not be known."""
    names = {view.by_pid[pid].comm for pid in known_pids(listener.pids) if pid in view.by_pid}
    return bool(names) and not any(name.startswith(_FORWARDERS) for name in names)


def published_query(places: Sequence[str]) -> Command:
    """The containers that may be behind these ports and sockets."""
    return Command("docker-published", tuple(places))


def addresses_without_listener(view: View, wanted: Sequence[tuple[UpstreamServer, tuple[str, ...]]]) -> tuple[str, ...]:
    """The ports and paths of sockets of this machine that nginx asks for and that a container may be behind: nobody of
    the host's own programs listens there."""
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
