"""Places that nginx asks for and that stand in none of its files: it runs with an older configuration."""

from __future__ import annotations

import re

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.line_routes import LineRoutes
from fixer.analysis.nginx_errors import events_for, recent_lines
from fixer.analysis.route_verdict import has_unloaded_config
from fixer.formats.numbers import is_number
from fixer.lazy.regex import regex
from fixer.model.facts import Unknown
from fixer.model.nginx_config import Route
from fixer.model.snapshot import ErrorEvent, Nginx
from fixer.nginx.error_kinds import CONNECT_FAILED, CONNECTING

_WRITER = regex(r"\[[a-z]+\] (\d{1,9})#\d")
_MOST_VALUES = 16       # of several variables in one pass
_MIN_LINES = 2          # a single one may be a visitor's request of the moment of a change


def unwritten_address(case: Case, nginx: Nginx) -> tuple[FailingAddress, str] | None:
    """Return the route for which the present workers were refused at a place that no file has, and that place: of a
    name or a page that fixer has not asked. None if the files are as old as what runs."""
    if not has_unloaded_config(nginx):
        return None
    lines = [event for event in recent_lines(case, nginx, CONNECT_FAILED) if _worker_of(event) in nginx.worker_pids]
    strange = [e for e in lines if (place := asked_port(e.upstream)) and not _is_written(case, nginx, place)]
    if len(strange) < _MIN_LINES:
        return None
    index = LineRoutes(case, nginx)
    for judged in index.of(strange[-1]):
        ends = tuple(end for end in case.reached(judged.facts) if not end.down)
        if ends:
            place = asked_port(strange[-1].upstream)
            trouble = FailingAddress(nginx, ends, (judged.facts,), (judged,))
            return trouble, f"port {place}" if is_number(place) else place
    return None


def connects_there(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the present workers failed to connect at the very address that the files name: what nginx has
    loaded leads there, too, and another fault keeps it out."""
    loaded, nginx = trouble.nginx.loaded_at, trouble.nginx
    if isinstance(loaded, Unknown):
        return False
    named = {end.unix or str(end.port) for end in trouble.endpoints}
    asked = [asked_port(event.upstream) for event in events_for(case, trouble, CONNECTING)
             if event.at > loaded.value and _worker_of(event) in nginx.worker_pids]
    return bool(asked) and asked[-1] in named


def unwritten_place(case: Case, trouble: FailingAddress) -> str:
    """Return the port or socket that the present workers were refused at, if it stands in none of nginx's files and no
    variable gets it from a request: then they run an older configuration, whenever the file was changed."""
    nginx, loaded = trouble.nginx, trouble.nginx.loaded_at
    if isinstance(loaded, Unknown) or any(_is_open(facts.route) for facts in trouble.routes):
        return ""
    places = {asked_port(event.upstream) for event in events_for(case, trouble, CONNECT_FAILED)
              if event.at > loaded.value and _worker_of(event) in nginx.worker_pids}
    if not places or any(not place or _is_written(case, nginx, place) for place in places):
        return ""
    place = min(places)
    return f"port {place}" if is_number(place) else place


def _is_open(route: Route) -> bool:
    """Return whether a request may choose an address that no file has: by a variable to which the files give no value,
    or one of more values than fixer works out. Of a `map` of plain addresses each is written."""
    return "$" in route.pass_text and (len(route.servers) >= _MOST_VALUES or any(s.variable for s in route.servers))


def _worker_of(event: ErrorEvent) -> int:
    """Return the process that wrote the line: one that still ends its connections has the older configuration."""
    found = _WRITER.search(event.raw)
    return int(found[1]) if found is not None else 0


def _is_written(case: Case, nginx: Nginx, place: str) -> bool:
    """Return whether a file of nginx names the port or the socket. It may if not all were read, or if DNS does."""
    config = nginx.config.or_else(None)
    if config is None or config.cut or any(place in (e.unix, str(e.port)) for e in case.snapshot.endpoints):
        return True
    word = re.compile(rb"(?<![\w.])" + re.escape(place.encode("utf-8", "surrogateescape")) + rb"(?![\w.])|\bservice=")
    files = [case.snapshot.file(nginx.node, path) for path in config.files]
    return any(file is None or word.search(file.data) is not None for file in files)


def asked_port(upstream: str) -> str:
    """Return the port of `http://HOST:PORT/PATH` or the socket of `http://unix:SOCKET:/PATH`, else an empty text."""
    place = upstream.partition("://")[2]
    if place.startswith("unix:"):
        return place.removeprefix("unix:").partition(":")[0]
    port = place.partition("/")[0].rpartition(":")[2]
    return port if is_number(port) else ""
