"""`upstream` blocks: their servers with the spans of their addresses, and what nginx refuses about them."""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass
from fixer.model.nginx_config import KeptConnections, Span, UpstreamServer
from fixer.nginx.address import Authority, parse_authority, parse_duration, text_of
from fixer.nginx.directive_checks import IN_UPSTREAM, swallowed_word
from fixer.nginx.effective_config import Effective, Node, part_span
from fixer.nginx.kept_connections import kept_connections


@dataclass(frozen=True, slots=True)
class Upstream:
    """One `upstream` block."""

    name: str
    servers: tuple[UpstreamServer, ...]
    kept: KeptConnections | None = None


class Upstreams:
    """All upstream blocks by name; nginx compares the names without case."""

    def __init__(self, effective: Effective) -> None:
        self._effective = effective
        self._blocks: dict[bytes, Upstream] = {}

    def add(self, node: Node) -> None:
        """Add one block; refuse a second one of the same name, as nginx does."""
        if len(node.args) != 1:
            return
        key = node.args[0].lower()
        if key in self._blocks:
            message = f'duplicate upstream "{text_of(node.args[0])}"'
            self._effective.refuse(node, "duplicate-upstream", message)
            return
        name = text_of(node.args[0])
        inner = [child for child in node.block or () if child.name == b"server" and child.args]
        made = [self._server(child, name) for child in inner]
        servers = tuple(server for server in made if server is not None)
        if not inner and node.closed and node.tree.problem is None and not _looks_up(node):
            self._effective.refuse(node, "empty-upstream", "no servers are inside upstream", at=node.block_end())
        self._blocks[key] = Upstream(name, servers, kept_connections(node))

    def find(self, host: bytes) -> Upstream | None:
        """Return the block of that name."""
        return self._blocks.get(host.lower())

    def _server(self, node: Node, group: str) -> UpstreamServer | None:
        found = swallowed_word(node, IN_UPSTREAM)
        if found is not None:
            self._effective.refuse(node, "missing-semicolon", f'invalid parameter "{text_of(found[1].value)}"')
        authority = parse_authority(node.args[0], 0)
        if refuse_path(self._effective, node, node.args[0]):
            return None
        if authority.port == -1:
            message = f'invalid port in upstream "{text_of(node.args[0])}"'
            self._effective.refuse(node, "invalid-port", message)
        flags = node.args[1:]
        span = part_span(node, 1, authority.start, authority.end)
        return UpstreamServer(
            written=text_of(node.args[0][authority.start : authority.end]),
            host=host_text(authority), port=port_or(authority, 80), unix=unix_text(authority), span=span,
            down=b"down" in flags, backup=b"backup" in flags, resolves=b"resolve" in flags,
            max_fails=_number(flags, b"max_fails=", 1), max_conns=_number(flags, b"max_conns=", 0),
            port_span=port_span(span, authority), weight=_number(flags, b"weight=", 1),
            fail_timeout=_seconds(flags, b"fail_timeout=", 10.0), group=group,
        )


def refuse_path(effective: Effective, node: Node, address: bytes) -> bool:
    """Note an address with a path, or a scheme that the directive does not know, where nginx takes host and port only;
    return whether it has one."""
    refused = not address.lower().startswith(b"unix:") and (b"/" in address or b"?" in address)
    if refused:
        effective.refuse(node, "invalid-host", f'invalid host in upstream "{text_of(address)}"')
    return refused


def host_text(authority: Authority) -> str:
    """Return the host of an address without brackets; empty for a unix socket."""
    host = authority.host
    return text_of(host[1:-1] if host.startswith(b"[") else host)


def unix_text(authority: Authority) -> str | None:
    """Return the path of a unix socket, else None. `unix:///run/a.sock`, as in uWSGI's guide, is one path."""
    if authority.unix is None:
        return None
    path = text_of(authority.unix)
    return f"/{path.lstrip('/')}" if path.startswith("//") else path


def port_or(authority: Authority, default: int) -> int:
    """Return the port, the default if missing, 0 for a unix socket or an invalid port."""
    if authority.unix is not None:
        return 0
    return default if authority.port is None else max(authority.port, 0)


def port_span(whole: Span, authority: Authority) -> Span | None:
    """Return the span of the port's digits, None without them. `whole` is the span of the authority."""
    if authority.unix is not None or authority.port is None or authority.port < 0:
        return None
    digits = authority.end - authority.port_start
    if whole.end - whole.start != authority.end - authority.start:
        return None
    return Span(whole.file, whole.line, whole.end - digits, whole.end)


def _looks_up(node: Node) -> bool:
    """Return whether something other than `server` may fill the block (a module, a state file)."""
    return any(child.name not in (b"keepalive", b"zone", b"least_conn", b"ip_hash") for child in node.block or ())


def _number(flags: list[bytes], name: bytes, default: int) -> int:
    for flag in flags:
        if flag.startswith(name) and flag[len(name) :].isdigit() and len(flag) < len(name) + 10:
            return int(flag[len(name) :])
    return default


def _seconds(flags: list[bytes], name: bytes, default: float) -> float:
    for flag in flags:
        if flag.startswith(name):
            return parse_duration(text_of(flag[len(name) :])) or default
    return default
