"""Backends that the files of a compose project define and that have no container: removed, or never created.

No process or container shows where such a service would listen. The compose files do: its names, its ports if it uses
nginx's network, and its sockets in folders that nginx has, too.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import bindings_of, container_of
from fixer.analysis.nginx_process import addresses_of_stopped_nginx
from fixer.analysis.route_verdict import is_closed
from fixer.formats.addresses import is_loopback
from fixer.formats.docker_conventions import is_place, path_in_container, path_on_engine, place_in_mount
from fixer.formats.folders import is_within
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.deployment import Compose, UncreatedService
from fixer.model.diagnosis import Effect
from fixer.model.service import Container

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.configured import is_configured_at
    from fixer.analysis.ownership.resolve import candidate_owners


@dataclass(frozen=True, slots=True)
class UncreatedBackend:
    """A failing address and the service without a container that belongs there. If the compose files put the service
    at another address than nginx asks for, `socket` is its path in nginx's container, or `port` its port there, or
    `host` its name, where nginx asks another service for its port. If they only give it the folder of the socket, or
    the network of the loopback address, that nginx asks for, it `shares_place`."""

    compose: Compose
    trouble: FailingAddress
    service: UncreatedService
    socket: str = ""
    port: int = 0
    host: str = ""
    shares_place: bool = False
    is_only_one: bool = False       # nothing else than the service and nginx has that folder

    @property
    def is_elsewhere(self) -> bool:
        """Return whether nginx asks for another address than the one at which the service would listen."""
        return bool(self.socket or self.port or self.host)

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Return what its absence looks like. A name that nobody has keeps nginx from starting; a socket or a number
        does not."""
        named = self.trouble.endpoint.host in self.service.names and any(
            facts.route.is_resolved_at_start for facts in self.trouble.routes)
        stops: tuple[Effect, ...] = ("nginx-stops",) if named else ()
        return (*stops, "address-lost", "stale-config")


def uncreated_backends(case: Case) -> Iterator[UncreatedBackend]:
    """Yield each failing address that belongs to such a service, whether nginx names it rightly or not."""
    compose = case.snapshot.compose
    if compose is None or not compose.uncreated:
        return
    down = [t for nginx in case.snapshot.nginxes for t in addresses_of_stopped_nginx(case, nginx)]
    asked = [t for t in (*case.failing_addresses, *down)
             if t.endpoint.configured_service is None and is_closed(t.endpoint) is not False]
    named = [(t, next((u for u in compose.uncreated if _leads_to(case, t, u)), None)) for t in asked]
    yield from (UncreatedBackend(compose, t, service) for t, service in named if service is not None)
    used = {service.service for _, service in named if service is not None}
    free = [service for service in compose.uncreated if service.service not in used]
    for trouble in (t for t, service in named if service is None and free):
        if (found := _elsewhere(case, compose, trouble, free)) is not None:
            yield found
    for trouble in case.failing_addresses if free else ():
        if (service := _asked_of_another(case, trouble, free)) is not None:
            yield UncreatedBackend(compose, trouble, service, host=service.service)


def _asked_of_another(case: Case, trouble: FailingAddress, free: list[UncreatedService]) -> UncreatedService | None:
    """Return the only one of the services that would listen at the port for which nginx asks another service: one of
    the project that is known to listen at other ports only."""
    endpoint = trouble.endpoint
    named = case.service(endpoint.configured_service)
    if endpoint.unix is not None or is_closed(endpoint) is not True or named is None or named.container is None:
        return None
    if not bindings_of(named) or any(is_configured_at(s, endpoint) for s in case.snapshot.services):
        return None
    found = [service for service in free if endpoint.port in service.ports and not service.guest_of]
    return found[0] if len(found) == 1 else None


