"""Resources that containers share: a network (`network_mode: service:x`), mounted links, unix sockets in volumes."""

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
    """Return the container that serves at `container`'s address if that only lends its network.
    It is the one application there, or the one of several that is configured for the port; None if unknown or
    `container`.
    """
    lent = [s for s in services if s.container is not None and _borrows_network_of(s.container, container)]
    if not lent:
        return None
    own = [s for s in services if s.container is not None and s.container.id == container.id]
    serving = [s for s in (*own, *lent) if s.is_app_server and s.runtime]      # a lender may only run sleep
    told = [s for s in serving if isinstance(s.bindings, Known) and any(b.port == port for b in s.bindings.value)]
    best = told if len(told) == 1 else serving
    return best[0].container if len(best) == 1 and best[0] not in own else None


def _borrows_network_of(box: Container, lender: Container) -> bool:
    return box.id != lender.id and box.lender == lender.id


MOST_LINKS = 20     # links of one container that are checked


def dangling_link_queries(view: View, own: Container) -> Iterator[Query]:
    """Yield queries for the host side of a container's dangling links, and for their folders.
    Only metadata is read: a container may have created the link."""
    loose = [path for path, file in view.files.items()
             if file.stat is not None and file.stat.kind == "link" and file.stat.real_path is None]
    for path in sorted(loose)[:MOST_LINKS]:
        mount = host_path(own, path)
        if mount is not None and not mount[1]:
            yield ReadFile(mount[0], 0)
            yield ReadFile(posixpath.dirname(mount[0]), 0)


def service_of_shared_socket(path: str, own: Container | None, view: View,
                             services: Sequence[Service]) -> tuple[Service, str] | None:
    """Return the service of another container that is configured for this socket, and its own path.
    None if several are, or if a program on nginx's node listens there.
    `own` is nginx's container, None on the engine's machine."""
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
    """Return whether something on this node listens on this path."""
    heard = view.listeners.or_else(())
    return any(x.family == "unix" and x.address == path for x in heard)


def with_callers(held: Listener, view: View) -> Listener:
    """Return another node's listener with this node's connections to it.
    A unix socket's queue shows only in the network namespace of the waiting clients."""
    if _has_listener(held.address, view):
        return held      # the callers' listener is ambiguous
    answer = view.node.answers.get(ListSockets())
    tables = answer.files if answer is not None and answer.status == "ok" else ()
    table = next((f.data for f in tables if f.path == "/proc/net/unix"), b"")
    # many sockets share one table
    waiting, taken = parse_once(lambda: count_unix_callers(unix_rows(table)), "callers", table)
    queued, more = waiting[held.address], taken[held.address]
    return replace(held, queued=held.queued + queued, established=held.established + queued + more)
