"""What nginx logged in the last 15 minutes: a note on what is over, a finding on what is not and has no cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from fixer.analysis.case import Case, location_text
from fixer.analysis.evidence import clock_of
from fixer.analysis.line_routes import guards_of
from fixer.analysis.logged_failures import LoggedFailure, is_of_connection, logged_failures, time_text
from fixer.analysis.nginx_errors import asked_page, service_of_route
from fixer.analysis.other_pages import asked_paths, plain_path, site_url
from fixer.analysis.route_verdict import LOGGED_SECONDS
from fixer.diagnose.line_meanings import causes_of_kinds
from fixer.formats.numbers import times_text
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import UNEXPLAINED, Finding
from fixer.model.facts import Evidence
from fixer.model.snapshot import ErrorEvent

_MAX_FINDINGS = 5
_MAX_NAMES = 3
_COMPARED = 150     # characters of a line, with its time and its connection, that no other line has
_SIDES = {
    "backend": "the backend, or the way to it",
    "nginx": "nginx itself: its configuration, limits and rights, its machine, or a name or check that it waits for",
    "client": "the client, or a proxy in front of nginx",
}


def judge_logged_failures(case: Case, findings: Sequence[Finding]) -> tuple[
        tuple[Finding, ...], tuple[str, ...], Mapping[str, str]]:
    """Return (the findings on failures that are not over and that none of `findings` explains, the notes on those that
    are over, what is not known of causes that may explain the former)."""
    found = [left for failure in logged_failures(case)
             if (left := _without_quoted(case, failure, findings)).events and not _is_explained(case, left, findings)]
    lasting = [failure for failure in found if not failure.over]
    named = {failure.route_ids for failure in lasting}
    over = [failure for failure in found if failure.over and failure.route_ids not in named
            and all(judged.state != "failing" for judged in failure.routes)]      # it fails again, or goes on
    shown = tuple(_finding(case, failure) for failure in lasting[:_MAX_FINDINGS])
    return shown, (*_notes(case, over), *_stream_notes(case)), _doubts(case, lasting)


def _doubts(case: Case, lasting: Sequence[LoggedFailure]) -> Mapping[str, str]:
    """Return what is not known of the causes that may explain failures of pages for which fixer did not ask: an answer
    for one page says nothing of another one. Where no connection came about, any page would show it."""
    found: dict[str, str] = {}
    for failure in lasting:
        asked = {path for judged in failure.routes for path in asked_paths(judged.facts)}
        unasked = [event for event in failure.events if not is_of_connection(event) and asked_page(event) not in asked]
        if unasked:
            fact = _unasked_text(case, failure, unasked)
            found |= {cause: fact for cause in causes_of_kinds({event.kind for event in unasked}) if cause not in found}
    return found


def _unasked_text(case: Case, failure: LoggedFailure, unasked: Sequence[ErrorEvent]) -> str:
    route, gets = failure.routes[0].facts.route, [event for event in unasked if event.request.startswith("GET ")]
    [(page, _)] = Counter(map(asked_page, gets or unasked)).most_common(1)
    if not (plain := plain_path(page)):
        return f"why a page of {location_text(case, route)} fails for which fixer did not ask"
    hint = f" (ask for it with --url {site_url(route)}{plain})" if gets and not route.internal else ""
    return f"why {plain} fails: fixer asked for other pages{hint}"


def _is_explained(case: Case, failure: LoggedFailure, findings: Sequence[Finding]) -> bool:
    """Return whether a finding names one of its routes or a service behind them, or concerns a node of theirs as such.
    Advice explains what is over if it quotes nginx's log, and of what is not over only the kinds of lines that it
    quotes."""
    ids = set(failure.route_ids)
    if all(event.kind == "auth-request-failed" for event in failure.events):
        ids.update(judged.facts.route.id for judged in guards_of(case, failure.nginx, failure.routes))
    ends = [case.endpoints[name] for judged in failure.routes for name in judged.facts.endpoints]
    nodes = {failure.nginx.node, *(end.node for end in ends)}
    behind = {(service.node, service.name) for end in ends
              for service in (case.service(end.configured_service), case.service(end.listening_service))
              if service is not None}
    return any(
        (finding.role != "advice" or (failure.over and any(shown.source == "nginx-log" for shown in finding.evidence)))
        and ((finding.node, finding.service) in behind
             or (ids.intersection(finding.routes) if finding.routes else finding.node in nodes))
        for finding in findings)


def _without_quoted(case: Case, failure: LoggedFailure, findings: Sequence[Finding]) -> LoggedFailure:
    """Return the failure without the kinds of lines that advice quotes: its cause has judged those, and no others."""
    quoted = [shown.text for finding in findings if finding.role == "advice"
              for shown in finding.evidence if shown.source == "nginx-log"]
    if failure.over:
        return failure
    kinds = {event.kind for event in failure.events if any(event.raw[:_COMPARED] in text for text in quoted)}
    return replace(failure, events=tuple(event for event in failure.events if event.kind not in kinds))


def _finding(case: Case, failure: LoggedFailure) -> Finding:
    first, last = failure.events[0], failure.events[-1]
    count = len(failure.events)
    services = {service_of_route(case, judged) for judged in failure.routes}
    service = services.pop() if len(services) == 1 else None
    lines = "line" if count == 1 else "lines"
    return Finding(
        cause=UNEXPLAINED, variant=None, role="contributing", confidence="possible",
        summary=(f"nginx logged {count} failed request{'s'[:count != 1]} of {_routes_text(case, failure)} within "
                 f"{LOGGED_SECONDS / 60:.0f} minutes; no cause is proven, and nothing shows that this is over"),
        detail=(f"The {lines} concern{'s'[:count == 1]} {_SIDES[failure.side]}.",), routes=failure.route_ids,
        service=None if service is None else service.name, node=failure.nginx.node,
        evidence=(Evidence("nginx-log", last.where,
                           f"{count} time{'s'[:count != 1]} since {time_text(first.at)}: {last.raw}"),
                  *(evidence for judged in failure.routes[:1] for evidence in judged.evidence[:1])),
    )


def _notes(case: Case, over: Collection[LoggedFailure]) -> Iterator[str]:
    """Yield one note for all past failures of the same routes, with the reason of the latest."""
    by_routes: dict[tuple[str, ...], list[LoggedFailure]] = {}
    for failure in over:
        by_routes.setdefault(failure.route_ids, []).append(failure)
    newest = sorted(by_routes, key=lambda ids: max(one.events[-1].at for one in by_routes[ids]), reverse=True)
    rest = newest[_MAX_NAMES:] if len(newest) > _MAX_NAMES + 1 else []
    for ids, failures in by_routes.items():
        if ids not in rest:
            latest = max(failures, key=lambda failure: failure.events[-1].at)
            yield (f"nginx logged {_requests_text(failures)} of {_routes_text(case, latest)}, the last at "
                   f"{time_text(latest.events[-1].at)}. That is over: {latest.over}")
    if rest:
        older = [failure for ids in rest for failure in by_routes[ids]]
        yield (f"nginx logged {_requests_text(older)} of {len(rest)} more locations, the last at "
               f"{time_text(max(failure.events[-1].at for failure in older))}. That is over, too")


def _requests_text(failures: Sequence[LoggedFailure]) -> str:
    count = sum(len(failure.events) for failure in failures)
    return f"{count} failed request{'s'[:count != 1]}"


def _stream_notes(case: Case) -> Iterator[str]:
    """Yield one note for each server of a `stream` block that failed to reach its backend: no page shows it."""
    for nginx in case.snapshot.nginxes:
        since = clock_of(case.snapshot, nginx.node) - LOGGED_SECONDS
        led: dict[tuple[str, str], list[ErrorEvent]] = {}
        for event in nginx.errors.or_else(()):
            if event.at >= since and event.upstream and "://" not in event.upstream and not event.request:
                led.setdefault((event.server, event.upstream), []).append(event)
        for (server, upstream), events in list(led.items())[:_MAX_FINDINGS]:
            yield (f"nginx's stream server at {server} failed {times_text(len(events))} at {upstream}, the last at "
                   f"{time_text(events[-1].at)}: {events[-1].message}. fixer judges pages, and no streams")


def _routes_text(case: Case, failure: LoggedFailure) -> str:
    names = list(dict.fromkeys(location_text(case, judged.facts.route) for judged in failure.routes))
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"{', '.join(names[:_MAX_NAMES])}{more}"
