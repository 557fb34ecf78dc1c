"""Workers that ended behind a parent that lives: what the parent's log says, and what nginx lost at that moment."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import now_on, ran_since
from fixer.analysis.exits.kills import killings
from fixer.analysis.nginx_errors import is_cut_off
from fixer.analysis.route_verdict import events_since
from fixer.analysis.run_log import lines_of, message
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.snapshot import Endpoint, ErrorEvent, LogLine, Service

LATELY = 180.0       # seconds: deaths that old are still worth a word
_SAMPLE = 20         # routes to one address whose lines are looked for: thousands would say the same
_SECOND = 1.0        # seconds: nginx's clock cuts the one that has begun
_NEAR = 8.0          # seconds between a death and the line that tells of it: a parent looks every so often
DIED = regex(r"Child process \[\d+\] died|Worker \(pid:\s*\d+\) was sent SIG(?!ABRT|TERM|INT|QUIT)\w+|"
             r"DAMN ! worker \d+ \(pid: \d+\) (?:died|MYSTERIOUSLY killed)")
RECYCLED = regex(r"Maximum request limit of \d+ exceeded|Autorestarting worker|WORKER TIMEOUT|was sent SIGABRT|"
                 r"HARAKIRI ON WORKER")


@dataclass(frozen=True, slots=True)
class Deaths:
    """The deaths of one service's workers lately, and the requests that nginx lost then."""

    service: Service
    endpoint: Endpoint
    lines: tuple[LogLine, ...]
    lost: tuple[ErrorEvent, ...]


def deaths(case: Case) -> tuple[Deaths, ...]:
    """Services that run, whose workers died lately with requests in their hands, and that nothing else explains."""
    found: list[Deaths] = []
    for service in case.snapshot.services:
        endpoint = next((e for e in case.snapshot.endpoints if service.id in (e.service, e.holder)), None)
        if endpoint is None or not service.running or not service.is_app_server:
            continue
        since = max(ran_since(service), now_on(case.snapshot, service.node) - LATELY)
        recent = [line for line in lines_of(service) if line.at is not None and line.at >= since]
        died = tuple(line for line in recent if DIED.search(message(line)))
        if not died or any(RECYCLED.search(message(line)) for line in recent) or killings(case, service):
            continue
        lost = tuple(
            event for event in cut_off_near(case, endpoint, since - _SECOND)
            if any(abs(event.at - (line.at or 0.0)) <= _NEAR for line in died)
        )
        if lost:
            found.append(Deaths(service, endpoint, died, lost))
    return tuple(found)


def cut_off_near(case: Case, endpoint: Endpoint, since: float, until: float = float("inf")) -> tuple[ErrorEvent, ...]:
    """Requests of routes to the address that ended unanswered in that time."""
    found: list[ErrorEvent] = []
    for nginx in case.snapshot.nginxes:
        routes = [j.facts for j in case.judged.values()
                  if nginx.serves(j.facts) and endpoint.id in j.facts.endpoints][:_SAMPLE]
        found += [event for event in events_since(nginx, routes, since, until) if is_cut_off(event)]
    return tuple(found)
