"""Servers that a pass can lead to: literal addresses, upstream blocks, and values of variables."""

from __future__ import annotations

from itertools import islice, product
from typing import Literal

from fixer.lazy.dataclass import dataclass, replace
from fixer.model.nginx_config import Chooser, Span, UpstreamServer
from fixer.nginx.address import DEFAULT_PORTS, Authority, Url, parse_authority, parse_url, text_of
from fixer.nginx.effective_config import Effective, Node, part_span
from fixer.nginx.upstreams import Upstreams, host_text, port_or, port_span, unix_text
from fixer.nginx.variables import CHOOSERS, VARIABLE, Value, Variables, variable_name

Scheme = Literal["http", "https"]

_MOST_COMBINATIONS = 16

# Only proxy_pass has a default port per scheme; the others require one (uwsgi_pass, grpc_pass too).
_NEEDS_SCHEME = b"proxy_pass"


@dataclass(frozen=True, slots=True)
class Target:
    """The servers that one pass leads to."""

    scheme: Scheme
    servers: tuple[UpstreamServer, ...]
    upstream: str


def _one_group(servers: list[UpstreamServer]) -> str:
    """Return the upstream block of all servers; servers of several blocks do not replace each other."""
    groups = {server.group for server in servers}
    return groups.pop() if len(groups) == 1 else ""


class Targets:
    """Resolver of the arguments of pass directives."""

    def __init__(self, effective: Effective, upstreams: Upstreams) -> None:
        self._effective = effective
        self._upstreams = upstreams

    def of_pass(self, node: Node, variables: Variables, fallback: Scheme) -> Target:
        """Return the servers of one pass. `fallback` is the scheme of a request, for `$scheme://…`."""
        value = node.args[0]
        if b"$" in value:
            return self._with_variables(node, value, variables, fallback)
        url = parse_url(value)
        if url.scheme is None and node.name == _NEEDS_SCHEME:
            self._effective.refuse(node, "invalid-url", "invalid URL prefix")
            return Target("http", (), "")
        self._check_literal(node, url)
        return self._literal(node, 1, url.authority, url.scheme or "http")

    def _literal(self, node: Node, index: int, authority: Authority, scheme: Scheme) -> Target:
        block = self._upstreams.find(authority.host) if authority.unix is None else None
        if block is not None:
            return Target(scheme, block.servers, block.name)
        value = node.args[index - 1]
        default = DEFAULT_PORTS[scheme] if node.name not in _PORTLESS else 0
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
            self._effective.refuse(node, "invalid-port", f'no port in upstream "{shown}"')

    def _with_variables(self, node: Node, value: bytes, variables: Variables, fallback: Scheme) -> Target:
        scheme, start = _scheme_of(value, variables, fallback)
        if start < 0:
            return self._whole(node, value, variables, fallback)
        authority = parse_authority(value, start)
        text = value[authority.start : authority.end]
        if authority.unix is not None or b"$" not in text:
            return self._literal(node, 1, authority, scheme)
        only = VARIABLE.fullmatch(text)
        if only is not None:
            return self._from_values(node, authority, variable_name(only), variables, scheme)
        return self._mixed(node, authority, text, variables, scheme)

    def _whole(self, node: Node, value: bytes, variables: Variables, fallback: Scheme) -> Target:
        """Resolve a pass that starts with a variable that holds the URL (`proxy_pass $target;`)."""
        first = VARIABLE.match(value)
        name = variable_name(first) if first is not None else b""
        servers: list[UpstreamServer] = []
        scheme = fallback
        for found in variables.values(name):
            url = parse_url(found.text)
            if url.scheme is None and node.name == _NEEDS_SCHEME:
                continue
            scheme = url.scheme or "http"
            target = self._value_target(node, found, url.authority, scheme)
            servers.extend(target.servers)
        if not servers or not variables.is_complete(name):
            servers.append(_unknown(node, parse_authority(value, 0), name or value, 0))
        return Target(scheme, tuple(servers), _one_group(servers))

    def _from_values(
        self, node: Node, authority: Authority, name: bytes, variables: Variables, scheme: Scheme
    ) -> Target:
        """Resolve `http://$backend`: the variable's value is the address, or names an upstream block."""
        servers: list[UpstreamServer] = []
        for found in variables.values(name):
            target = self._value_target(node, found, parse_authority(found.text, 0), scheme)
            servers.extend(target.servers)
        if not servers:
            block = self._upstreams.find(authority.host)
            if block is not None:
                return Target(scheme, block.servers, block.name)
            servers.append(_unknown(node, authority, name, DEFAULT_PORTS[scheme]))
        elif not variables.is_complete(name):
            servers.append(_unknown(node, authority, name, DEFAULT_PORTS[scheme]))
        return Target(scheme, tuple(servers), _one_group(servers))

    def _value_target(self, node: Node, found: Value, authority: Authority, scheme: Scheme) -> Target:
        block = self._upstreams.find(authority.host) if authority.unix is None else None
        chooser = self._chooser_of((found,))
        if block is not None:
            servers = tuple(replace(server, chosen_by=chooser) for server in block.servers)
            return Target(scheme, servers, block.name)
        default = DEFAULT_PORTS[scheme] if node.name not in _PORTLESS else 0
        server = literal_server(found.text[authority.start : authority.end], authority, default, found.node, found.word)
        return Target(scheme, (replace(server, chosen_by=chooser),), "")

    def _chooser_of(self, values: tuple[Value, ...]) -> Chooser:
        """Return what makes a request lead to the address of these values."""
        return max((value.chosen_by for value in values), key=CHOOSERS.index)

    def _mixed(
        self, node: Node, authority: Authority, text: bytes, variables: Variables, scheme: Scheme
    ) -> Target:
        """Resolve `http://$backend:8000`: host and port have different origins; the span is that of the pass."""
        names = [variable_name(match) for match in VARIABLE.finditer(text)]
        choices = [variables.values(name) for name in names]
        default = DEFAULT_PORTS[scheme] if node.name not in _PORTLESS else 0
        if not names or not all(choices) or not all(map(variables.is_complete, names)):
            unknown = next((name for name, values in zip(names, choices, strict=True) if not values), text)
            return Target(scheme, (_unknown(node, authority, unknown, default),), "")
        span = part_span(node, 1, authority.start, authority.end)
        servers: list[UpstreamServer] = []
        for combination in islice(product(*choices), _MOST_COMBINATIONS):
            replaced = iter(combination)
            made = parse_authority(VARIABLE.sub(lambda _, it=replaced: next(it).text, text), 0)  # type: ignore[misc]
            block = self._upstreams.find(made.host) if made.unix is None and made.port is None else None
            chooser = self._chooser_of(combination)
            if block is not None:  # the name of an upstream, assembled
                servers.extend(replace(server, chosen_by=chooser) for server in block.servers)
                continue
            servers.append(
                UpstreamServer(
                    text_of(text), host_text(made), port_or(made, default), unix_text(made), span,
                    port_span=_find_port_span(node, authority, text, combination), chosen_by=chooser,
                )
            )
        return Target(scheme, tuple(servers), _one_group(servers))


