"""Requests for pages beyond each route's own: the user's `--url`, and where answers redirect to on the same site.

An application that sends `/` to its login page may answer the first and fail the second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.analysis.other_pages import redirect_path
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.nginx_config import Route
from fixer.model.query import Probe
from fixer.model.snapshot import ProbeResult
from fixer.nginx.listen import host_header, serving_server
from fixer.observe.nginx.endpoints import probe_result, route_probe
from fixer.observe.nginx.sites import Site
from fixer.observe.view.observe_options import ObserveOptions

MOST_URL_SECONDS = 65.0     # seconds: nginx gives up after 60 by default, and answers 504
MOST_REDIRECTS = 3     # that are followed from one page
MOST_REDIRECTED = 10     # pages of one nginx

_URL = regex(r"^(https?)://(\[[0-9a-fA-F:]+\]|[^/:?#]+)(?::(\d+))?(/[^?#]*)?(\?[^#]*)?")


def probes_of_url(route: Route, site: Site, options: ObserveOptions) -> Iterator[Probe]:
    """Yield the user's URL as a probe of this nginx, on the route that would serve it. It waits for as long as nginx
    waits for the backend."""
    match = _URL.match(options.url) if options.url else None
    base = route_probe(route, options.timeout)
    if match is None or base is None or route_of_url(site, options.url or "") != route.id:
        return
    host = match[2].strip("[]")
    path = (match[4] or "/") + (match[5] or "")
    limit = min(MOST_URL_SECONDS, route.connect_timeout + route.send_timeout + route.read_timeout)
    yield replace(base, path=path, host_header=host, sni=host if base.tls else "",
                  timeout=max(options.timeout, limit))


def route_of_url(site: Site, url: str) -> str | None:
    """Return the route of this site that a URL leads to: of the server that nginx chooses, by the longest prefix."""
    match = _URL.match(url)
    if match is None:
        return None
    host, path = match[2].strip("[]"), match[4] or "/"
    port = int(match[3]) if match[3] else 443 if match[1] == "https" else 80
    config = site.config.or_else(None)
    server = serving_server(config, host, port) if config is not None else None
    best = max((route for route in _routes_at(site, path) if server in (None, route.server_index)), default=None,
               key=lambda route: (host in route.server_names or host_header(route) == host, _prefix_length(route)))
    return best.id if best is not None else None


def _routes_at(site: Site, path: str) -> Iterator[Route]:
    """Yield the routes of all servers whose location can serve the path."""
    for route in site.routes:
        prefix = route.location.lstrip("=^~ ")
        if path.startswith(prefix) and not route.internal and (path == prefix or not route.location.startswith("=")):
            yield route


def _prefix_length(route: Route) -> int:
    return len(route.location.lstrip("=^~ "))


def redirected_probes(site: Site, asked: Sequence[tuple[Route, Probe]]) -> Iterator[tuple[str, Probe]]:
    """Yield (route, request) for the pages to which the first request of each route redirects, as a browser follows
    them: only on the same site, where a route serves the page, and each page once."""
    seen = {(route.server_index, probe.path) for route, probe in asked}
    for route, first in asked:
        last = first
        for _ in range(MOST_REDIRECTS):
            path = _next_path(route, _result(last, site))
            if not path or (route.server_index, path) in seen or len(seen) >= len(asked) + MOST_REDIRECTED:
                break
            owner = serving_route(site, route.server_index, path)
            if owner is None:
                break
            seen.add((route.server_index, path))
            last = replace(last, path=path)
            yield owner.id, last


def serving_route(site: Site, server_index: int, path: str) -> Route | None:
    """Return the route of a server that serves a path; None if there is none, or nginx answers it itself."""
    owner = max((r for r in _routes_at(site, path) if r.server_index == server_index), default=None,
                key=_prefix_length)
    return None if owner is None or _is_static(site, owner, path) else owner


def direct_page_probes(site: Site, by_address: Mapping[str, Probe], by_route: Mapping[str, Sequence[Probe]],
                       ) -> Iterator[tuple[str, Probe]]:
    """Yield (address, request) that asks the backend itself for each such page that fails through nginx."""
    for address in site.addresses:
        asked, first = by_route.get(address.route.id, ()), by_address.get(address.id)
        if not asked or first is None or first.path is None or not hands_on_paths(address.route):
            continue
        for probe in asked:
            heard = _result(probe, site) if page_of(probe, address.route) else None
            if heard is not None and (heard.whole is False or (heard.status or 0) >= 500):
                yield address.id, replace(first, path=probe.path)


def page_of(probe: Probe, route: Route) -> str:
    """Return the path of a request for another page than the route's own, else an empty text."""
    return "" if probe.path is None or probe.path == route.path else probe.path.partition("?")[0]


def hands_on_paths(route: Route) -> bool:
    """Return whether the backend is asked for the path that the visitor asked for."""
    address = route.pass_text.partition("://")[2]
    changes = ":" in address.removeprefix("unix:") if address.startswith("unix:") else "/" in address
    return route.kind == "uwsgi_pass" or (route.kind == "proxy_pass" and not changes)


def _next_path(route: Route, heard: ProbeResult | None) -> str:
    return redirect_path(route, heard.location) if heard is not None and heard.location else ""


def _is_static(site: Site, owner: Route, path: str) -> bool:
    """Return whether nginx answers the page itself, by a location that is nearer than the route's."""
    statics = site.config.value.statics if isinstance(site.config, Known) else ()
    own = _prefix_length(owner)
    return any(static.server_index == owner.server_index and static.location.startswith(("/", "=", "^~"))
               and path.startswith(prefix := static.location.lstrip("=^~ ")) and len(prefix) > own
               for static in statics)


def _result(probe: Probe, site: Site) -> ProbeResult | None:
    found = probe_result(site.view.node.answers.get(probe))
    return found.value if isinstance(found, Known) else None
