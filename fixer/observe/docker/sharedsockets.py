"""Unix sockets that containers share through a volume: whose socket it is that nginx finds in its own file system."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.formats.shares import place_of
from fixer.formats.socket_tables import callers, unix_rows
from fixer.lazy.dataclass import replace
from fixer.lazy.parse_cache import remembered
from fixer.model.facts import Known
from fixer.model.query import ListSockets
from fixer.model.snapshot import Container, Listener, Service
from fixer.observe.view.node_view import View


def sharer(path: str, own: Container | None, view: View, services: Sequence[Service]) -> tuple[Service, str] | None:
    """The service of another container that is told to listen at this very socket, and its own name for it; None
    where several are, and where a program of nginx's own node listens there. `own` is nginx's container, None on the
    engine's machine."""
    wanted = path if own is None else place_of(own, path)
    if wanted is None or _is_heard(path, view):
        return None
    found = {
        service.id: (service, binding.unix) for service in services
        if service.container is not None and (own is None or service.container.id != own.id)
        and isinstance(service.bindings, Known)
        for binding in service.bindings.value
        if binding.unix is not None and place_of(service.container, binding.unix) == wanted
    }
    return next(iter(found.values())) if len(found) == 1 else None


def _is_heard(path: str, view: View) -> bool:
    """Somebody on this node listens under these very words."""
    heard = view.listeners.value if isinstance(view.listeners, Known) else ()
    return any(x.family == "unix" and x.address == path for x in heard)


def with_callers(held: Listener, view: View) -> Listener:
    """The listener of another node, with the connections to it that were made on this one: a unix socket's queue shows
    only in the network namespace of those who wait in it."""
    if _is_heard(held.address, view):
        return held      # whose the callers are cannot be told
    answer = view.node.answers.get(ListSockets())
    tables = answer.files if answer is not None and answer.status == "ok" else ()
    table = next((f.data for f in tables if f.path == "/proc/net/unix"), b"")
    waiting, taken = remembered(lambda: callers(unix_rows(table)), "callers", table)     # many sockets share one table
    queued, more = waiting[held.address], taken[held.address]
    return replace(held, queued=held.queued + queued, established=held.established + queued + more)
