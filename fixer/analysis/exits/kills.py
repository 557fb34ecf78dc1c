"""Kills of a service's processes by the kernel in its last run, and whose memory limit was reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from typing import Literal, TypeAlias

from fixer.analysis.case import Case
from fixer.analysis.evidence import ENGINE, clock_of
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.nginx_errors import request_path
from fixer.analysis.other_pages import failed_paths
from fixer.analysis.ownership.configured import endpoints_of
from fixer.analysis.route_verdict import RouteVerdict, events_since
from fixer.analysis.run_log import event_of, is_restarting, lines_of, message_of
from fixer.analysis.service_state import start_time_of
from fixer.formats.folders import is_within
from fixer.formats.run_output import WORKER_DIED, WORKER_RECYCLED
from fixer.lazy.dataclass import dataclass
from fixer.managers import manager_of
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.kernel import OomKill
from fixer.model.nginx_config import ErrorKind
from fixer.model.snapshot import Endpoint, ErrorEvent, LogLine, RouteFacts, Service
from fixer.nginx.error_kinds import CUT_OFF

LimitScope: TypeAlias = Literal["own", "other", "machine"]
_RESTART_WINDOW = 180.0    # seconds in which a container that restarts repeatedly has ended at least once
_CLOCK_SLACK = 3.0      # seconds between the kernel's clock, counted from the boot, and the managers'


@dataclass(frozen=True, slots=True)
class OomKilling:
    """One kill, whose limit was reached, and the line that reports it."""

    kill: OomKill
    limit_scope: LimitScope
    evidence: Evidence


def oom_killings(case: Case, service: Service) -> tuple[OomKilling, ...]:
    """Return the kills of its processes since its last start, oldest first. If it restarts repeatedly, include kills of
    earlier runs: the observation may fall into a new run."""
    since = start_time_of(service) - _CLOCK_SLACK
    if service.container is not None and is_restarting(service):
        since = min(since, case.snapshot.taken_at - _RESTART_WINDOW)
    found: dict[tuple[int, str], OomKilling] = {}
    for log in case.snapshot.kernel_logs:
        if isinstance(log.kills, Unknown) or log.node not in (service.node, ENGINE):
            continue
        for kill in log.kills.value:
            own = _own_cgroup(case, service, kill.cgroup)
            if own and kill.at >= since:
                text = f"{kill.text}; in {kill.cgroup}"
                found[kill.pid, kill.text] = OomKilling(
                    kill, _limit_scope(kill, own), Evidence("kernel", f"kernel log of {log.node}", text),
                )
    return tuple(sorted(found.values(), key=lambda k: k.kill.at))


def _limit_scope(kill: OomKill, own: str) -> LimitScope:
    if not kill.limit:
        return "machine"
    return "own" if is_within(kill.limit, own) else "other"


def _own_cgroup(case: Case, service: Service, cgroup: str) -> str:
    """Return the service's own cgroup, if the path of a killed process leads through it; else an empty text."""
    parts = cgroup.split("/")
    box = service.container
    if box is not None:
        for index, part in enumerate(parts):
            if part in (box.id, f"docker-{box.id}.scope") and box.id:
                return "/".join(parts[: index + 1])
        return ""
    if service.unit is None or service.unit.name not in parts:
        return ""
    index = parts.index(service.unit.name)
    above = "/".join(parts[:index])
    return "/".join(parts[: index + 1]) if _is_cgroup_of_node(case, service, above) else ""


def _is_cgroup_of_node(case: Case, service: Service, above: str) -> bool:
    """Return whether the parent cgroups are the node's: another machine of the kernel may run a unit of that name."""
    outer = {_path_before_slice(s.unit.control_group) for s in case.snapshot.services
             if s.node == service.node and s.unit is not None and s.unit.control_group}
    return _path_before_slice(above + "/") in outer if outer else _path_before_slice(above + "/") == ""


def _path_before_slice(group: str) -> str:
    """Return the part of the path before the first slice."""
    parts = group.split("/")
    index = next((i for i, part in enumerate(parts) if part.endswith(".slice")), len(parts))
    return "/".join(parts[:index]).rstrip("/")


def missing_kernel_log(case: Case, service: Service) -> list[str]:
    """Return why no kernel log was available; empty if one could be read."""
    logs = [log for log in case.snapshot.kernel_logs if log.node in (service.node, ENGINE)]
    if any(isinstance(log.kills, Known) for log in logs):
        return []
    why = [log.kills.reason for log in logs if isinstance(log.kills, Unknown)]
    unread = why[0] if why else "the kernel log was not read"
    return [f"whether the kernel killed {service.name}, which has a memory limit: {unread}"]


# Workers that died while their parent lives: the lines of the parent, and what nginx lost at that moment.
RECENT_DEATH = 180.0       # seconds: older deaths are not reported
_SAMPLE = 20         # routes of one endpoint that lines are searched for: more would say the same
_MAX_PAGES = 2          # pages that a text names
_CLOCK_STEP = 1.0        # seconds: nginx's clock drops the fraction
_MOST_UNSURE = 30.0       # seconds between the lines before and after one that has no time
_MAX_REPORT_DELAY = 8.0          # seconds between a death and its line: a parent checks at intervals


@dataclass(frozen=True, slots=True)
class WorkerDeaths:
    """The recent deaths of one service's workers, and the requests that nginx lost then."""

    service: Service
    endpoints: tuple[Endpoint, ...]
    lines: tuple[LogLine, ...]
    lost: tuple[ErrorEvent, ...]


