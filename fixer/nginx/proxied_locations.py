"""Locations that pass requests upstream, and those that answer by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

from fixer.lazy.dataclass import dataclass, replace
from fixer.model.nginx_config import KeptConnections, Listen, PassKind, Route, ServerBlock, Span, StaticLocation
from fixer.nginx.address import parse_duration, parse_size, text_of
from fixer.nginx.backend_tls import TLS_NAMES, tls_directives
from fixer.nginx.effective_config import Effective, Node, word_span
from fixer.nginx.error_pages import pages_in_force
from fixer.nginx.kept_connections import Reuse
from fixer.nginx.listen import Listens, server_names
from fixer.nginx.pass_settings import FAMILIES, RETRIES, SettingsInForce, retries_in_force
from fixer.nginx.pass_targets import Scheme, Targets
from fixer.nginx.request_path import Location, Locations, gives_error, returned_status
from fixer.nginx.upstreams import Upstreams
from fixer.nginx.variables import MAPS, Value, Variables, read_map

_PASSES = frozenset((b"proxy_pass", b"grpc_pass", b"fastcgi_pass", b"uwsgi_pass", b"scgi_pass"))
_HANDLERS = _PASSES | {b"memcached_pass"}     # of several in one block, nginx uses the last
_TIMEOUTS = frozenset(
    family + b"_" + phase + b"_timeout" for family in FAMILIES for phase in (b"connect", b"send", b"read")
)
_SIZES = frozenset(family + word for family in FAMILIES for word in (b"_buffer_size", b"_busy_buffers_size"))
_BUFFERS = frozenset(family + b"_buffers" for family in FAMILIES)
_ONCE = _PASSES | _TIMEOUTS | _SIZES | _BUFFERS
MOST_LOCATIONS = 120_000  # servers, locations and passes; no real configuration comes near
_ADDITIONS = frozenset({b"add_before_body", b"add_after_body"})
_INNER = frozenset((b"location", b"if", b"limit_except"))
_NO_FILE = frozenset((b"(!-f$request_filename)", b"(!-e$request_filename)"))
# What changes anything that a location inherits, or is noted of it beside its passes and its inner blocks.
CHANGES = (_ONCE - _PASSES) | RETRIES | TLS_NAMES | _ADDITIONS | frozenset((
    b"proxy_set_header", b"proxy_http_version", b"error_page", b"auth_request", b"allow", b"deny", b"satisfy",
    b"mirror", b"ssi", b"try_files", b"set", b"if", b"return"))


@dataclass(frozen=True, slots=True)
class _Server:
    """What all locations of one `server` block share."""

    number: int
    listens: tuple[Listen, ...]
    names: tuple[str, ...]
    scheme: Scheme
    locations: Locations
    returns: bool


class _Level(NamedTuple):
    """What a block inherits: its label, its location, timeouts, variables."""

    label: str
    place: Location | None
    timeouts: dict[bytes, float]
    variables: Variables
    conditional: bool = False
    internal: bool = False
    upgrades: bool = False
    reuse: Reuse = Reuse()
    retries: Mapping[bytes, Node] = {}
    pages: tuple[Node, ...] = ()
    auth: str = ""
    access: tuple[Node, ...] = ()
    any_will_do: bool = False
    assembles: bool = False  # anywhere in the `http` block
    tls: Mapping[bytes, str] = {}
    without_file: bool = False  # in an `if` that holds for each path that names no file


class _Draft(NamedTuple):
    """A pass directive with its context; it becomes a route once all locations are known."""

    node: Node
    server: _Server
    level: _Level


def _names_end(block: list[Node]) -> Span | None:
    """Return the position directly before the `;` of the last server_name."""
    last = next((node for node in reversed(block) if node.name == b"server_name" and node.args), None)
    if last is None:
        return None
    at = last.start + len(last.tree.data[last.start : last.stop].rstrip())
    return Span(last.tree.file, last.tree.line(at), at, at)


def _note_fallback(block: list[Node], server: _Server, place: Location) -> None:
    """Note the named location that handles missing files: `try_files $uri @app`, `error_page 404`.
    A file that is tried for any request (`/maintenance.html`) may answer all."""
    passes = any(node.name in _PASSES for node in block)
    for node in block:
        name = node.args[-1] if node.args else b""
        if not name.startswith(b"@"):
            continue
        tries = node.name == b"try_files"
        if not tries and not (node.name == b"error_page" and b"404" in node.args[:-1] and not passes):
            continue
        first = server.locations.fallbacks.setdefault(name, place) is place
        if first and tries and not all(b"$" in arg for arg in node.args[:-1]):
            server.locations.shadowed.add(name)


def _upgrades(block: list[Node], *, above: bool) -> bool:
    """Return whether a block passes on the header Upgrade; it inherits headers only if it sets none itself."""
    own = [node.args for node in block if node.name == b"proxy_set_header" and node.args]
    return any(args[0].lower() == b"upgrade" and args[-1] not in (b"Upgrade", b"") for args in own) if own else above


def _assembles(block: list[Node]) -> bool:
    """Return whether nginx assembles pages of several answers: `ssi`, `add_before_body`, `add_after_body`."""
    return any(node.args and (node.name in _ADDITIONS or (node.name == b"ssi" and node.args[0] == b"on"))
               for node in block)


def _labels(path: str) -> tuple[str, ...]:
    return tuple(f"{mark}{path}" for mark in ("", "= ", "^~ "))


def _auth(block: list[Node], above: str) -> str:
    """Return the path of `auth_request` in force, empty without one."""
    for node in block:
        if node.name == b"auth_request" and len(node.args) == 1:
            path = text_of(node.args[0])
            return "" if path == "off" else path
    return above


def _access(block: list[Node], above: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return the allow and deny rules in force in a block: inherited only if it has none itself."""
    own = tuple(node for node in block if node.name in (b"allow", b"deny") and node.args)
    return own or above


