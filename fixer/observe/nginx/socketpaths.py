"""Sockets that nginx was denied lately: the modes and owners on the way to them, and the accounts of the machine. Of
those that were not there only whether their folder is."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.formats.start_files import ACCOUNTS, way_to
from fixer.model.facts import Known
from fixer.model.query import Answer, Query, ReadFile
from fixer.observe.nginx.nginx_masters import events_of
from fixer.observe.nginx.sites import Site

LATELY = 600.0
LIMIT = 256 << 10
MOST = 4


def socket_path_queries(site: Site, logs: Answer | None) -> Iterator[Query]:
    """Paths come from the configuration; the log only says that it is worth a look. `logs` are
    what nginx's container writes to the engine."""
    paths = tuple(dict.fromkeys(a.server.unix for a in site.addresses if a.server.unix is not None))
    errnos = _lately(site, logs) if paths else frozenset()
    if 2 in errnos:
        yield from (ReadFile(folder, 0) for folder in dict.fromkeys(posixpath.dirname(path) for path in paths[:MOST]))
    if 13 not in errnos:
        return
    for path in paths[:MOST]:
        yield from (ReadFile(name, 1) for name in way_to(path))
    yield from (ReadFile(name, LIMIT) for name in ACCOUNTS)


def _lately(site: Site, logs: Answer | None) -> frozenset[int]:
    """With what its connects failed."""
    errors = events_of(site.place, site.config, site.view, logs)
    if not isinstance(errors, Known):
        return frozenset()
    since = site.view.node.now - LATELY
    return frozenset(e.errno for e in errors.value if e.errno and "connecting" in e.phase and e.at >= since)
