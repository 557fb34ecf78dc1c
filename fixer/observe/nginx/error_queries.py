"""Queries that recent errors in nginx's log call for: temp folders, unix sockets, name servers, its own
version, what it trusts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.analysis.route_verdict import LOGGED_SECONDS
from fixer.formats.name_files import NAME_FILES
from fixer.formats.start_files import ACCOUNT_FILES, path_and_parents
from fixer.model.facts import Known
from fixer.model.nginx_config import ErrorKind
from fixer.model.query import Answer, Command, Query, ReadFile
from fixer.nginx.error_kinds import RACE_KINDS, unwritable_folder
from fixer.observe.nginx.nginx_masters import can_test_config, error_events
from fixer.observe.nginx.nginx_place import is_replaced
from fixer.observe.nginx.sites import Site, places_of
from fixer.observe.nginx.unloaded_sites import sockets_without_listener

RECENT_TEMP = 600.0
_WRITE_ERRNOS = (2, 13, 28, 30)        # missing, denied, disk full, read-only


def temp_folders(site: Site, logs: Answer | None) -> tuple[str, ...]:
    """Return the temp folders without their numbered subfolders. They are only read: the repair is an nginx reload."""
    errors = error_events(site.nginx, site.config, site.view, logs)
    if not isinstance(errors, Known):
        return ()
    since = site.view.node.now - RECENT_TEMP
    found = (unwritable_folder(event) for event in errors.value if event.at >= since)
    return tuple(dict.fromkeys(said[0] for said in found if said is not None and said[1] in _WRITE_ERRNOS))


RECENT_SOCKET = 600.0
ACCOUNTS_LIMIT = 256 << 10
RESOLV_CONF_LIMIT = 16 << 10
MOST_SOCKETS = 4


def socket_path_queries(site: Site, logs: Answer | None) -> Iterator[Query]:
    """Yield queries for modes and owners on the paths of denied sockets; only for the folders of missing ones, and for
    the path itself where a connect is refused: it may be no socket.
    The configuration names the paths; the log is only the trigger. `logs`: the engine's log of nginx's container."""
    paths = tuple(dict.fromkeys(a.server.unix for a in places_of(site) if a.server.unix is not None))
    kinds = recent_kinds(site, logs) if paths else frozenset()
    if "socket-missing" in kinds:
        yield from (ReadFile(folder, 0)
                    for folder in dict.fromkeys(posixpath.dirname(path) for path in paths[:MOST_SOCKETS]))
    if "refused" in kinds:
        unheard = set(sockets_without_listener(site))
        yield from (ReadFile(path, 1) for path in paths[:MOST_SOCKETS] if path in unheard)
    if "connect-denied" not in kinds:
        return
    for path in paths[:MOST_SOCKETS]:
        yield from (ReadFile(name, 1) for name in path_and_parents(path))
    yield from (ReadFile(name, ACCOUNTS_LIMIT) for name in ACCOUNT_FILES)


MOST_AUTHORITIES = 4


def authority_queries(site: Site, logs: Answer | None) -> Iterator[Query]:
    """Yield the queries for the state of the files by which nginx verifies its backends, where it rejected one: it
    reads such a file only when it loads its configuration."""
    if not isinstance(site.config, Known):
        return
    paths = dict.fromkeys(route.tls.trusted for route in site.config.value.routes if route.tls.trusted.startswith("/"))
    if paths and "tls-verify" in recent_kinds(site, logs):
        yield from (ReadFile(path, 1) for path in list(paths)[:MOST_AUTHORITIES])


def name_server_queries(site: Site, logs: Answer | None) -> Iterator[Query]:
    """Yield the query for the machine's own name servers where nginx's resolver failed, or where it has none."""
    if {"name-not-resolved", "no-resolver"} & recent_kinds(site, logs):
        yield ReadFile(NAME_FILES[0], RESOLV_CONF_LIMIT)


def version_queries(site: Site, logs: Answer | None) -> Iterator[Query]:
    """Yield the query for nginx's version where a kept connection may have ended a request, and only the version tells
    whether it keeps any. An answer names it, unless `server_tokens` hides it."""
    routes = site.config.value.routes if isinstance(site.config, Known) else ()
    unsure = any(r.kept is not None and r.kept.number != 0 and r.kept.allowed is not False and (
        r.kept.number is None or r.kept.allowed is None) for r in routes)
    if unsure and can_test_config(site.nginx, site.view) and not is_replaced(site.nginx) and (
            RACE_KINDS & recent_kinds(site, logs, LOGGED_SECONDS)):
        yield Command("nginx-version", (site.nginx.binary,))


def recent_kinds(site: Site, logs: Answer | None, seconds: float = RECENT_SOCKET) -> frozenset[ErrorKind]:
    """Return the kinds of the recent lines of its error log."""
    errors = error_events(site.nginx, site.config, site.view, logs)
    if not isinstance(errors, Known):
        return frozenset()
    since = site.view.node.now - seconds
    return frozenset(event.kind for event in errors.value if event.at >= since)