_PORTLESS = frozenset((b"grpc_pass", b"fastcgi_pass", b"uwsgi_pass", b"scgi_pass"))


def literal_server(written: bytes, authority: Authority, default: int, node: Node, word: int) -> UpstreamServer:
    """Return a server written out in one word of a directive."""
    span = part_span(node, word, authority.start, authority.end)
    return UpstreamServer(
        text_of(written), host_text(authority), port_or(authority, default), unix_text(authority), span,
        port_span=port_span(span, authority),
    )


def _scheme_of(value: bytes, variables: Variables, fallback: Scheme) -> tuple[Scheme, int]:
    """Return the scheme and the offset of the authority; -1 if a variable holds the complete URL."""
    url = parse_url(value)
    if url.scheme is not None:
        return url.scheme, url.authority.start
    first = VARIABLE.match(value)
    if first is None or not value.startswith(b"://", first.end()):
        return fallback, -1
    words = [found.text.lower() for found in variables.values(variable_name(first))]
    scheme: Scheme = "https" if words[:1] in ([b"https"], [b"grpcs"]) else "http" if words else fallback
    return scheme, first.end() + len(b"://")


def _find_port_span(node: Node, authority: Authority, text: bytes, values: tuple[Value, ...]) -> Span | None:
    if authority.port is not None and authority.port > 0:
        return port_span(part_span(node, 1, authority.start, authority.end), authority)
    last = values[-1]
    if last.text.isdigit() and text.rpartition(b":")[2].startswith(b"$"):
        return part_span(last.node, last.word, 0, len(last.text))
    return None


def _unknown(node: Node, authority: Authority, name: bytes, default: int) -> UpstreamServer:
    span = part_span(node, 1, authority.start, authority.end)
    written = text_of(node.args[0][authority.start : authority.end])
    return UpstreamServer(written, "", port_or(authority, default), None, span, variable=text_of(name))
