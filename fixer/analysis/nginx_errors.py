"""The symptom side of a finding: the lines of nginx's log and the answers that show it for one address."""

from __future__ import annotations

from collections.abc import Callable

from fixer.analysis.case import Case, Trouble
from fixer.analysis.route_verdict import fresh_events
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import Route
from fixer.model.snapshot import ErrorEvent

_SAMPLE = 20     # routes of one address whose lines are looked for: thousands would say the same

Want = Callable[[ErrorEvent], bool]


def events_for(case: Case, trouble: Trouble, want: Want) -> tuple[ErrorEvent, ...]:
    """Fresh lines about the trouble's routes that are wanted, each once, oldest first."""
    asked = [facts for facts in trouble.routes if isinstance(facts.probes, Known)]
    sample = (asked or list(trouble.routes))[:_SAMPLE]
    fresh = fresh_events(trouble.nginx, sample, case.snapshot)
    found = {event.where + event.raw: event for event in fresh if want(event)}
    return tuple(sorted(found.values(), key=lambda event: event.at))


def symptom_evidence(case: Case, trouble: Trouble, want: Want) -> tuple[Evidence, ...]:
    """The newest such line, with how many there were, and what the probes got."""
    events = events_for(case, trouble, want)
    shown = [e for judged in trouble.judged[:3] for e in judged.evidence[:1]]
    if events:
        last = events[-1]
        count = f"{len(events)} times: " if len(events) > 1 else ""
        shown.insert(0, Evidence("nginx-log", last.where, count + last.raw[:300]))
    return tuple(shown)


def is_refused(event: ErrorEvent) -> bool:
    """nginx could not connect: nobody accepts there, or the machine is gone."""
    return "connecting" in event.phase and (event.errno in (2, 101, 110, 111, 113) or "connect" in event.message)


def is_read_timeout(event: ErrorEvent) -> bool:
    """nginx was connected and waited for the answer in vain."""
    return event.errno == 110 and "reading" in event.phase


def is_cut_off(event: ErrorEvent) -> bool:
    """The connection ended, or something else than HTTP came, instead of an answer."""
    said = "prematurely" in event.message or "valid" in event.message
    return "reading" in event.phase and (said or event.errno == 104)


def is_cut_in_body(event: ErrorEvent) -> bool:
    """The answer had begun, and the connection ended before its end."""
    return event.phase == "reading upstream" and is_cut_off(event)


def say_routes(trouble: Trouble) -> str:
    """The locations that fail, for a summary."""
    several = len({facts.route.server_index for facts in trouble.routes}) > 1
    names = list(dict.fromkeys(_say_route(facts.route, several) for facts in trouble.routes))
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _say_route(route: Route, with_server: bool) -> str:
    name = next((name for name in route.server_names if name not in ("", "_")), "")
    return f"{route.location} of {name or route.listen_text}" if with_server else route.location
