"""Pages for which nginx keeps an error in a file: no log tells of them, and no other page leads there."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from fixer.analysis.cached_errors import is_keeping_errors
from fixer.analysis.other_pages import plain_path
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Known
from fixer.model.nginx_config import KeptAnswer, Route
from fixer.model.query import Probe, ReadTree
from fixer.observe.nginx.page_probes import serving_route
from fixer.observe.nginx.sites import Site
from fixer.observe.view.node_view import PEEK_BYTES

with lazy_imports():  # not needed in most looks
    from fixer.analysis.directives_in_effect import PlacedDirective, directives_of
    from fixer.nginx.cache_file import read_cache_file

MOST_FILES = 200     # of one cache that are read
MOST_PAGES = 3     # that are asked for: one line keeps them all
_LEVELS = 4     # folders of a cache are at most three deep
_LEAST_STATUS = 500


def cache_queries(site: Site) -> Iterator[ReadTree]:
    """Yield a look at the files of each cache, where a running nginx keeps errors. Of one that is stopped, the whole
    folder would have to be copied out of its container."""
    placed = _cache_directives(site) if site.nginx.master is not None else []
    if any(map(is_keeping_errors, placed)):
        for directive in placed:
            if directive.words[0].endswith("_cache_path") and len(directive.words) > 1:
                yield ReadTree(posixpath.normpath(posixpath.join(site.nginx.prefix, directive.words[1])), PEEK_BYTES,
                               MOST_FILES, _LEVELS)


def kept_page_probes(site: Site, asked: Sequence[tuple[Route, Probe]]) -> Iterator[tuple[str, Probe]]:
    """Yield (route, request) for pages that nginx keeps as an error, in each server that serves such a path."""
    pages = _kept_pages(site)
    first_of = {route.server_index: probe for route, probe in reversed(asked)} if pages else {}
    for path in pages[:MOST_PAGES]:
        for number, first in first_of.items():
            owner = serving_route(site, number, path)
            if owner is not None and path != owner.path:
                yield owner.id, replace(first, path=path)


def kept_errors_of(site: Site) -> dict[str, list[KeptAnswer]]:
    """Return route -> the errors that nginx keeps of its pages, those that expire last first."""
    found: dict[str, list[KeptAnswer]] = {}
    for kept in sorted(_kept_errors(site), key=lambda one: (-one.until, one.path, one.file)):
        for number in dict.fromkeys(route.server_index for route in site.routes):
            owner = serving_route(site, number, kept.path)
            if owner is not None:
                found.setdefault(owner.id, []).append(kept)
    return found


def _kept_pages(site: Site) -> list[str]:
    """Return the paths of plain form for which a file holds an error."""
    return sorted({kept.path for kept in _kept_errors(site)})


def _kept_errors(site: Site) -> Iterator[KeptAnswer]:
    for query in cache_queries(site):
        answer = site.view.node.answers.get(query)
        for file in answer.files if answer is not None else ():
            kept = read_cache_file(file.data)
            if kept is not None and kept.status >= _LEAST_STATUS and plain_path(kept.path):
                yield replace(kept, file=file.path)


def _cache_directives(site: Site) -> list[PlacedDirective]:
    """Return the directives of a cache in all files of the configuration."""
    read = {path: site.view.data(path) or b"" for path in site.config.value.files} if isinstance(
        site.config, Known) else {}
    if not any(b"_cache_path" in data for data in read.values()):
        return []
    return [d for path, data in read.items() if b"_cache_" in data for d in directives_of(data, path)
            if d.words[0].endswith(("_cache_path", "_cache_valid"))]
