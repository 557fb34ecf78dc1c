"""Which route a line of nginx's log belongs to: by server name, then by the longest location that fits the path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import now_on
from fixer.analysis.route_verdict import FRESH, Judged
from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.snapshot import ErrorEvent, Nginx, Service

SEVERAL = 3          # lines within a minute that are more than one visitor's bad luck
_AHEAD = 5.0
_LONGEST = 500       # characters of a path that locations are looked for in
_WRITER = regex(r"^\d{4}/\d\d/\d\d \S+ \[[a-z]+\] (\d+)#\d+: ")


def fresh_lines(case: Case, nginx: Nginx, want: Callable[[ErrorEvent], bool]) -> list[ErrorEvent]:
    """Its wanted lines of the last minute, written by workers that serve now, after whatever we changed."""
    if not isinstance(nginx.errors, Known):
        return []
    now = now_on(case.snapshot, nginx.node)
    since = now - FRESH
    if isinstance(nginx.loaded_at, Known):
        since = max(since, nginx.loaded_at.value - 1.0)
    if case.snapshot.quiet:
        since = max(since, now - case.snapshot.quiet)      # a backend that was woken was late for everything before
    return [e for e in nginx.errors.value if since <= e.at <= now + _AHEAD and want(e) and is_serving(e, nginx)]


def fresh_by_route(
    case: Case, nginx: Nginx, want: Callable[[ErrorEvent], bool],
) -> Mapping[str, tuple[Judged, tuple[ErrorEvent, ...]]]:
    """Route id -> the route and its wanted lines of the last minute, written by workers that serve now.

    A worker that is shutting down still ends its requests by the configuration that was loaded before.

    What a visitor asked for places a line; it chooses nothing that a repair does.
    """
    events = fresh_lines(case, nginx, want)
    if not events:
        return {}
    routes = [j for j in case.judged.values() if nginx.serves(j.facts)]
    by_prefix = _by_prefix(routes)
    found: dict[str, list[ErrorEvent]] = {}
    for event in events:
        judged = _most_likely(event, by_prefix)
        if judged is not None:
            found.setdefault(judged.facts.route.id, []).append(event)
    by_id = {j.facts.route.id: j for j in routes}
    return {name: (by_id[name], tuple(lines)) for name, lines in found.items()}


def late_for_visitors(case: Case, want: Callable[[ErrorEvent], bool]) -> list[Trouble]:
    """Addresses of routes that answered us, and timed out for several visitors within a minute."""
    found = []
    for nginx in case.snapshot.nginxes:
        for judged, events in fresh_by_route(case, nginx, want).values():
            if len(events) >= SEVERAL:
                ends = tuple(e for e in case.snapshot.endpoints if e.id in judged.facts.endpoints and not e.down)
                found += [Trouble(nginx, (end,), (judged.facts,), (judged,)) for end in ends]
    return found


def services_that_let_wait(case: Case, want: Callable[[ErrorEvent], bool]) -> Iterator[tuple[Trouble, Service]]:
    """What runs behind routes that fail us, or came too late for several visitors, with the trouble that it gives."""
    for trouble in (*case.troubles, *late_for_visitors(case, want)):
        service = case.service(trouble.endpoint.service or trouble.endpoint.holder)
        if service is not None and service.running:
            yield trouble, service


def is_serving(event: ErrorEvent, nginx: Nginx) -> bool:
    """Whether a worker that serves now wrote the line."""
    match = _WRITER.search(event.raw)
    return match is None or not nginx.worker_pids or int(match[1]) in nginx.worker_pids


def _by_prefix(routes: list[Judged]) -> dict[str, list[Judged]]:
    """Prefix -> its routes; regular expressions and named locations are not tried."""
    found: dict[str, list[Judged]] = {}
    for judged in routes:
        prefix = judged.facts.route.location.lstrip("=^~ ")
        if prefix.startswith("/"):
            found.setdefault(prefix, []).append(judged)
    return found


def _most_likely(event: ErrorEvent, by_prefix: Mapping[str, list[Judged]]) -> Judged | None:
    """The longest location of the server that the line names, else the longest of any."""
    path = "".join(event.request.split(" ")[1:2])[:_LONGEST]
    unnamed: Judged | None = None
    for end in range(len(path), 0, -1):
        for judged in by_prefix.get(path[:end], ()):
            names = judged.facts.route.server_names
            if not event.server or event.server in names or (event.server == "_" and not names):
                return judged
            unnamed = unnamed or judged
    return unnamed