def _any_will_do(block: list[Node], *, above: bool) -> bool:
    """Return whether `satisfy any` holds: a password then replaces the address rules."""
    own = [node.args[0] for node in block if node.name == b"satisfy" and node.args]
    return own[-1] == b"any" if own else above


def _denies_all(level: _Level) -> bool:
    """Return whether `deny all` precedes every `allow`."""
    for node in () if level.any_will_do else level.access:
        if node.name == b"allow":
            return False
        if node.args[0] == b"all":
            return True
    return False


class Routes:
    """Collector of routes and static locations of the http block, in configuration order."""

    def __init__(self, effective: Effective) -> None:
        self._effective = effective
        self._upstreams = Upstreams(effective)
        self._targets = Targets(effective, self._upstreams)
        self._listens = Listens(effective)
        self._drafts: list[_Draft] = []
        self.statics: list[StaticLocation] = []
        self.server_names: list[tuple[str, ...]] = []
        self.servers: list[ServerBlock] = []
        self._places = 0
        self._places_seen: set[tuple[str, int]] = set()
        self._asked_first: set[tuple[int, str]] = set()
        self._mirrored: set[tuple[int, str]] = set()
        self._assembling: set[int] = set()
        self._settings = SettingsInForce()

    @property
    def cut(self) -> bool:
        """Return whether a limit was reached, and the rest was not read."""
        return self._places > MOST_LOCATIONS

    def read_http(self, block: list[Node]) -> None:
        """Read one `http` block: first what servers refer to, then the servers."""
        maps: dict[bytes, tuple[Value, ...]] = {}
        for node in block:
            if node.name == b"upstream":
                self._upstreams.add(node)
            elif node.name in MAPS:
                made = read_map(node)
                if made is not None:
                    maps[made[0]] = made[1]
        top = _Level("", None, self._timeouts(block, {}), Variables(maps, {}), upgrades=_upgrades(block, above=False),
                     reuse=Reuse().within(block), retries=retries_in_force(block, {}), pages=pages_in_force(block, ()),
                     auth=_auth(block, ""), access=_access(block, ()), any_will_do=_any_will_do(block, above=False),
                     assembles=_assembles(block), tls=tls_directives(block, {}))
        self._listens.learn(node for node in block if node.name == b"server")
        for node in block:
            if node.name == b"server" and node.block is not None:
                self._places += 1
                if self.cut:
                    return
                self._read_server(node, node.block, top)

    def finished(self) -> tuple[Route, ...]:
        """Return the routes, numbered r1, r2 … in configuration order."""
        return tuple(self._route(number, draft) for number, draft in enumerate(self._drafts, 1))

    def _read_server(self, node: Node, block: list[Node], top: _Level) -> None:
        listens = self._listens.of_server(node)
        names = server_names(node)
        scheme: Scheme = "https" if all(listen.tls for listen in listens) else "http"
        returns = any(child.name == b"return" and not gives_error(child.args) for child in block)
        server = _Server(len(self.server_names), listens, names, scheme, Locations(), returns)
        self.server_names.append(names)
        self.servers.append(ServerBlock(listens, names, word_span(node, 0), _names_end(block)))
        variables = top.variables._replace(hosts=self._only_hosts(names, listens)).within(block)
        level = top._replace(
            timeouts=self._timeouts(block, top.timeouts), variables=variables,
            place=server.locations.root, upgrades=_upgrades(block, above=top.upgrades), reuse=top.reuse.within(block),
            retries=retries_in_force(block, top.retries), pages=pages_in_force(block, top.pages),
            auth=_auth(block, top.auth), access=_access(block, top.access),
            any_will_do=_any_will_do(block, above=top.any_will_do), tls=tls_directives(block, top.tls),
        )
        self._note_inside(block, server, level)
        if top.assembles:
            self._assembling.add(server.number)
        self._note_return(block, server, level)
        _note_fallback(block, server, server.locations.root)
        self._read_block(block, server, level, 0)

    def _only_hosts(self, names: tuple[str, ...], listens: tuple[Listen, ...]) -> frozenset[bytes]:
        """Return the names with which alone a request reaches a server; empty if it may be the default anywhere."""
        places = {(listen.address, listen.port) for listen in listens}
        first = not places <= self._places_seen
        self._places_seen |= places
        if first or any(listen.default_server for listen in listens) or not names or any(
                name.startswith(("~", ".", "*")) or name.endswith("*") for name in names):
            return frozenset()
        return frozenset(name.lower().encode("utf-8", "surrogateescape") for name in names)

    def _read_block(self, block: list[Node], server: _Server, level: _Level, depth: int) -> None:
        handler = next((node.name for node in reversed(block) if node.name in _HANDLERS and node.args), b"")
        for node in block:
            passes = node.name == handler and handler in _PASSES and len(node.args) >= 1
            inner = node.name in _INNER and node.block is not None and depth < 50
            self._places += passes or inner
            if self.cut:
                return
            if passes:
                self._drafts.append(_Draft(node, server, level))
            elif inner and node.block is not None:
                self._read_inner(node, node.block, server, level, depth)

    def _read_inner(self, node: Node, block: list[Node], server: _Server, level: _Level, depth: int) -> None:
        names = {child.name for child in block}
        quiet = len(names) == len(block) and names.isdisjoint(CHANGES)
        timeouts = level.timeouts if quiet else self._timeouts(block, level.timeouts)
        if node.name != b"location":
            label = level.label if node.name == b"if" else f"{level.label} limit_except".strip()
            inner = level._replace(
                label=label, timeouts=timeouts, conditional=True, variables=level.variables.within(block),
                pages=pages_in_force(block, level.pages), access=_access(block, level.access),
                without_file=not level.conditional and node.name == b"if" and b"".join(node.args) in _NO_FILE,
            )
            self._note_return(block, server, inner)
            self._read_block(block, server, inner, depth + 1)
            return
        label = " ".join(text_of(arg) for arg in node.args)
        place, duplicate = server.locations.add(level.place or server.locations.root, node.args)
        if duplicate:
            self._effective.refuse(node, "duplicate-location", f'duplicate location "{place.text}"')
        variables = level.variables.in_location(node)
        if quiet:
            inner = _Level(label, place, timeouts, variables, level.conditional, b"internal" in names, level.upgrades,
                           level.reuse, level.retries, level.pages, level.auth, level.access, level.any_will_do,
                           tls=level.tls)
            if _HANDLERS.isdisjoint(names):
                self.statics.append(StaticLocation(server.number, label, None, word_span(node, 0)))
            self._read_block(block, server, inner, depth + 1)
            return
        variables = variables.within(block)
        inner = _Level(
            label, place, timeouts, variables, level.conditional, b"internal" in names,
            _upgrades(block, above=level.upgrades), level.reuse.within(block), retries_in_force(block, level.retries),
            pages_in_force(block, level.pages), _auth(block, level.auth), _access(block, level.access),
            _any_will_do(block, above=level.any_will_do), tls=tls_directives(block, level.tls),
        )
        self._note_inside(block, server, inner)
        _note_fallback(block, server, place)
        if b"return" in names:
            self._note_return(block, server, inner)
        elif _HANDLERS.isdisjoint(names):
            self.statics.append(StaticLocation(server.number, label, None, word_span(node, 0)))
        self._read_block(block, server, inner, depth + 1)

    def _note_return(self, block: list[Node], server: _Server, level: _Level) -> None:
        """Note a `return` directly in this block: it answers before any pass."""
        for child in block:
            if child.name == b"return" and child.args:
                if level.place is not None and not level.conditional:
                    level.place.answers = not gives_error(child.args)       # it is asked for, since visitors get it
                code = returned_status(child.args)
                self.statics.append(
                    StaticLocation(server.number, level.label, code, word_span(child, 0), level.conditional)
                )
                return

    def _note_inside(self, block: list[Node], server: _Server, level: _Level) -> None:
        """Note the usual locations of `auth_request` and `mirror`, and whether pages have several answers."""
        if level.auth:
            self._asked_first.update((server.number, label) for label in _labels(level.auth))
        for node in block:
            if node.name == b"mirror" and node.args:
                self._mirrored.update((server.number, label) for label in _labels(text_of(node.args[0])))
        if _assembles(block):
            self._assembling.add(server.number)

    def _timeouts(self, block: list[Node], above: dict[bytes, float]) -> dict[bytes, float]:
        """Return the timeouts and buffer sizes in force in a block. Note duplicates, which nginx refuses."""
        found = above
        seen: set[bytes] = set()
        for node in block:
            name = node.name
            if name not in _ONCE or not node.args:
                continue
            if name in seen:
                self._effective.refuse(node, "duplicate", f'"{text_of(name)}" directive is duplicate')
                continue
            seen.add(name)
            given = parse_duration(text_of(node.args[0])) if name in _TIMEOUTS else (
                parse_size(text_of(node.args[-1])) if name not in _PASSES else None)
            if given is not None:
                found = {**found, name: given}
            if name in _BUFFERS and len(node.args) == 2 and node.args[0].isdigit() and len(node.args[0]) < 9:
                found = {**found, name + b" number": int(node.args[0])}
        return found

    def _route(self, number: int, draft: _Draft) -> Route:
        node, server, level = draft
        target = self._targets.of_pass(node, level.variables, server.scheme)
        family = node.name[: -len(b"_pass")]
        settings = self._settings.of_pass(family, level.timeouts, level.retries, level.pages, level.tls)
        asked_first = (server.number, level.label) in self._asked_first  # address rules do not apply to these
        return Route(
            id=f"r{number}",
            kind=cast("PassKind", text_of(node.name)),
            scheme=target.scheme,
            listens=server.listens,
            server_names=server.names,
            location=level.label,
            path=self._path(draft),
            source=word_span(node, 0),
            pass_text=text_of(node.args[0]),
            servers=target.servers,
            upstream=target.upstream,
            mapped_hosts=target.hosts,
            connect_timeout=settings.connect_timeout,
            send_timeout=settings.send_timeout,
            read_timeout=settings.read_timeout,
            header_buffer=settings.header_buffer,
            buffers=settings.buffers,
            busy_buffers=settings.busy_buffers,
            server_index=server.number,
            internal=level.internal,
            shadowed=level.place is not None and level.place.pattern in server.locations.shadowed,
            upgrades=level.upgrades,
            http_version=text_of(level.reuse.version or b""),
            connection=None if level.reuse.connection is None else text_of(level.reuse.connection),
            one_try=settings.one_try,
            masked_by=settings.masked_by, failing_page=settings.failing_page,
            auth=level.auth,
            asked_first=asked_first,
            included=level.internal and server.number in self._assembling and (
                (server.number, level.label) not in self._mirrored),
            denies_all=not asked_first and _denies_all(level),
            kept=self._kept(target.upstream, level.reuse) if node.name == b"proxy_pass" else None,
            tls=settings.tls,
        )

    def _kept(self, group: str, reuse: Reuse) -> KeptConnections | None:
        """Return the idle connections that nginx keeps for requests of this location."""
        found = self._upstreams.find(group.encode("utf-8", "surrogateescape")) if group else None
        return replace(found.kept, allowed=reuse.allowed) if found is not None and found.kept is not None else None

    def _path(self, draft: _Draft) -> str | None:
        level, server = draft.level, draft.server
        asked = not level.conditional or level.without_file
        if level.place is None or not asked or level.internal or server.returns or _denies_all(level):
            return None
        return None if level.place.answers else server.locations.path_to(level.place, without_file=level.without_file)
