"""Sockets that nginx was denied lately: the modes and owners on the way to them, and the accounts of the machine."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.model.facts import Known
from fixer.model.query import Answer, Query, ReadFile
from fixer.model.startfiles import ACCOUNTS, way_to
from fixer.observe.nginx.nginxes import events_of
from fixer.observe.nginx.sites import Site

LATELY = 600.0
LIMIT = 256 << 10
MOST = 4


def socket_path_queries(site: Site, logs: Answer | None) -> Iterator[Query]:
    """Paths come from the configuration; the log only says that it is worth a look. `logs` are
    what nginx's container writes to the engine."""
    paths = tuple(dict.fromkeys(a.server.unix for a in site.addresses if a.server.unix is not None))
    if not paths or not _was_denied(site, logs):
        return
    for path in paths[:MOST]:
        yield from (ReadFile(name, 1) for name in way_to(path))
    yield from (ReadFile(name, LIMIT) for name in ACCOUNTS)


def _was_denied(site: Site, logs: Answer | None) -> bool:
    errors = events_of(site.place, site.config, site.view, logs)
    if not isinstance(errors, Known):
        return False
    since = site.view.node.now - LATELY
    return any(e.errno == 13 and "connecting" in e.phase and e.at >= since for e in errors.value)
