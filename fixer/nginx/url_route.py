"""The route that serves a URL: the server that nginx chooses, then the location, searched as nginx searches it."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.nginx_config import NginxConfig, Route, StaticLocation
from fixer.nginx.listen import host_header, serving_server
from fixer.nginx.request_path import Location, Locations

_URL = regex(r"^(https?)://(\[[0-9a-fA-F:]+\]|[^/:?#]+)(?::(\d+))?(/[^?#]*)?(\?[^#]*)?")


@dataclass(frozen=True, slots=True)
class UrlParts:
    """The parts of a URL. `host` has no brackets; `query` begins with `?` or is empty."""

    scheme: str
    host: str
    port: int
    path: str
    query: str


def url_parts(url: str) -> UrlParts | None:
    """Return the parts of an http or https URL, None for any other text."""
    match = _URL.match(url)
    if match is None:
        return None
    port = int(match[3]) if match[3] else 443 if match[1] == "https" else 80
    return UrlParts(match[1], match[2].strip("[]"), port, match[4] or "/", match[5] or "")


def route_at_url(config: NginxConfig | None, routes: Sequence[Route], url: str) -> Route | None:
    """Return the route of this nginx that the URL leads to, None if none does."""
    parts = url_parts(url)
    if parts is None:
        return None
    server = serving_server(config, parts.host, parts.port) if config is not None else None
    if config is None or server is None:
        named = [route for route in routes if parts.host in route.server_names or host_header(route) == parts.host]
        routes = [route for route in routes if not named or route.server_index == named[0].server_index]
        return route_at_path(routes, (), parts.path)
    return route_at_path([route for route in routes if route.server_index == server],
                         [static for static in config.statics if static.server_index == server], parts.path)


def route_at_path(routes: Sequence[Route], statics: Sequence[StaticLocation], path: str) -> Route | None:
    """Return the route of one server that serves a path; None if there is none, or nginx answers the path itself.

    A named location takes the prefix of the path that is made for it: files are missing there. An expression that nginx
    answers itself may lie within another location, and is left out, as one that cannot be evaluated is."""
    locations = Locations()
    owners: dict[Location, Route | None] = {}
    for location, route in (*((route.location, route) for route in routes if not route.internal),
                            *((static.location, None) for static in statics if not static.location.startswith("~"))):
        args = [word.encode("utf-8", "surrogateescape") for word in location.split(" ", 1)]
        if location.startswith("@"):
            args = [(route.path or "").rpartition("/")[0].encode() + b"/"] if route is not None and route.path else args
        place, is_double = locations.add(locations.root, args)
        if place.kind in ("~", "~*") and place.sample is None:
            locations.root.regexes.remove(place)
        elif is_double:         # a pass within an `if` has the location of the one beside it
            place = (locations.root.exact if place.kind == "=" else locations.root.prefixes)[place.pattern]
            other = owners.get(place)
            owners[place] = route if other is not None and other.path is None and route is not None else other
        else:
            owners[place] = route
    found = locations.find(path.encode("utf-8", "surrogateescape"))
    return owners.get(found) if found is not None else None
