"""Paths that recent errors in nginx's log refer to: temp folders it cannot write, unix sockets it cannot connect to."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.formats.start_files import ACCOUNT_FILES, path_and_parents
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.query import Answer, Query, ReadFile
from fixer.observe.nginx.nginx_masters import error_events
from fixer.observe.nginx.sites import Site

RECENT_TEMP = 600.0
_TEMP_ERROR = regex(r"^(?:(?:open|pwritev?|writev?)\(\) \"(?P<path>/[^\"\n]+)/\d{10}|"
              r"mkdir\(\) \"(?P<above>/[^\"\n]+)/\d{1,2})\" failed \((?:2|13|28|30): ")
_HASH_LEVELS = regex(r"(?:/\d{1,2})+$")


def temp_folders(site: Site, logs: Answer | None) -> tuple[str, ...]:
    """Return the temp folders without their numbered subfolders. They are only read: the repair is an nginx reload."""
    errors = error_events(site.nginx, site.config, site.view, logs)
    if not isinstance(errors, Known):
        return ()
    since = site.view.node.now - RECENT_TEMP
    matches = (_TEMP_ERROR.match(e.message) for e in errors.value if e.level == "crit" and e.at >= since)
    paths = (match["path"] or match["above"] for match in matches if match is not None)
    found = (posixpath.normpath(_HASH_LEVELS.sub("", path)) for path in paths)
    return tuple(dict.fromkeys(found))


RECENT_SOCKET = 600.0
ACCOUNTS_LIMIT = 256 << 10
MOST_SOCKETS = 4


def socket_path_queries(site: Site, logs: Answer | None) -> Iterator[Query]:
    """Yield queries for modes and owners on the paths of denied sockets; only for the folders of missing ones.
    The configuration names the paths; the log is only the trigger. `logs`: the engine's log of nginx's container."""
    paths = tuple(dict.fromkeys(a.server.unix for a in site.addresses if a.server.unix is not None))
    errnos = _recent_connect_errnos(site, logs) if paths else frozenset()
    if 2 in errnos:
        yield from (ReadFile(folder, 0)
                    for folder in dict.fromkeys(posixpath.dirname(path) for path in paths[:MOST_SOCKETS]))
    if 13 not in errnos:
        return
    for path in paths[:MOST_SOCKETS]:
        yield from (ReadFile(name, 1) for name in path_and_parents(path))
    yield from (ReadFile(name, ACCOUNTS_LIMIT) for name in ACCOUNT_FILES)


def _recent_connect_errnos(site: Site, logs: Answer | None) -> frozenset[int]:
    """Return the errnos of recently failed connects."""
    errors = error_events(site.nginx, site.config, site.view, logs)
    if not isinstance(errors, Known):
        return frozenset()
    since = site.view.node.now - RECENT_SOCKET
    return frozenset(e.errno for e in errors.value if e.errno and "connecting" in e.phase and e.at >= since)
