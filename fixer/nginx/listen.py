"""Listen addresses and names of servers: `listen` and `server_name`, and what nginx refuses about them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.nginx_config import Listen, NginxConfig, Route, Span
from fixer.nginx.address import parse_port, text_of
from fixer.nginx.directive_checks import IN_SERVER, swallowed_word
from fixer.nginx.effective_config import Effective, Node, word_span

_RANGE = regex(rb"(.*:)?(\d+)-(\d+)")
_MOST_PORTS = 64

# Socket options, which only one `listen` of an address may set.
_SOCKET_OPTIONS = (
    b"setfib=", b"fastopen=", b"backlog=", b"rcvbuf=", b"sndbuf=", b"accept_filter=", b"ipv6only=", b"so_keepalive=",
)
_SOCKET_FLAGS = frozenset((b"deferred", b"bind", b"reuseport"))


class Listens:
    """Collector of all servers' listens; refuses a duplicate address as nginx does."""

    def __init__(self, effective: Effective) -> None:
        self._effective = effective
        self._defaults: set[tuple[str, int, bool]] = set()
        self._options: set[tuple[str, int, bool]] = set()
        self._tls: set[tuple[str, int]] = set()
        self._proxied: set[tuple[str, int]] = set()

    def learn(self, servers: Iterable[Node]) -> None:
        """Record TLS and PROXY protocol of one `listen`: they hold for every server on that address (nginx warns)."""
        for node in (node for server in servers for node in server.block or () if node.name == b"listen"):
            if b"quic" in node.args or not (b"ssl" in node.args or b"proxy_protocol" in node.args):
                continue
            for listen in parse_listen(node):
                if listen.tls:
                    self._tls.add((listen.address, listen.port))
                if listen.proxy_protocol:
                    self._proxied.add((listen.address, listen.port))

    def of_server(self, server: Node) -> tuple[Listen, ...]:
        """Return the listens of one server; port 80 of every address if it has none."""
        listens: list[Listen] = []
        seen: set[tuple[str, int, bool]] = set()
        tls = any(node.name == b"ssl" and node.args == [b"on"] for node in server.block or ())
        for node in server.block or ():
            if node.name != b"listen" or not node.args:
                continue
            self._check_parameters(node)
            for listen in parse_listen(node, tls=tls):
                self._check_duplicate(node, listen, seen)
                listens.append(listen if b"quic" in node.args else self._as_shared(listen))
        if listens:
            return tuple(listens)
        own = Listen("0.0.0.0", 80, False, False, False, word_span(server, 0))  # noqa: S104 nginx's own default
        return (self._as_shared(own),)

    def _as_shared(self, listen: Listen) -> Listen:
        key = (listen.address, listen.port)
        tls, proxied = key in self._tls, key in self._proxied
        if (tls and not listen.tls) or (proxied and not listen.proxy_protocol):
            return replace(listen, tls=tls or listen.tls, proxy_protocol=proxied or listen.proxy_protocol)
        return listen

    def _check_parameters(self, node: Node) -> None:
        found = swallowed_word(node, IN_SERVER)
        if found is not None:
            self._effective.refuse(node, "missing-semicolon", f'invalid parameter "{text_of(found[1].value)}"')

    def _check_duplicate(self, node: Node, listen: Listen, seen: set[tuple[str, int, bool]]) -> None:
        key = (listen.address, listen.port, b"quic" in node.args)
        if key in seen:
            self._effective.refuse(node, "duplicate-listen", f"a duplicate listen {listen}")
        seen.add(key)
        if listen.default_server:
            if key in self._defaults:
                self._effective.refuse(node, "duplicate-default-server", f"a duplicate default server for {listen}")
            self._defaults.add(key)
        if any(arg in _SOCKET_FLAGS or arg.startswith(_SOCKET_OPTIONS) for arg in node.args[1:]):
            if key in self._options:
                self._effective.refuse(node, "duplicate-listen", f"duplicate listen options for {listen}")
            self._options.add(key)


def parse_listen(node: Node, *, tls: bool = False) -> tuple[Listen, ...]:
    """Return the addresses of one `listen`; a range of ports gives several."""
    value, flags = node.args[0], node.args[1:]
    span = word_span(node, 1)
    tls = tls or b"ssl" in flags or b"quic" in flags
    default = b"default_server" in flags or b"default" in flags
    proxy = b"proxy_protocol" in flags

    def made(address: str, port: int, where: Span) -> Listen:
        return Listen(address, port, tls, default, proxy, where)

    if value[:5].lower() == b"unix:":
        return (made("unix:" + text_of(value[5:]), 0, span),)
    ports = _RANGE.fullmatch(value)
    if ports is not None:
        first, last = int(ports[2][:6]), int(ports[3][:6])
        address = _address((ports[1] or b"*:")[:-1])
        return tuple(made(address, port, span) for port in range(first, min(last, first + _MOST_PORTS - 1) + 1))
    if value.isdigit():
        return (made(_address(b"*"), max(parse_port(value), 0), span),)
    host, colon, port_text = value.rpartition(b":")
    if colon and not port_text.endswith(b"]"):
        return (made(_address(host), max(parse_port(port_text), 0), span),)
    return (made(_address(value), 80, span),)


