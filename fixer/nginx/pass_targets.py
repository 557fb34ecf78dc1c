"""Servers that a pass can lead to: literal addresses, upstream blocks, and values of variables."""

from __future__ import annotations

from typing import Literal

from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.nginx_config import UpstreamServer
from fixer.nginx.address import DEFAULT_PORTS, Authority, Url, parse_authority, parse_url, text_of
from fixer.nginx.effective_config import Effective, Node, part_span
from fixer.nginx.upstreams import Upstreams, host_text, port_or, port_span, refuse_path, unix_text
from fixer.nginx.variables import VARIABLE, Variables, variable_name

with lazy_imports():  # not needed in most looks
    from fixer.nginx.expansions import Expansion, expansions

Scheme = Literal["http", "https"]

# Only proxy_pass has a default port per scheme; the others require one (uwsgi_pass, grpc_pass too).
_NEEDS_SCHEME = b"proxy_pass"


@dataclass(frozen=True, slots=True)
class Target:
    """The servers that one pass leads to. `hosts`: the names that a `map` leads to the same servers, by servers."""

    scheme: Scheme
    servers: tuple[UpstreamServer, ...]
    upstream: str
    hosts: tuple[tuple[str, ...], ...] = ()


def _one_group(servers: list[UpstreamServer]) -> str:
    """Return the upstream block of all servers; servers of several blocks do not replace each other."""
    groups = {server.group for server in servers}
    return groups.pop() if len(groups) == 1 else ""


class Targets:
    """Resolver of the arguments of pass directives."""

    def __init__(self, effective: Effective, upstreams: Upstreams) -> None:
        self._effective = effective
        self._upstreams = upstreams
        # (argument, directive) -> what it leads to if nginx takes it, and where its address is
        self._literals: dict[tuple[bytes, bytes], tuple[Target, Authority]] = {}

    def of_pass(self, node: Node, variables: Variables, fallback: Scheme) -> Target:
        """Return the servers of one pass. `fallback` is the scheme of a request, for `$scheme://…`."""
        value = node.args[0]
        if b"$" in value:
            return self._with_variables(node, value, variables, fallback)
        known = self._literals.get((value, node.name))
        return self._of_literal(node, value) if known is None else _written_again(*known, node)

    def _of_literal(self, node: Node, value: bytes) -> Target:
        refused = self._effective.refusals
        url = parse_url(value, node.name)
        if url.scheme is None and node.name == _NEEDS_SCHEME:
            self._effective.refuse(node, "invalid-url", "invalid URL prefix")
            return Target("http", (), "")
        is_host = url.authority.unix is None and node.name != _NEEDS_SCHEME
        if is_host and refuse_path(self._effective, node, value[url.authority.start :]):
            return Target("http", (), "")
        self._check_literal(node, url)
        target = self._literal(node, 1, url.authority, url.scheme or "http")
        if self._effective.refusals == refused:
            self._literals[value, node.name] = target, url.authority
        return target

    def _literal(self, node: Node, index: int, authority: Authority, scheme: Scheme) -> Target:
        block = self._upstreams.find(authority.host) if authority.unix is None else None
        if block is not None:
            return Target(scheme, block.servers, block.name)
        value = node.args[index - 1]
        default = self._default_port(node, scheme)
        server = literal_server(value[authority.start : authority.end], authority, default, node, index)
        return Target(scheme, (server,), "")

    def _check_literal(self, node: Node, url: Url) -> None:
        """Note what nginx refuses about a literal address when it reads the configuration."""
        authority = url.authority
        if authority.unix is not None:
            return
        shown = text_of(node.args[0][authority.start :])
        if not authority.host:
            self._effective.refuse(node, "invalid-url", f'no host in upstream "{shown}"')
        elif authority.port == -1:
            self._effective.refuse(node, "invalid-port", f'invalid port in upstream "{shown}"')
        elif authority.port is not None and self._upstreams.find(authority.host) is not None:
            name = text_of(authority.host)
            message = f'upstream "{name}" may not have port {authority.port}'
            self._effective.refuse(node, "upstream-port", message)
        elif authority.port is None and node.name in _PORTLESS and self._upstreams.find(authority.host) is None:
            self._effective.refuse(node, "invalid-port", f'no port in upstream "{shown}"', late=True)

    def _with_variables(self, node: Node, value: bytes, variables: Variables, fallback: Scheme) -> Target:
        """Return all servers that the values of variables lead to, and one that is unknown if some value is."""
        scheme, start = _scheme_of(node, variables, fallback)
        raw = parse_authority(value, max(start, 0))
        text = value[raw.start : raw.end]
        if start >= 0 and b"$" not in text:
            return self._literal(node, 1, raw, scheme)
        servers: dict[UpstreamServer, None] = {}
        hosts: dict[tuple[UpstreamServer, ...], list[str]] = {}
        unknown: bytes | None = None
        for made in expansions(node, 1, max(start, 0), variables):
            url = Url(scheme, parse_authority(made.text, 0)) if start >= 0 else parse_url(made.text, node.name)
            authority = url.authority
            address = made.text[authority.start : authority.end]
            if b"$" in address:
                unknown = unknown or made.open_name(authority.start, authority.end) or text
            elif url.scheme is not None or node.name != _NEEDS_SCHEME:
                scheme = url.scheme or "http"
                those = self._servers_at(node, made, authority, scheme)
                servers.update(dict.fromkeys(those))
                host = made.host(authority.start, authority.end)
                if host and those:
                    hosts.setdefault(those, []).append(text_of(host))
        if not servers or unknown is not None:
            named = VARIABLE.search(text)
            name = unknown or (variable_name(named) if named is not None else text)
            servers[_unknown(node, raw, name, self._default_port(node, scheme) if start >= 0 else 0)] = None
        return Target(scheme, tuple(servers), _one_group(list(servers)), tuple(map(tuple, hosts.values())))

    def _servers_at(
        self, node: Node, made: Expansion, authority: Authority, scheme: Scheme
    ) -> tuple[UpstreamServer, ...]:
        """Return the servers at an address that variables gave: those of an upstream block, or the one."""
        start, end = authority.start, authority.end
        chooser = made.chosen_by(start, end)
        if authority.unix is None:
            block = self._upstreams.find(authority.host) if authority.port is None else None
            if block is not None:
                return tuple(replace(server, chosen_by=chooser) for server in block.servers)
            if not authority.host:
                return ()      # nginx answers 500: no host in upstream
        span, written = made.place(start, end)
        digits = None
        if authority.unix is None and authority.port is not None and authority.port > 0:
            digits, text = made.place(authority.port_start, end)
            digits = digits if text == made.text[authority.port_start : end] else None
        port = port_or(authority, self._default_port(node, scheme))
        return (UpstreamServer(text_of(written), host_text(authority), port, unix_text(authority), span,
                               port_span=digits, chosen_by=chooser),)

    def _default_port(self, node: Node, scheme: Scheme) -> int:
        """Return the port of an address without one; 0 where nginx requires it."""
        return DEFAULT_PORTS[scheme] if node.name == _NEEDS_SCHEME else 0


