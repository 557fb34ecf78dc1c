"""Containers that live in another container's network (`network_mode: service:x`): an address leads to all of them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.formats.docker_conventions import path_on_engine
from fixer.formats.socket_tables import count_unix_callers, unix_rows
from fixer.lazy.dataclass import replace
from fixer.lazy.parse_cache import parse_once
from fixer.model.facts import Known
from fixer.model.query import ListSockets, Query, ReadFile
from fixer.model.snapshot import Container, Listener, Service
from fixer.observe.view.docker_inspect import host_path
from fixer.observe.view.node_view import View


def container_sharing_network(container: Container, port: int, services: Sequence[Service]) -> Container | None:
    """The container that serves where an address leads to `container`, where that only lends its network: the one
    application in it, or of several the one that is told the port. None where it is `container` itself, or not known.
    """
    lent = [s for s in services if s.container is not None and _borrows_network_of(s.container, container)]
    if not lent:
        return None
    own = [s for s in services if s.container is not None and s.container.id == container.id]
    serving = [s for s in (*own, *lent) if s.is_app_server and s.runtime]      # a lender may only sleep
    told = [s for s in serving if isinstance(s.bindings, Known) and any(b.port == port for b in s.bindings.value)]
    best = told if len(told) == 1 else serving
    return best[0].container if len(best) == 1 and best[0] not in own else None


def _borrows_network_of(box: Container, lender: Container) -> bool:
    return box.id != lender.id and box.lender == lender.id


# Links in a container that lead nowhere in there: how they look on the Docker host, where a mount has them from.
MOST_LINKS = 20     # links of one container that are looked at


def dangling_link_queries(view: View, own: Container) -> Iterator[Query]:
    """Only what they are is asked, and of their folders: nothing is read through a link that a container may have
    made."""
    loose = [path for path, file in view.files.items()
             if file.stat is not None and file.stat.kind == "link" and file.stat.real_path is None]
    for path in sorted(loose)[:MOST_LINKS]:
        mount = host_path(own, path)
        if mount is not None and not mount[1]:
            yield ReadFile(mount[0], 0)
            yield ReadFile(posixpath.dirname(mount[0]), 0)


# Unix sockets that containers share through a volume: whose socket it is that nginx finds in its own file system.


def service_of_shared_socket(path: str, own: Container | None, view: View,
                             services: Sequence[Service]) -> tuple[Service, str] | None:
    """The service of another container that is told to listen at this very socket, and its own name for it; None
    where several are, and where a program of nginx's own node listens there. `own` is nginx's container, None on the
    engine's machine."""
    wanted = path if own is None else path_on_engine(own, path)
    if wanted is None or _has_listener(path, view):
        return None
    found = {
        service.id: (service, binding.unix) for service in services
        if service.container is not None and (own is None or service.container.id != own.id)
        and isinstance(service.bindings, Known)
        for binding in service.bindings.value
        if binding.unix is not None and path_on_engine(service.container, binding.unix) == wanted
    }
    return next(iter(found.values())) if len(found) == 1 else None


def _has_listener(path: str, view: View) -> bool:
    """Somebody on this node listens under these very words."""
    heard = view.listeners.value if isinstance(view.listeners, Known) else ()
    return any(x.family == "unix" and x.address == path for x in heard)


def with_callers(held: Listener, view: View) -> Listener:
    """The listener of another node, with the connections to it that were made on this one: a unix socket's queue shows
    only in the network namespace of those who wait in it."""
    if _has_listener(held.address, view):
        return held      # whose the callers are cannot be told
    answer = view.node.answers.get(ListSockets())
    tables = answer.files if answer is not None and answer.status == "ok" else ()
    table = next((f.data for f in tables if f.path == "/proc/net/unix"), b"")
    # many sockets share one table
    waiting, taken = parse_once(lambda: count_unix_callers(unix_rows(table)), "callers", table)
    queued, more = waiting[held.address], taken[held.address]
    return replace(held, queued=held.queued + queued, established=held.established + queued + more)