def server_names(server: Node) -> tuple[str, ...]:
    """Return all names of a server, as written."""
    names: list[str] = []
    for node in server.block or ():
        if node.name == b"server_name":
            names.extend(text_of(arg) for arg in node.args)
    return tuple(names)


def _address(text: bytes) -> str:
    if text in (b"*", b""):
        return "0.0.0.0"  # noqa: S104 what nginx binds
    return text_of(text[1:-1] if text.startswith(b"[") and text.endswith(b"]") else text).lower()


def is_plain_name(name: str) -> bool:
    """Return whether a name of `server_name` is one host's, or that of a domain with its hosts (`.shop.test`)."""
    return bool(name) and name != "_" and not name.startswith("~") and "*" not in name


def host_header(route: Route) -> str:
    """Return a name that the route's server answers to: its first plain name, else one that matches, else localhost."""
    for name in route.server_names:
        if is_plain_name(name):
            return name.lstrip(".")
    return next((made for name in route.server_names if (made := _matching_host(name))), "localhost")


_PATTERN_GROUP = regex(r"\((?:\?(?:P?<\w+>|:))?([^()|]*)(?:\|[^()]*)?\)\??")
_PATTERN_CLASS = regex(r"\[([^\]]{1,200})\](?:[+*]|\{\d+(?:,\d*)?\})?|(?<!\\)\.[+*]\??|\\[wd][+*]?")
_HOST_NAME = regex(r"^(?=.{1,80}$)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$")
_MAX_GROUP_DEPTH = 4      # nested groups


def _matching_host(name: str) -> str:
    """Return a host that matches a wildcard or a simple pattern (`*.shop.test`, `~^(?<who>.+)[.]test$`), else empty.
    Another server would answer a request with another name."""
    if not name.startswith("~"):
        made = name.replace("*", "a", 1) if "*" in name else ""
    else:
        made = name[1:].removeprefix("^").removesuffix("$")
        for _ in range(_MAX_GROUP_DEPTH):
            made = _PATTERN_GROUP.sub(lambda m: m[1], made)
        made = _PATTERN_CLASS.sub(lambda m: "0" if m[0].startswith("\\d") or (m[1] and not m[1][0].isalpha()) else "a",
                                  made)
        made = made.replace("\\.", ".").replace("\\-", "-").lower()
        made = f"a{made}" if made.startswith(".") and not name.startswith("~^") else made
    return made if _HOST_NAME.match(made) else ""


def serving_server(config: NginxConfig, host: str, port: int) -> int | None:
    """Return the index of the server block that nginx chooses for a request, of those on the port; of all if none is:
    a container publishes it, or something in front takes it. None without a server.

    As in nginx: an exact name, else the longest name with `*` in front, else with `*` behind, else the first expression
    that matches, else the default server (https://nginx.org/en/docs/http/server_names.html)."""
    at_port = [index for index, server in enumerate(config.servers) if any(x.port == port for x in server.listens)]
    at_port = at_port or list(range(len(config.servers)))
    ranks = {index: _name_rank(host.lower(), config.servers[index].names) for index in at_port}
    found = max(at_port, default=None, key=lambda index: (ranks[index], -index))
    if found is None or ranks[found] > _NO_NAME:
        return found
    defaults = config.default_servers()
    return next((index for index in at_port if index in defaults), found)


_NO_NAME = (0, 0)


def _name_rank(host: str, names: Collection[str]) -> tuple[int, int]:
    """Return how well the names fit the host: the kind of the best one and its length, `_NO_NAME` if none does."""
    rank = _NO_NAME
    for name in map(str.lower, names):
        bare = name.removeprefix("*").removeprefix(".")
        if name == host or (name.startswith(".") and bare == host):
            return 4, 0
        if name.startswith(("*.", ".")) and host.endswith(f".{bare}"):
            rank = max(rank, (3, len(bare)))
        elif name.endswith(".*") and host.startswith(name[:-1]):
            rank = max(rank, (2, len(name)))
        elif name.startswith("~") and _is_matched(name[1:], host):
            rank = max(rank, (1, 0))
    return rank


def _is_matched(pattern: str, host: str) -> bool:
    """Return whether an expression finds the host; one that only PCRE knows finds none."""
    try:
        return re.search(pattern.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!"), host,
                         re.IGNORECASE) is not None
    except re.error:
        return False


def is_listed_name(host: str, names: Collection[str]) -> bool:
    """Return whether a name matches exactly, by a wildcard, or maybe by an expression (not evaluated)."""
    if host in names or any(name.startswith("~") for name in names):
        return True
    for name in names:
        if name.startswith("*.") and host.endswith(name[1:]):
            return True
        if name.startswith(".") and (host == name[1:] or host.endswith(name)):
            return True
        if name.endswith(".*") and host.startswith(name[:-1]):
            return True
    return False
