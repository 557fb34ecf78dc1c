"""Which `server` block wrote a line of nginx's error log: `server:` is the first name of the block, as nginx keeps it,
and nothing for a block without a name. The name that a visitor sent is another field."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fixer.lazy.parse_cache import parse_once
from fixer.model.facts import Fact, Known
from fixer.model.nginx_config import NginxConfig
from fixer.model.snapshot import ErrorEvent

_NAMELESS = frozenset(("",))
_CATCH_ALL = frozenset(("", "_"))


def logged_names(names: Iterable[str]) -> frozenset[str]:
    """Return the names by which nginx may log a block: without the mark of a pattern, or the dot for subdomains."""
    return frozenset(name.lstrip("~").removeprefix(".").lower() for name in names) or _NAMELESS


def known_names(config: Fact[NginxConfig]) -> frozenset[str]:
    """Return these names of all blocks of a configuration; none if it could not be read."""
    return parse_once(lambda: _all_names(config.value), "logged-names", config.value) if isinstance(config, Known) \
        else frozenset()


def _all_names(config: NginxConfig) -> frozenset[str]:
    return frozenset(name for _, names in config.server_names for name in logged_names(names))


def has_logged(event: ErrorEvent, names: Collection[str], known: Collection[str]) -> bool:
    """Return whether a block of these names wrote the line, or the line does not say. `known` are the names of all
    blocks: no name in a line says something only where a block has none."""
    server = event.server.lower()
    return server in names or not (server or "" in known)


def may_have_logged(event: ErrorEvent, names: Collection[str], known: Collection[str]) -> bool:
    """Return whether it may have written the line. A name that no block has is of files that changed since nginx loaded
    them, or it is masked: a block that serves any name may have had it."""
    return has_logged(event, names, known) or (event.server.lower() not in known and not _CATCH_ALL.isdisjoint(names))
