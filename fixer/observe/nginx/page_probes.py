"""Requests for pages beyond each route's own: the user's `--url`, and where answers redirect to on the same site.

An application that sends `/` to its login page may answer the first and fail the second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from fixer.analysis.other_pages import is_host_name, redirect_path
from fixer.lazy.dataclass import replace
from fixer.lazy.parse_cache import parse_once
from fixer.model.facts import Known
from fixer.model.nginx_config import Route
from fixer.model.query import Probe
from fixer.model.snapshot import ProbeResult
from fixer.nginx.listen import host_header, is_plain_name, serving_server
from fixer.nginx.url_route import route_at_path, route_at_url, url_parts
from fixer.observe.nginx.endpoints import probe_result, route_probe
from fixer.observe.nginx.sites import Site
from fixer.observe.view.observe_options import ObserveOptions

MOST_URL_SECONDS = 65.0     # seconds: nginx gives up after 60 by default, and answers 504
MOST_REDIRECTS = 3     # that are followed from one page
MOST_REDIRECTED = 10     # pages of one nginx


def probes_of_url(route: Route, site: Site, options: ObserveOptions) -> Iterator[Probe]:
    """Yield the user's URL as a probe of this nginx, on the route that would serve it. It waits for as long as nginx
    waits for the backend."""
    parts = url_parts(options.url) if options.url else None
    base = route_probe(route, options.timeout)
    if parts is None or base is None or route_of_url(site, options.url or "") != route.id:
        return
    limit = min(MOST_URL_SECONDS, route.connect_timeout + route.send_timeout + route.read_timeout)
    yield replace(base, path=parts.path + parts.query, host_header=parts.host, sni=parts.host if base.tls else "",
                  timeout=max(options.timeout, limit))


def route_of_url(site: Site, url: str) -> str | None:
    """Return the id of the route of this site that a URL leads to."""
    config = site.config.or_else(None)
    found = parse_once(partial(route_at_url, config, site.routes, url), "url", config, site.routes, url)
    return found.id if found is not None else None


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


def mapped_host_probes(site: Site, asked: Sequence[tuple[Route, Probe]]) -> Iterator[tuple[str, Probe]]:
    """Yield (route, request) for one name of each further address to which a `map` leads the names of a server: the
    route's first name reaches only its own."""
    for route, first in asked:
        group_of = {host: number for number, hosts in enumerate(route.mapped_hosts) for host in hosts}
        seen = {group_of.get(first.host_header.lower())}
        plain = [name.lstrip(".") for name in route.server_names if is_plain_name(name)]
        for host in (*plain, *group_of) if group_of else ():
            group = group_of.get(host.lower())
            if group not in seen and _is_served_by(site, route, host):
                seen.add(group)
                yield route.id, replace(first, host_header=host, sni=host if first.tls else "")


def _is_served_by(site: Site, route: Route, host: str) -> bool:
    port = route.listens[0].port if route.listens else 80
    return host in route.server_names or (
        isinstance(site.config, Known) and serving_server(site.config.value, host, port) == route.server_index)


def serving_route(site: Site, server_index: int, path: str) -> Route | None:
    """Return the route of a server that serves a path; None if there is none, or nginx answers it itself."""
    statics = site.config.value.statics if isinstance(site.config, Known) else ()
    return route_at_path([route for route in site.routes if route.server_index == server_index],
                         [static for static in statics if static.server_index == server_index], path)


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


def with_page_and_host(heard: ProbeResult, probe: Probe, route: Route) -> ProbeResult:
    """Return the result with the page and the name that were asked for, where those are not the route's first."""
    page, host = page_of(probe, route), probe.host_header
    host = host if host != host_header(route) and is_host_name(host) else ""
    return replace(heard, page=page, host=host) if page or host else heard


def hands_on_paths(route: Route) -> bool:
    """Return whether the backend is asked for the path that the visitor asked for."""
    address = route.pass_text.partition("://")[2]
    changes = ":" in address.removeprefix("unix:") if address.startswith("unix:") else "/" in address
    return route.kind == "uwsgi_pass" or (route.kind == "proxy_pass" and not changes)


def _next_path(route: Route, heard: ProbeResult | None) -> str:
    return redirect_path(route, heard.location) if heard is not None and heard.location else ""


def _result(probe: Probe, site: Site) -> ProbeResult | None:
    found = probe_result(site.view.node.answers.get(probe))
    return found.value if isinstance(found, Known) else None
