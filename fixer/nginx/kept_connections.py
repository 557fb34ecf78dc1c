"""Idle connections that nginx keeps to the servers of an upstream block, and the requests that may use them again.

Up to nginx 1.29.6 only `keepalive N` keeps some, and only a location with `proxy_http_version 1.1` and an empty header
`Connection` leaves them open. From 1.29.7 on both are the default. What the files do not say is None.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fixer.model.nginx_config import KeptConnections, Span
from fixer.nginx.address import parse_duration, text_of
from fixer.nginx.effective_config import Node, word_span

_DEFAULT_SECONDS = 60.0


class Reuse(NamedTuple):
    """What the location says about its requests: the HTTP version and the header `Connection`, None for nothing."""

    version: bytes | None = None
    connection: bytes | None = None

    def within(self, block: Iterable[Node]) -> Reuse:
        """Return what holds in an inner block. It inherits headers only if it sets none itself."""
        version, headers = self.version, []
        for node in block:
            if node.name == b"proxy_http_version" and node.args:
                version = node.args[0]
            elif node.name == b"proxy_set_header" and len(node.args) > 1:
                headers.append(node.args)
        if not headers:
            return self if version is self.version else Reuse(version, self.connection)
        named = [args[1] for args in headers if args[0].lower() == b"connection"]
        return Reuse(version, named[-1] if named else None)

    @property
    def allowed(self) -> bool | None:
        """Return whether requests leave the connection open; None if nginx's version decides."""
        if self.version == b"1.0" or self.connection:
            return False        # also a variable: what it holds differs from request to request
        return True if self.version == b"1.1" and self.connection == b"" else None


def kept_connections(node: Node) -> KeptConnections | None:
    """Return what an `upstream` block keeps open; None if it has no `server`."""
    number: int | None = None
    seconds, source = _DEFAULT_SECONDS, None
    servers = [child for child in node.block or () if child.name == b"server"]
    for child in node.block or ():
        if child.name == b"keepalive" and child.args and child.args[0].isdigit() and len(child.args[0]) < 9:
            number, source = int(child.args[0]), _place(child)
        elif child.name == b"keepalive_timeout" and child.args:
            seconds, source = parse_duration(text_of(child.args[0])) or seconds, source or _place(child)
    return KeptConnections(number, seconds, source or _place(servers[-1])) if servers else None


def _place(node: Node) -> Span:
    return word_span(node, 0)
