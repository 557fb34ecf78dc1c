"""The route that serves a URL: the server that nginx chooses, then the location, searched as nginx searches it."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.nginx_config import NginxConfig, Route, StaticLocation
from fixer.nginx.listen import host_header, serving_server
from fixer.nginx.regex_sample import sample_of

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

    As in nginx: an exact location, else the longest prefix if it has `^~`, else the first expression that matches, else
    the longest prefix. A named location takes the prefix of the path that is made for it: files are missing there. An
    expression that nginx answers itself may lie within another location, and is left out."""
    places = [*((route.location, route) for route in routes if not route.internal),
              *((static.location, None) for static in statics)]
    longest, chosen, expressions = "", None, []
    is_found = is_final = False
    for location, route in places:
        kind, pattern = _split(location)
        if kind == "@":
            kind, pattern = "", (route.path or "").rpartition("/")[0] + "/" if route is not None and route.path else ""
        if kind == "=" and pattern == path:
            return route
        if kind in ("~", "~*") and route is not None:
            expressions.append((route, kind, pattern))
        elif kind in ("", "^~") and pattern and path.startswith(pattern) and (
                not is_found or len(pattern) > len(longest)
                or (pattern == longest and chosen is not None and chosen.path is None and route is not None)):
            longest, chosen, is_found, is_final = pattern, route, True, kind == "^~"
    for route, kind, pattern in expressions if not is_final else ():
        sample = sample_of(pattern.encode("utf-8", "surrogateescape"), ignore_case=kind == "~*")
        if sample is not None and sample.matches(path.encode("utf-8", "surrogateescape")):
            return route
    return chosen


def _split(location: str) -> tuple[str, str]:
    """Return modifier and pattern of a location as written."""
    if location.startswith("@"):
        return "@", location
    modifier = next((word for word in ("^~", "~*", "~", "=") if location.startswith(word)), "")
    return modifier, location[len(modifier):].strip()
