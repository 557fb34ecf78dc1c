"""The routes that a line of nginx's error log can belong to, by the rules by which nginx chooses a location, and their
endpoints.

Visitors send the path and the name: they only weigh evidence, and never choose what a repair does."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.hidden_failures import SUBREQUEST_PATH, is_about_endpoint, is_about_port
from fixer.analysis.route_verdict import RouteVerdict
from fixer.lazy.dataclass import dataclass, field
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Known
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx
from fixer.nginx.error_kinds import is_about_upstream

with lazy_imports():  # not needed in most looks
    from fixer.nginx.logged_server import has_logged, known_names, logged_names

_MAX_PATH_CHARS = 500       # characters of a path that are compared with locations


@dataclass(frozen=True, slots=True)
class _Server:
    """The locations of one `server` block: exact paths, prefixes, and those that a path alone does not choose.
    A location that passes nothing on holds its path with no route."""

    names: frozenset[str]
    exact: dict[str, list[RouteVerdict]] = field(default_factory=dict)
    prefixes: dict[str, list[RouteVerdict]] = field(default_factory=dict)
    others: list[RouteVerdict] = field(default_factory=list)

    def add(self, label: str, routes: list[RouteVerdict]) -> None:
        """Add the routes of a location, written as in its directive."""
        kind, _, path = label.rpartition(" ")
        if not path.startswith("/") or kind.startswith("~"):
            self.others.extend(routes)
            return
        known = self.exact if kind == "=" else self.prefixes
        known.setdefault(path, []).extend(routes)

    def at(self, path: str) -> list[RouteVerdict]:
        """Return the routes of the locations that nginx may choose for a path."""
        if path in self.exact:
            return self.exact[path]
        best = next((self.prefixes[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.prefixes), [])
        return [*best, *(judged for judged in self.others if judged.facts.route.location.startswith("~"))]


class LineRoutes:
    """An index of one nginx's routes, since thousands of routes meet thousands of lines."""

    def __init__(self, case: Case, nginx: Nginx) -> None:
        self._endpoints = case.endpoints
        self._names = known_names(nginx.config)
        self._led: dict[tuple[int, str], list[RouteVerdict]] = {}
        self._servers: dict[int, _Server] = {}
        self._known: dict[tuple[str, str, str], tuple[RouteVerdict, ...]] = {}
        self._routes: dict[int, list[RouteVerdict]] = {}
        for judged in case.verdicts.values():
            route = judged.facts.route
            if nginx.serves(judged.facts) and route.location != "stream":
                block = self._servers.setdefault(
                    route.server_index, _Server(logged_names(route.server_names)))
                block.add(route.location.removesuffix(" limit_except"), [judged])
                self._routes.setdefault(route.server_index, []).append(judged)
        for static in nginx.config.value.statics if isinstance(nginx.config, Known) else ():
            if static.server_index in self._servers and not static.conditional:
                self._servers[static.server_index].add(static.location, [])

    def of(self, event: ErrorEvent) -> tuple[RouteVerdict, ...]:
        """Return the routes that the line can belong to; empty if it concerns none."""
        inner = SUBREQUEST_PATH.search(event.raw)
        path = (inner[1] if inner is not None else "".join(event.request.split(" ")[1:2])).partition("?")[0]
        key = event.server.lower(), path[:_MAX_PATH_CHARS], event.upstream.partition("?")[0]
        if key not in self._known:
            found = [judged for number, block in self._servers.items() if has_logged(event, block.names, self._names)
                     for judged in self._of_server(number, block, key[1], event)]
            self._known[key] = tuple({judged.facts.route.id: judged for judged in found}.values())
        return self._known[key]

    def _of_server(self, number: int, block: _Server, path: str, event: ErrorEvent) -> Sequence[RouteVerdict]:
        """Return the routes of one server. A rewrite, a named location or an error page can lead elsewhere than the
        path says: the address that nginx logged then tells."""
        chosen = block.at(path) if path else self._routes[number]
        if event.upstream:
            led = self._leading_to(number, authority_of(event.upstream))
            ids = {judged.facts.route.id for judged in led}
            return [judged for judged in chosen if judged.facts.route.id in ids] or led or chosen
        if chosen or not is_about_upstream(event):
            return chosen
        return block.others or self._routes[number]

    def _leading_to(self, number: int, authority: str) -> list[RouteVerdict]:
        """Return the routes of a server with an endpoint at that address."""
        if (number, authority) not in self._led:
            self._led[number, authority] = [judged for judged in self._routes[number] if any(
                is_about_endpoint(authority, self._endpoints[name]) for name in judged.facts.endpoints
                if name in self._endpoints)]
        return self._led[number, authority]


def authority_of(upstream: str) -> str:
    """Return the scheme and the address of an upstream in a line, without the path of the request."""
    scheme, _, rest = upstream.partition("://")
    place = f"{rest.rpartition(':')[0]}:" if rest.startswith("unix:") else rest.partition("/")[0]
    return f"{scheme}://{place}"


def named_endpoints(case: Case, routes: tuple[RouteVerdict, ...], event: ErrorEvent) -> list[Endpoint]:
    """Return the endpoints whose address the line names."""
    live = _live_endpoints(case, routes)
    return [end for end in live if event.upstream and (is_about_endpoint(event.upstream, end)
                                                       or is_about_port(event, end))]


def _live_endpoints(case: Case, routes: tuple[RouteVerdict, ...]) -> list[Endpoint]:
    ends = {name: case.endpoints[name] for judged in routes for name in judged.facts.endpoints}
    return [end for end in ends.values() if not end.down]


def endpoints_of(case: Case, routes: tuple[RouteVerdict, ...], event: ErrorEvent) -> list[Endpoint]:
    """Return the endpoints that the line can be about: the one that it names, else all of its routes."""
    live = _live_endpoints(case, routes)
    if event.kind == "name-not-resolved":
        name = event.message.partition(" ")[0]
        live = [end for end in live if end.host == name] or live
    named = [end for end in live if event.upstream and is_about_endpoint(event.upstream, end)]
    return named or [end for end in live if is_about_port(event, end)] or live


def guards_of(case: Case, nginx: Nginx, routes: tuple[RouteVerdict, ...]) -> tuple[RouteVerdict, ...]:
    """Return the routes that nginx asks first (`auth_request`) in the servers of these: what failed is one of them."""
    servers = {judged.facts.route.server_index for judged in routes}
    return tuple(judged for judged in case.verdicts.values() if judged.facts.route.asked_first
                 and judged.facts.route.server_index in servers and nginx.serves(judged.facts))
