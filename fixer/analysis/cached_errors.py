"""Errors that nginx answers from its cache, although the backend is well again.

nginx logs why it answers 502 or 504 each time that it does so itself, but not when it answers from the cache. Its own
errors are kept in the memory of the cache zone, those of the application as files."""

from __future__ import annotations

import math
from collections.abc import Iterator

from fixer.analysis.evidence import find_node
from fixer.analysis.hidden_failures import LOCAL_CLIENTS
from fixer.analysis.route_verdict import NGINX_PAGE, RouteVerdict, has_unloaded_config
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Known
from fixer.model.nginx_config import KeptAnswer
from fixer.model.snapshot import Endpoint, Nginx, RouteFacts, Snapshot
from fixer.nginx.error_kinds import is_about_route

with lazy_imports():  # not needed in most looks
    from fixer.analysis.directives_in_effect import PlacedDirective, all_directives, cache_of, directives_for

_OWN_STATUSES = frozenset({502, 504})
_ERRORS = (500, 502, 503, 504)
_GOOD = frozenset(range(200, 500))
_USUAL = ("200", "301", "302")      # what a `*_cache_valid` without a status keeps


@dataclass(frozen=True, slots=True)
class CachedError:
    """A status that the cache of a route gives: the directives that put it there. `is_own`: nginx's own page.
    `page` is the path that gets it, empty for the route's own; `kept` is the file that holds it, if one was read."""

    status: int
    page: str
    cache: PlacedDirective
    valid: PlacedDirective
    is_own: bool
    kept: KeptAnswer | None = None


def cached_error(facts: RouteFacts, reached: tuple[Endpoint, ...], nginx: Nginx,
                 snapshot: Snapshot) -> CachedError | None:
    """Return the error that only the cache can have given: each request for a page got it, each backend answers better
    for it directly, nginx logged no failure of ours, and the configuration keeps that status. None if one of these is
    not so. What a file still holds some requests for its page meet, also if ours did not: a key may have more parts
    than the page."""
    if not isinstance(nginx.errors, Known):
        return None
    pages = dict.fromkeys(probe.page for probe in facts.probes.or_else(()))
    return next((found for page in pages if (found := _cached_page(page, facts, reached, nginx, snapshot))), None)


def _cached_page(page: str, facts: RouteFacts, reached: tuple[Endpoint, ...], nginx: Nginx,
                 snapshot: Snapshot) -> CachedError | None:
    probes = [probe for probe in facts.probes.or_else(()) if probe.page == page]
    statuses, kept = {probe.status or 0 for probe in probes}, _still_kept(page, facts, nginx, snapshot)
    status = max(statuses) if kept is None else kept.status
    meant = [end for end in reached if not end.down]
    if status < 500 or not meant or _has_asked(page or facts.route.path, nginx, snapshot):
        return None
    if kept is None and has_unloaded_config(nginx):
        return None         # nginx may run without that cache; a file in it shows that it has one
    answers = [_status_of(end, page, facts) for end in meant]
    is_well = all(answer is not None and answer < 500 for answer in answers)
    if kept is None and (len(statuses) != 1 or not is_well):
        return None
    if kept is not None and (not statuses <= _GOOD | {kept.status} or not (is_well or statuses & _GOOD)):
        return None
    cache, name = cache_of(snapshot, nginx, facts.route), f"{facts.route.kind.removesuffix('_pass')}_cache_valid"
    valid = next((d for d in directives_for(snapshot, nginx, facts.route) if d.words[0] == name and keeps(d, status)),
                 None)
    if cache is None or valid is None:
        return None
    is_own = status in _OWN_STATUSES and any(p.status == status and NGINX_PAGE in p.body for p in probes)
    return CachedError(status, page, cache, valid, is_own, kept)


def _still_kept(page: str, facts: RouteFacts, nginx: Nginx, snapshot: Snapshot) -> KeptAnswer | None:
    """Return the error that a file of the cache holds for the page, and that has not expired."""
    node = find_node(snapshot, nginx.node) if facts.kept else None
    return next((one for one in facts.kept if node is not None and one.path == (page or facts.route.path)
                 and one.until > node.now), None)


def reveal_cached_error(verdict: RouteVerdict, reached: tuple[Endpoint, ...], nginx: Nginx | None,
                        snapshot: Snapshot) -> RouteVerdict:
    """Mark a route as failing if the application's error comes from the cache: the application itself is well."""
    if verdict.state != "ok" or not (verdict.from_application or verdict.facts.kept) or nginx is None:
        return verdict
    found = cached_error(verdict.facts, reached, nginx, snapshot)
    if found is None:
        return verdict
    failed = sum(probe.page == found.page and probe.status == found.status
                 for probe in verdict.facts.probes.or_else(()))
    reason = f"{verdict.reason} from nginx's cache: the application itself answers otherwise"
    if not failed:
        reason = f"{verdict.reason}, but nginx's cache holds {found.status} for it, which other requests get"
    return replace(verdict, state="failing" if failed == verdict.total else "degraded", failed=failed,
                   succeeded=verdict.total - failed, from_application=False, reason=reason)


def error_keeping_lines(nginx: Nginx, snapshot: Snapshot) -> Iterator[PlacedDirective]:
    """Yield the lines that keep errors of a server like pages: one page that is well says nothing of another."""
    if any(b"_cache_valid" in file.data for file in snapshot.files if file.node == nginx.node):
        yield from filter(is_keeping_errors, all_directives(snapshot, nginx))


def is_keeping_errors(directive: PlacedDirective) -> bool:
    """Return whether it is a `*_cache_valid` that keeps an error of a server."""
    return directive.words[0].endswith("_cache_valid") and any(keeps(directive, status) for status in _ERRORS)


def keeps(directive: PlacedDirective, status: int) -> bool:
    """Return whether a `*_cache_valid` keeps answers with that status."""
    statuses = directive.words[1:-1] or _USUAL
    return directive.words[-1] != "0" and ("any" in statuses or str(status) in statuses)


def _status_of(end: Endpoint, page: str, facts: RouteFacts) -> int | None:
    """Return what the backend itself answers for the page, None if it was not asked or gave no answer."""
    if page:
        return next((found.status for name, found in facts.direct if name == end.id and found.page == page), None)
    return end.http.value.status if isinstance(end.http, Known) else None


def _has_asked(path: str | None, nginx: Nginx, snapshot: Snapshot) -> bool:
    """Return whether nginx logged a failure of a request like ours, from this machine, since the look began."""
    node = find_node(snapshot, nginx.node)
    if node is None:
        return True
    since, clients = math.floor(node.now), LOCAL_CLIENTS | set(node.addresses)
    return any(event.at >= since and event.client in clients and is_about_route(event)
               and event.request.split(" ")[:2] == ["GET", path] for event in nginx.errors.or_else(()))
