"""`stream` blocks of the same nginx that forward traffic unchanged, as additional routes to their backends."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.lazy.dataclass import dataclass, replace
from fixer.model.nginx_config import Listen, Route, UpstreamServer
from fixer.nginx.address import parse_authority, text_of
from fixer.nginx.effective_config import Effective, Node, word_span
from fixer.nginx.listen import parse_listen
from fixer.nginx.pass_targets import literal_server
from fixer.nginx.upstreams import Upstreams

# A server with only these directives forwards unchanged: no TLS, no PROXY protocol, no choice by name.
_PLAIN = frozenset((
    b"listen", b"proxy_pass", b"proxy_timeout", b"proxy_connect_timeout", b"proxy_buffer_size", b"proxy_next_upstream",
    b"proxy_next_upstream_tries", b"proxy_next_upstream_timeout", b"proxy_socket_keepalive", b"tcp_nodelay",
    b"access_log", b"error_log", b"log_format", b"upstream", b"server",
))
_PLAIN_FLAGS = (b"reuseport", b"bind", b"backlog=", b"so_keepalive=", b"ipv6only=", b"fastopen=")
_LOOPBACK = {"127.0.0.1": ("127.0.0.1", "0.0.0.0"), "::1": ("::1", "::"),  # noqa: S104 parsed, not bound
             "localhost": ("127.0.0.1", "::1", "0.0.0.0", "::")}  # noqa: S104


_DOORS = (80, 443)


@dataclass(frozen=True, slots=True)
class _Server:
    """One plain server of a `stream` block."""

    node: Node
    listens: tuple[Listen, ...]
    servers: tuple[UpstreamServer, ...]
    group: str


class Streams:
    """The plain servers of the `stream` blocks."""

    def __init__(self, effective: Effective) -> None:
        self._upstreams = Upstreams(effective)
        self._servers: list[_Server] = []

    def read(self, block: list[Node]) -> None:
        """Read one `stream` block."""
        if not _is_plain(block):
            return
        for node in block:
            if node.name == b"upstream":
                self._upstreams.add(node)
        for node in block:
            if node.name == b"server" and node.block is not None and _is_plain(node.block):
                self._add(node.block)

    def _add(self, block: list[Node]) -> None:
        listens = [node for node in block if node.name == b"listen" and node.args]
        passes = [node for node in block if node.name == b"proxy_pass" and len(node.args) == 1]
        if len(passes) != 1 or b"$" in passes[0].args[0] or not all(
                flag.startswith(_PLAIN_FLAGS) for node in listens for flag in node.args[1:]):
            return
        node = passes[0]
        authority = parse_authority(node.args[0], 0)
        group = self._upstreams.find(authority.host) if authority.unix is None and authority.port is None else None
        servers = group.servers if group is not None else (
            literal_server(node.args[0][authority.start:authority.end], authority, 0, node, 1),)
        if all(server.unix or server.port for server in servers):
            heard = tuple(listen for one in listens for listen in parse_listen(one))
            self._servers.append(_Server(node, heard, servers, group.name if group is not None else ""))

    def target_routes(self, routes: Iterable[Route]) -> list[Route]:
        """Return a route for each of these servers that another route leads to, numbered after those,
        and for each on port 80 or 443, through which visitors of pages come."""
        fronts = list(routes)
        found: list[Route] = []
        for server in self._servers:
            ours = [r for r in fronts if r.kind == "proxy_pass" and any(
                _leads(there, listen) for there in r.servers for listen in server.listens)]
            door = not ours and any(listen.port in _DOORS for listen in server.listens)
            if ours or (door and fronts):
                found.append(replace(
                    (ours or fronts)[0], id=f"r{len(fronts) + len(found) + 1}", listens=server.listens, server_names=(),
                    location="stream", path=None, source=word_span(server.node, 0),
                    pass_text=text_of(server.node.args[0]), servers=server.servers, upstream=server.group,
                    internal=True, shadowed=False, one_try="", masked_by="", failing_page="", auth="",
                    asked_first=False, included=False, reached_from=tuple(r.id for r in ours),
                ))
        return found


def _is_plain(block: list[Node]) -> bool:
    return all(node.name in _PLAIN for node in block)


def _leads(server: UpstreamServer, listen: Listen) -> bool:
    if server.unix is not None:
        return listen.address == f"unix:{server.unix}"
    host = server.host.lower()
    return server.port == listen.port != 0 and listen.address in _LOOPBACK.get(host, (host,))