def worker_deaths(case: Case) -> tuple[WorkerDeaths, ...]:
    """Return running services whose workers died recently during requests, if nothing else explains it."""
    found: list[WorkerDeaths] = []
    for service in case.snapshot.services:
        endpoints = endpoints_of(case, service)
        if not endpoints or not service.running or not service.is_app_server:
            continue
        now = clock_of(case.snapshot, service.node)
        since = max(start_time_of(service), now - RECENT_DEATH)
        recent = [timed for timed in _timed(lines_of(service), now) if timed.until >= since]
        died = [timed for timed in recent if WORKER_DIED.search(message_of(timed.line))]
        if not died or oom_killings(case, service) or any(
                WORKER_RECYCLED.search(message_of(timed.line)) for timed in recent):
            continue
        lost = tuple(
            event for event in cut_off_requests(case, endpoints, since - _CLOCK_STEP)
            if any(timed.since - _MAX_REPORT_DELAY <= event.at <= timed.until + _MAX_REPORT_DELAY for timed in died)
        )
        if lost:
            found.append(WorkerDeaths(service, endpoints, tuple(timed.line for timed in died), lost))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Timed:
    """A line, and the times (epoch seconds) between which it was written."""

    line: LogLine
    since: float
    until: float


def _timed(lines: Sequence[LogLine], now: float) -> Iterator[_Timed]:
    """Yield the lines with their time. One without stands between two of the same log that have one: uWSGI dates each
    request, and no death. If these are far apart, its time is not known."""
    until: dict[str, float] = {}
    latest = []
    for line in reversed(lines):
        if line.at is not None:
            until[line.where] = line.at
        latest.append(until.get(line.where, now))
    since: dict[str, float] = {}
    for line, last in zip(lines, reversed(latest), strict=True):
        if line.at is not None:
            since[line.where] = line.at
        if last - since.get(line.where, 0.0) <= _MOST_UNSURE:
            yield _Timed(line, since[line.where], last)


def routes_to(case: Case, endpoints: Sequence[Endpoint]) -> list[RouteVerdict]:
    """Return the routes that may ask one of the endpoints, each once."""
    names = {endpoint.id for endpoint in endpoints}
    return [judged for judged in case.verdicts.values() if not names.isdisjoint(judged.facts.endpoints)]


def cut_off_requests(case: Case, endpoints: Sequence[Endpoint], since: float, until: float = float("inf"),
                     kinds: Container[ErrorKind] = CUT_OFF) -> tuple[ErrorEvent, ...]:
    """Return the requests of routes to one server that ended unanswered in that time, our own probes among them; with
    other `kinds`, those that ended so."""
    found: list[ErrorEvent] = []
    sample: dict[str, int] = {}
    routes: list[RouteFacts] = []
    for judged in routes_to(case, endpoints):
        if any(sample.get(name, 0) < _SAMPLE for name in judged.facts.endpoints):
            routes.append(judged.facts)
            sample.update((name, sample.get(name, 0) + 1) for name in judged.facts.endpoints)
    for nginx in case.snapshot.nginxes:
        ours = [facts for facts in routes if nginx.serves(facts)]
        found += [event for event in events_since(nginx, ours, since, until) if event.kind in kinds]
    return tuple(found)


def lost_paths(lost: Sequence[ErrorEvent]) -> frozenset[str]:
    """Return the paths of requests that were lost."""
    return frozenset(map(request_path, lost))


def most_lost_pages(lost: Sequence[ErrorEvent]) -> str:
    """Return the two pages that most ends cost, the likeliest to cause them first; of as many ends, the one with more
    requests. nginx writes whole seconds, so what one end cost has one time: other pages are lost as they come."""
    counts = Counter(map(request_path, lost))
    ends = Counter(path for path, _ in {(request_path(event), event.at // _CLOCK_STEP) for event in lost})
    return " and ".join(sorted(counts, key=lambda path: (-ends[path], -counts[path], path))[:_MAX_PAGES])


def is_failing_page_lost(asked: Sequence[RouteVerdict], lost: Sequence[ErrorEvent]) -> bool:
    """Return whether a page that fails when fixer asks for it is one of those that were lost."""
    failed = {path for judged in asked if judged.has_failures for path in failed_paths(judged.facts)}
    return not failed.isdisjoint(lost_paths(lost))


SIGNAL_NAMES = {4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV"}
FAULT_SIGNALS = frozenset({4, 6, 7, 8, 11})


def fault_signal_text(number: int) -> str:
    """Return what a signal of FAULT_SIGNALS says of the run that it ended."""
    return f"signal {number} ({SIGNAL_NAMES[number]}) ended its last run: a fault of the program itself"


def last_exit_signal(crash: FailedRun) -> int | None:
    """Return the signal that ended its last run: by its service manager, or by its journal during a restart."""
    number = manager_of(crash.service).exit_signal()
    if number is None and crash.service.unit is not None and is_restarting(crash.service):
        last = last_signal_line(crash.lines)
        number = last[1] if last is not None else None
    return number


def last_signal_line(lines: Sequence[LogLine]) -> tuple[LogLine, int] | None:
    """Return the manager's newest line on the end of a run, and the signal that it names; None if that is none."""
    ends = [(line, event) for line in lines
            if (event := event_of(line)) is not None and event.kind == "main-exited"][-1:]
    return next(((line, event.status) for line, event in ends
                 if event.code in ("killed", "dumped") and event.status), None)
