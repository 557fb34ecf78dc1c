"""How many files nginx's master may open, and how many it may give a worker: asked if its log says too few. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.regex import regex
from fixer.model.query import Answer, ReadFile
from fixer.observe.nginx.error_queries import recent_kinds
from fixer.observe.nginx.nginx_place import NginxInstance
from fixer.observe.nginx.sites import Site
from fixer.observe.view.node_view import View

_LIMIT = 8 << 10
_NAMES = ("limits", "status", "uid_map")
_OPEN_FILES = regex(rb"(?m)^Max open files +([0-9]+|unlimited) +([0-9]+|unlimited) ")
_CAPABILITIES = regex(rb"(?m)^CapEff:\s*([0-9a-f]+)$")
_SYS_RESOURCE = 1 << 24     # CAP_SYS_RESOURCE: may raise its own hard limits
_ALL_USERS = [b"0", b"0", b"4294967295"]    # the first user namespace; in another one the kernel ignores the capability


def file_limit_queries(site: Site, logs: Answer | None) -> Iterator[ReadFile]:
    """Yield the queries for the limits and rights of a master whose workers log that they have too many open files.
    `logs`: the engine's log of nginx's container."""
    if site.nginx.master is not None and {"files-exhausted", "connect-files-exhausted"} & recent_kinds(site, logs):
        yield from _queries(site.nginx.master.pid)


def file_limits_of(place: NginxInstance, view: View) -> tuple[int, int]:
    """Return how many files the master may open, and the most that it can give a worker; 0: unknown, or no limit."""
    if place.master is None:
        return 0, 0
    limits, status, users = (_read(query, view) for query in _queries(place.master.pid))
    found, may = _OPEN_FILES.search(limits), _CAPABILITIES.search(status)
    if found is None:
        return 0, 0
    soft, hard = (int(text) if text.isdigit() else 0 for text in found.groups())
    raises = may is None or (int(may[1], 16) & _SYS_RESOURCE and users.split() in ([], _ALL_USERS))
    return soft, 0 if raises else hard


def _queries(pid: int) -> tuple[ReadFile, ...]:
    return tuple(ReadFile(f"/proc/{pid}/{name}", _LIMIT) for name in _NAMES)


def _read(query: ReadFile, view: View) -> bytes:
    return view.data(query.path) or b""
