"""Services in other containers whose configured socket lies in a folder that nginx sees too, whether they run or not.

A socket of that folder that nobody is configured for is named wrongly, by nginx or by the service. Which of the two
does not matter here: the service that shares the folder is the one that nginx was given the folder for.
"""

from __future__ import annotations

from collections.abc import Collection

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import bindings_of, container_of
from fixer.analysis.ownership.configured import services_wanted_elsewhere
from fixer.analysis.ownership.tie_break import best_by_name
from fixer.formats.docker_conventions import path_in_container, path_on_engine
from fixer.formats.folders import is_within
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence
from fixer.model.snapshot import Container, Service


def shared_folder_owners(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    """Return the applications that no route uses and that have a socket in the mount in which nginx's path lies.
    Those with one in the very folder come first. Several are equals, and the operator chooses."""
    web, asked = _nginx_container(case, trouble), trouble.endpoint.unix
    if asked is None or trouble.endpoint.node != trouble.nginx.node or (web is not None and web.is_machine):
        return ()
    place = asked if web is None else path_on_engine(web, asked)
    if place is None:
        return ()
    away = services_wanted_elsewhere(case, trouble)
    near: list[Service] = []
    pool = [s for s in case.snapshot.services if s.is_app_server and s.node != trouble.nginx.node
            and s.id not in case.services_in_use and s.id not in away and _shares_mount(s, place, web)]
    for service in pool:
        if any(_folder(told) == _folder(place) for told in _engine_sockets(service)):
            near.append(service)
    found = best_by_name(case, trouble, near or pool) if pool else _only_sharer(case, trouble, place, away)
    if len(found) != 1 or not pool:
        return found
    return (replace(found[0], rule="elsewhere" if near or not found[0].needs_choice else "contested"),)


def _only_sharer(case: Case, trouble: FailingAddress, place: str, away: Collection[str]) -> tuple[PortOwner, ...]:
    """Return the only other container that mounts the folder, if nothing tells where it listens: its start script is
    in its image, and it ended before it did."""
    folder = _folder(place)
    every = [s for s in case.snapshot.services if s.container is not None and s.node != trouble.nginx.node
             and any(is_within(folder, source) for source, _ in s.container.shares)]
    if len(every) != 1 or bindings_of(every[0]) or every[0].id in {*case.services_in_use, *away}:
        return ()
    box = every[0].container
    if box is None or box.is_machine or (box.status == "running" and not box.restart_count):
        return ()       # one that stays up is known by where it listens
    return (PortOwner(every[0], "elsewhere", (
        Evidence("container", box.name, f"no other container but nginx's mounts {folder}"),)),)


def socket_path_for_nginx(case: Case, trouble: FailingAddress, service: Service, path: str) -> str | None:
    """Return the path by which nginx sees a socket of the service: the same on one node, the mounted one between
    containers. None if nginx does not see it."""
    if service.node == trouble.nginx.node or service.container is None:
        return path
    web, place = _nginx_container(case, trouble), path_on_engine(service.container, path)
    return place if web is None or place is None else path_in_container(web, place)


def _nginx_container(case: Case, trouble: FailingAddress) -> Container | None:
    return container_of(case.snapshot, trouble.nginx.node)


def _shares_mount(service: Service, place: str, web: Container | None) -> bool:
    """Return whether it has a socket that nginx sees, in a mount that also holds the place."""
    box = service.container
    if box is None or box.is_machine:
        return False
    mounts = [source for source, _ in box.shares if is_within(place, source)]
    return any(any(is_within(told, source) for source in mounts)
               and (web is None or path_in_container(web, told) is not None) for told in _engine_sockets(service))


def _engine_sockets(service: Service) -> list[str]:
    """Return its configured sockets, by their paths on the Docker host; those in its own layer are left out."""
    box = service.container
    told = [b.unix for b in bindings_of(service) if b.unix is not None]
    places = [path_on_engine(box, path) for path in told] if box is not None else []
    return [place for place in places if place is not None]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
