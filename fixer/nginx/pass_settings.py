"""What a pass of a location inherits: times, buffers, retries, error pages and TLS towards the backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fixer.model.nginx_config import BackendTls
from fixer.nginx.address import text_of
from fixer.nginx.backend_tls import TlsDirectives, backend_tls
from fixer.nginx.effective_config import Node
from fixer.nginx.error_pages import local_page_of, mask_of

FAMILIES = (b"proxy", b"grpc", b"fastcgi", b"uwsgi", b"scgi")
RETRIES = frozenset(family + word for family in FAMILIES for word in (b"_next_upstream", b"_next_upstream_tries"))


class PassSettings(NamedTuple):
    """The settings, under the names that a route has for them."""

    connect_timeout: float
    send_timeout: float
    read_timeout: float
    header_buffer: int
    buffers: tuple[int, int]
    busy_buffers: int
    one_try: str
    masked_by: str
    failing_page: str
    tls: BackendTls


class SettingsInForce:
    """The settings of levels: worked out once for those that inherit the same objects, as thousands of locations do."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, int, int, int, int], tuple[tuple[object, ...], PassSettings]] = {}

    def of_pass(self, family: bytes, times: Mapping[bytes, float], retries: Mapping[bytes, Node],
                pages: tuple[Node, ...], tls: TlsDirectives) -> PassSettings:
        """Return the settings of a pass of that family (`proxy`, `uwsgi`)."""
        key = (family, id(times), id(retries), id(pages), id(tls))
        found = self._known.get(key)
        if found is None:
            made = PassSettings(
                times.get(family + b"_connect_timeout", 60.0), times.get(family + b"_send_timeout", 60.0),
                times.get(family + b"_read_timeout", 60.0), int(times.get(family + b"_buffer_size", 0)),
                (int(times.get(family + b"_buffers number", 8)), int(times.get(family + b"_buffers", 4096))),
                int(times.get(family + b"_busy_buffers_size", 0)), _one_try(retries, family),
                mask_of(pages), local_page_of(pages), backend_tls(tls, family))
            found = self._known[key] = (times, retries, pages, tls), made      # they stay, so their ids do
        return found[1]


def retries_in_force(block: Iterable[Node], above: Mapping[bytes, Node]) -> Mapping[bytes, Node]:
    """Return the directives in force that say when nginx tries the next server."""
    own = {node.name: node for node in block if node.name in RETRIES and node.args}
    return {**above, **own} if own else above


def _one_try(retries: Mapping[bytes, Node], family: bytes) -> str:
    """Return what prevents a retry on another server after a failed connect, as written; empty for nothing."""
    when, tries = retries.get(family + b"_next_upstream"), retries.get(family + b"_next_upstream_tries")
    for node, stops in ((when, when and b"error" not in when.args), (tries, tries and tries.args[0] == b"1")):
        if node is not None and stops:
            words = " ".join(text_of(word) for word in (node.name, *node.args))
            return f"{words}, {node.tree.file}:{node.tree.line(node.start)}"
    return ""