def _written_again(target: Target, authority: Authority, node: Node) -> Target:
    """Return where the same argument leads at another place of the files."""
    if target.upstream:
        return target
    (server,) = target.servers
    span = part_span(node, 1, authority.start, authority.end)
    again = UpstreamServer(server.written, server.host, server.port, server.unix, span,
                           port_span=port_span(span, authority))
    return Target(target.scheme, (again,), "")


_PORTLESS = frozenset((b"grpc_pass", b"fastcgi_pass", b"uwsgi_pass", b"scgi_pass"))


def literal_server(written: bytes, authority: Authority, default: int, node: Node, word: int) -> UpstreamServer:
    """Return a server written out in one word of a directive."""
    span = part_span(node, word, authority.start, authority.end)
    return UpstreamServer(
        text_of(written), host_text(authority), port_or(authority, default), unix_text(authority), span,
        port_span=port_span(span, authority),
    )


def _scheme_of(node: Node, variables: Variables, fallback: Scheme) -> tuple[Scheme, int]:
    """Return the scheme and the offset of the authority; -1 if a variable may hold the complete URL."""
    value = node.args[0]
    url = parse_url(value, node.name)
    if url.scheme is not None:
        return url.scheme, url.authority.start - (len(b"unix:") if url.authority.unix is not None else 0)
    first = VARIABLE.match(value)
    if first is None or not value.startswith(b"://", first.end()):
        return fallback, -1
    words = [found.text.lower() for found in variables.candidates(variable_name(first))]
    scheme: Scheme = "https" if words[:1] in ([b"https"], [b"grpcs"]) else "http" if words else fallback
    return scheme, first.end() + len(b"://")


def _unknown(node: Node, authority: Authority, name: bytes, default: int) -> UpstreamServer:
    span = part_span(node, 1, authority.start, authority.end)
    written = text_of(node.args[0][authority.start : authority.end])
    return UpstreamServer(written, "", port_or(authority, default), None, span, variable=text_of(name))