def _leads_to(case: Case, trouble: FailingAddress, service: UncreatedService) -> bool:
    """Return whether nginx names the service, a port of it in the network that both would share, or a socket in a
    folder that both have from the Docker host."""
    path, box = trouble.endpoint.unix, container_of(case.snapshot, trouble.nginx.node)
    if path is None:
        return trouble.endpoint.host in service.names or (
            _shares_network(trouble, service, box) and trouble.endpoint.port in service.ports)
    place = path_on_engine(box, path) if box is not None else None
    return place is not None and any(is_place(socket, place) for socket in service.sockets)


def _shares_network(trouble: FailingAddress, service: UncreatedService, box: Container | None) -> bool:
    return box is not None and box.service == service.guest_of and is_loopback(trouble.endpoint.host)


def _elsewhere(case: Case, compose: Compose, trouble: FailingAddress,
               free: list[UncreatedService]) -> UncreatedBackend | None:
    """Return the only one of the services that would listen beside an address where nothing does, in a mount or network
    that it would share with nginx, else the only one of unknown address that would have the folder of the socket or
    the network of the address. None if a service that exists may belong there: one that runs, or is known to listen
    anywhere. What only ended, such as a job, is no rival."""
    box = container_of(case.snapshot, trouble.nginx.node)
    if box is None or box.is_machine or is_closed(trouble.endpoint) is not True:
        return None
    found = [UncreatedBackend(compose, trouble, service, socket, port) for service in free
             for socket, port in _places_beside(trouble, service, box)]
    found = found or [
        UncreatedBackend(compose, trouble, service, shares_place=True, is_only_one=_has_no_other(case, trouble, box))
        for service in free if not service.sockets and not service.ports and (
            _shares_network(trouble, service, box) or _has_folder_of_socket(trouble, service, box))]
    rivals = (owner.service for owner in candidate_owners(case, trouble))
    return found[0] if len(found) == 1 and not any(s.running or bindings_of(s) for s in rivals) else None


def _places_beside(trouble: FailingAddress, service: UncreatedService, box: Container) -> Iterator[tuple[str, int]]:
    """Yield the sockets of the service in the mount of the path that nginx asks, or its ports in nginx's network."""
    path = trouble.endpoint.unix
    if path is None:
        yield from (("", port) for port in service.ports if _shares_network(trouble, service, box))
        return
    asked = path_on_engine(box, path)
    if asked is None:
        return
    for socket in service.sockets:
        place = place_in_mount(box, socket)
        seen = None if place is None else path_in_container(box, place)
        if place is not None and seen is not None and any(
                is_within(asked, source) and is_within(place, source) for source, _ in box.shares):
            yield seen, 0


def _has_folder_of_socket(trouble: FailingAddress, service: UncreatedService, box: Container) -> bool:
    """Return whether a service whose files tell no address mounts the folder in which nginx's socket lies: a script or
    its image says where it listens, and the folder is nginx's only way to it."""
    asked = path_on_engine(box, trouble.endpoint.unix) if trouble.endpoint.unix is not None else None
    shared = {source for source, _ in box.shares}
    return asked is not None and any(
        (place := place_in_mount(box, folder)) in shared and is_within(asked, place)
        for folder in service.folders)


def _has_no_other(case: Case, trouble: FailingAddress, box: Container) -> bool:
    """Return whether no container but nginx's own, and one service without a container at most, has the folder of the
    socket: then nothing else can listen there. On a loopback address a program of nginx's own container can."""
    asked = path_on_engine(box, trouble.endpoint.unix) if trouble.endpoint.unix is not None else None
    others = [s.container for s in case.snapshot.services if s.container is not None and s.container.id != box.id]
    if asked is None or any(is_within(asked, source) for other in others for source, _ in other.shares):
        return False
    uncreated = case.snapshot.compose.uncreated if case.snapshot.compose is not None else ()
    folders = [place_in_mount(box, folder) for service in uncreated for folder in service.folders]
    return sum(place is not None and is_within(asked, place) for place in folders) == 1
