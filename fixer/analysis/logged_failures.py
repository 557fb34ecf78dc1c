"""Requests that nginx logged as ended in the last 15 minutes: whose they were, and which of them are over.

A failure is over when the state that explains it ended after it: by a reload, a start of the service, a step of a
repair. It is also over when its endpoint has since answered as many requests in a row as the failing share demands."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from fixer.analysis.case import Case, is_answering, is_dropping
from fixer.analysis.evidence import clock_of, find_node, processes_of
from fixer.analysis.hidden_failures import LOCAL_CLIENTS, is_marked_as_probe
from fixer.analysis.nginx_errors import is_from_current_worker, request_path, reuses_connections
from fixer.analysis.other_pages import asked_paths
from fixer.analysis.route_verdict import (
    CLOCK_GRAIN,
    LOGGED_SECONDS,
    RouteVerdict,
    is_answered_by_config,
    is_closed,
)
from fixer.analysis.service_state import start_time_of
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.nginx_config import ErrorKind
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx, Service
from fixer.nginx.error_kinds import (
    ANSWER_TIMEOUT,
    CONNECTING,
    CUT_IN_BODY,
    CUT_OFF,
    READ_TIMEOUT,
    Side,
    ends_request,
    side_of,
)

with lazy_imports():  # not needed in most looks
    from fixer.analysis.line_routes import LineRoutes, authority_of, endpoints_of, guards_of, named_endpoints

MIN_ANSWERS = 3             # answers in a row that end any failure
START_SECONDS = 90.0        # seconds that a start may take until the service listens: systemd's default limit
_CLOCK_AHEAD = 5.0
_RESPAWN_SECONDS = 2.0      # a master replaces a worker at once
_WORKER_ENDS = frozenset({"worker-killed", "worker-failed"})
_RIGHTS = frozenset({"connect-denied", "connect-not-permitted"})     # they are there or not: they do not come and go
_SURE = 3.0                 # -ln 0.05: a failing share of 1/n shows within 3n requests, in 19 of 20 cases
_CONNECTION = regex(r"^\d{4}/\d\d/\d\d \S+ \[[a-z]+\] (\d+#\d+: \*\d+) ")
REFUSALS = frozenset({"refused", "socket-missing"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class LoggedFailure:
    """Lines about the same routes and the same side, oldest first. `over` is why they say nothing about now; empty for
    lines that may still be true. `own` lines count our probes, which show what failed and are no failure themselves."""

    nginx: Nginx
    side: Side
    routes: tuple[RouteVerdict, ...]
    events: tuple[ErrorEvent, ...]
    over: str = ""

    @property
    def route_ids(self) -> tuple[str, ...]:
        """The ids of the routes that the lines can belong to."""
        return tuple(judged.facts.route.id for judged in self.routes)


def logged_failures(case: Case) -> tuple[LoggedFailure, ...]:
    """Return the failures of the last 15 minutes, in the order of the configuration."""
    return tuple(found for nginx in case.snapshot.nginxes for found in _failures_of(case, nginx))


def lasting_lines(case: Case, nginx: Nginx, kinds: Collection[ErrorKind]) -> list[ErrorEvent]:
    """Return its lines of these kinds by which requests ended, and after which too few were answered to say that it is
    over."""
    return [event for failure in logged_failures(case) if failure.nginx is nginx and not failure.over
            for event in failure.events if event.kind in kinds]


def _failures_of(case: Case, nginx: Nginx) -> Iterator[LoggedFailure]:
    now = clock_of(case.snapshot, nginx.node)
    events = [e for e in nginx.errors.or_else(()) if now - LOGGED_SECONDS < e.at <= now + _CLOCK_AHEAD
              and ends_request(e)]
    if not events:
        return
    index = LineRoutes(case, nginx)
    paths = {path for judged in case.verdicts.values() if nginx.serves(judged.facts)
             for path in (judged.facts.route.path, *asked_paths(judged.facts))}
    leading: dict[str, list[RouteVerdict]] = {}
    for judged in case.verdicts.values():
        for name in judged.facts.endpoints:
            leading.setdefault(name, []).append(judged)
    tried: dict[tuple[object, ...], list[ErrorEvent]] = {}
    for event in events:
        tried.setdefault(_request_of(event), []).append(event)
    groups: dict[tuple[tuple[str, ...], Side], tuple[tuple[RouteVerdict, ...], list[ErrorEvent]]] = {}
    own: dict[tuple[str, ...], list[ErrorEvent]] = {}
    for event in _final_lines(case, nginx, index, events):
        routes = index.of(event)
        ids = tuple(judged.facts.route.id for judged in routes)
        if _is_own(case, nginx, event, paths):
            own.setdefault(ids, []).append(event)
        else:
            groups.setdefault((ids, side_of(event)), (routes, []))[1].append(event)
    refusals = refusals_before(nginx)
    for (ids, side), (routes, lines) in sorted(groups.items(), key=lambda group: group[0]):
        parts = _sorted_out(case, nginx, routes, lines, tried=tried, own=own.get(ids, ()), leading=leading,
                            refusals=refusals)
        for lasting, over in parts:
            yield LoggedFailure(nginx, side, routes, lasting, over)


def _final_lines(case: Case, nginx: Nginx, index: LineRoutes, events: Sequence[ErrorEvent]) -> Iterator[ErrorEvent]:
    """Yield the lines after which nginx tried no other server: only those ended a request of a route.

    It logs one line for each server that it tries, and the last one ends the request. What fails in the middle of a
    body, or after a request was sent that may not be repeated (POST), is not tried again, nor is an unknown name.
    """
    tried = Counter(_request_of(event) for event in events)
    exhausted = {_request_of(event) for event in events if event.kind == "no-live-upstreams"}
    for event in events:
        routes = index.of(event)
        if not routes or _is_unseen(event, routes):
            continue
        may_repeat = event.kind in CONNECTING or _method_of(event) in _SAFE_METHODS
        again = event.kind not in CUT_IN_BODY and event.kind != "name-not-resolved" and may_repeat
        tries = min(_server_count(case, judged, event) for judged in routes)
        if again and tries > 1 and tried[_request_of(event)] < tries and _request_of(event) not in exhausted:
            continue
        yield event


def _server_count(case: Case, judged: RouteVerdict, event: ErrorEvent) -> int:
    """Return how many servers nginx may try for the request: 1 if the configuration allows no second, or if a variable
    chose an address that is in no group."""
    route = judged.facts.route
    ends = [case.endpoints[name] for name in judged.facts.endpoints]
    if "$" in route.pass_text and not route.upstream:
        groups = {(server.span.file, server.span.start): server.group for server in route.servers}
        led = {groups.get((end.file, end.start), "") for end in endpoints_of(case, (judged,), event)}
        ends = [end for end in ends if groups.get((end.file, end.start), "") in led - {""}]
    tries = sum(1 if end.single_address else len(end.addresses.or_else(())) or 1 for end in ends if not end.down)
    return 1 if route.one_try else max(1, tries)


def _is_unseen(event: ErrorEvent, routes: tuple[RouteVerdict, ...]) -> bool:
    """Return whether no visitor saw the failure: of a subrequest in the background (`mirror`)."""
    return ", subrequest: " in event.raw and not any(
        judged.facts.route.asked_first or judged.facts.route.included or not judged.facts.route.internal
        for judged in routes)


def _request_of(event: ErrorEvent) -> tuple[object, ...]:
    """Return what all lines about one request share: the worker and its number of the connection, and the request."""
    found = _CONNECTION.match(event.raw)
    return (found[1] if found is not None else (event.at, event.client), event.request)


def _is_own(case: Case, nginx: Nginx, event: ErrorEvent, paths: set[str | None]) -> bool:
    """Return whether the line is about a probe of ours, of this observation or an earlier one."""
    node = find_node(case.snapshot, nginx.node)
    if node is None or event.client not in LOCAL_CLIENTS | set(node.addresses):
        return False
    return is_marked_as_probe(event) or (
        event.at >= math.floor(node.now) and _method_of(event) == "GET" and request_path(event) in paths)


def _sorted_out(
    case: Case, nginx: Nginx, routes: tuple[RouteVerdict, ...], lines: list[ErrorEvent], *,
    tried: Mapping[tuple[object, ...], Sequence[ErrorEvent]], own: Sequence[ErrorEvent],
    leading: Mapping[str, Sequence[RouteVerdict]], refusals: Mapping[ErrorEvent, float],
) -> Iterator[tuple[tuple[ErrorEvent, ...], str]]:
    """Yield the lines that are over, with the reason, then those that are not. `tried` are all lines of each request:
    one that failed at several servers is over as soon as one of them has started since."""
    past: dict[str, list[ErrorEvent]] = {}
    left: list[ErrorEvent] = []
    for event in lines:
        ended = next(filter(None, (_end_of_state(case, nginx, routes, one, refusals, failed_at=event.at)
                                   for one in (event, *reversed(tried.get(_request_of(event), ()))))), "")
        past.setdefault(ended, []).append(event) if ended else left.append(event)
    for why, events in past.items():
        yield tuple(events), why
    if left:
        yield tuple(left), _answered_since(case, nginx, routes, left, own=own, leading=leading)


def refusals_before(nginx: Nginx) -> Mapping[ErrorEvent, float]:
    """Return, for each line, when the last one before it told of a refused connection to the same server: what follows
    is of a later run, since nothing listened in between. nginx's log tells whole seconds, its order tells more."""
    refused: dict[str, float] = {}
    found: dict[ErrorEvent, float] = {}
    for event in nginx.errors.or_else(()):
        server = authority_of(event.upstream)
        if event.kind in REFUSALS:
            refused[server] = event.at
        elif server in refused:
            found[event] = refused[server]
    return found


def is_of_run(event: ErrorEvent, refusals: Mapping[ErrorEvent, float], started: float) -> bool:
    """Return whether the line, in the very second of a start, is of the new run: a refused connection of that second,
    or of the one before, precedes it."""
    second = math.floor(started) if math.isfinite(started) else math.inf
    return event.at >= second and refusals.get(event, -math.inf) >= second - 1.0


def _end_of_state(case: Case, nginx: Nginx, routes: tuple[RouteVerdict, ...], event: ErrorEvent,
                  refusals: Mapping[ErrorEvent, float], *, failed_at: float) -> str:
    """Return what ended after the line, with its time; empty if nothing that explains it did. The request itself failed
    at `failed_at`."""
    loaded = 0.0 if _has_replaced_worker(nginx) else nginx.loaded_at.or_else(0.0)
    began = event.at - min(_seconds_waited(judged, event) for judged in routes)
    older = began < math.floor(loaded) or (loaded and not is_from_current_worker(event, nginx))     # whole seconds
    if older and not _is_of_unchanged_backend(event, nginx, began):
        return _end_text("nginx loaded its configuration", loaded, failed_at)
    since = case.snapshot.seconds_since_repair
    repaired = clock_of(case.snapshot, nginx.node) - since
    if since and began < repaired:
        return _end_text("a repair changed something", repaired, failed_at)
    if all(is_answered_by_config(judged, endpoints_of(case, (judged,), event), nginx) for judged in routes):
        return "nginx answers such requests by itself now"
    meant = guards_of(case, nginx, routes) if event.kind == "auth-request-failed" else routes
    ends = () if _is_of_unread_files(case, nginx, routes, event) else endpoints_of(case, meant, event)
    starts = [_start_after(case, end, event, began, refusals, failed_at=failed_at) for end in ends]
    return min(starts, default=(0.0, ""))[1]


def _is_of_unread_files(case: Case, nginx: Nginx, routes: tuple[RouteVerdict, ...], event: ErrorEvent) -> bool:
    """Return whether nginx asked an address that its files, changed since it read them, do not name any more: what
    listens at the one that they name tells nothing of it."""
    changed, loaded = nginx.config_mtime.or_else(0.0), nginx.loaded_at.or_else(math.inf)
    return changed > loaded + CLOCK_GRAIN and bool(event.upstream) and not named_endpoints(case, routes, event)


def _is_of_unchanged_backend(event: ErrorEvent, nginx: Nginx, began: float) -> bool:
    """Return whether the backend took the request and then failed, and no file of nginx has changed since: to load the
    same configuration again ends nothing there."""
    changed = nginx.config_mtime.or_else(math.inf)
    return event.kind in ANSWER_TIMEOUT | CUT_OFF and changed < began


def _end_text(did: str, at: float, failed_at: float) -> str:
    """Return what ended the state, with its time: a request of before may fail only after it."""
    return f"{did} at {time_text(at)}{', after that request had begun' if at < failed_at else ''}"


def _has_replaced_worker(nginx: Nginx) -> bool:
    """Return whether its oldest worker replaced one that ended by itself: its start was no reload."""
    loaded = nginx.loaded_at.or_else(0.0)
    return any(event.kind in _WORKER_ENDS and abs(event.at - loaded) <= _RESPAWN_SECONDS
               for event in nginx.errors.or_else(()))


def _seconds_waited(judged: RouteVerdict, event: ErrorEvent) -> float:
    """Return how long nginx had waited when it wrote the line: a limit that ends after a repair began before it."""
    route = judged.facts.route
    if event.kind in ("timeout-connect", "timeout-tls"):     # nginx limits a handshake as a connect
        return route.connect_timeout
    if event.kind == "timeout-send":
        return route.send_timeout
    return route.read_timeout if event.kind in READ_TIMEOUT else 0.0


def _start_after(case: Case, endpoint: Endpoint, event: ErrorEvent, began: float,
                 refusals: Mapping[ErrorEvent, float], *, failed_at: float) -> tuple[float, str]:
    """Return when the service behind an endpoint started after the line, and the text; (0.0, "") if it did not.
    A refused connection belongs to a start until the service listens, and a request that waited too long until its last
    worker was there: the first one takes all that wait. A start that ends no failure is none: a program that ends again
    and again has always just started."""
    service = case.service(endpoint.listening_service or endpoint.configured_service)
    if service is None or is_closed(endpoint) is True or is_dropping(endpoint):
        return 0.0, ""
    starts = _process_starts(case, service) or [start_time_of(service)]
    complete = max(start for start in starts if start - starts[0] < START_SECONDS)
    slack = START_SECONDS if event.kind in REFUSALS and is_closed(endpoint) is False else 0.0
    limit = complete if event.kind in ANSWER_TIMEOUT else starts[0] + slack
    if is_of_run(event, refusals, starts[0]):
        return 0.0, ""
    if began >= limit:
        return 0.0, ""
    if slack and starts[0] < failed_at + 1.0:      # refused in the second of the start, or later
        return starts[0], f"{service.name}, which started at {time_text(starts[0])}, listens now"
    if began >= starts[0]:
        return starts[0], _end_text(f"the start of {service.name} was complete", complete, failed_at)
    return starts[0], _end_text(f"{service.name} started", starts[0], failed_at)


def started_at(case: Case, service: Service) -> float:
    """Return when the oldest process of a service started, else when its manager says so; 0.0 if unknown."""
    return next(iter(_process_starts(case, service)), start_time_of(service))


def _process_starts(case: Case, service: Service) -> list[float]:
    """Return when the processes of a service started, the oldest first."""
    return sorted(process.started_at for process in processes_of(case.snapshot, service.node, service.pids))


def _answered_since(
    case: Case, nginx: Nginx, routes: tuple[RouteVerdict, ...], lines: list[ErrorEvent], *,
    own: Sequence[ErrorEvent], leading: Mapping[str, Sequence[RouteVerdict]],
) -> str:
    """Return that the endpoints have answered enough requests since, as text; empty if they have not. What our own
    probes met (`own`) shows for which pages the same failure would show; another failure of theirs shows nothing.

    The share is that of the seconds with a failure between the first and the last one, as no line tells of requests
    that went well. The failure must also have paused for longer than it did before.
    """
    unloaded = all(_is_of_unread_files(case, nginx, routes, event) for event in lines)
    ends = {} if unloaded else {end.id: end for event in lines for end in endpoints_of(case, routes, event)}
    asked = {path for judged in routes for path in asked_paths(judged.facts)}
    kinds = {event.kind for event in lines if not is_of_connection(event)}
    paths = {request_path(event) for event in own if event.kind in kinds} | {
        path for event in lines if _method_of(event) in _SAFE_METHODS and (path := request_path(event)) in asked}
    independent = not kinds
    if not (ends or unloaded) or not (independent or paths):
        return ""       # nobody has made such a request again
    if not independent and any(map(reuses_connections, routes)) and any(
            _method_of(event) not in _SAFE_METHODS for event in lines):
        return ""       # on a connection that was kept, nginx repeats a GET: its answer says nothing of a POST
    seconds = sorted({math.floor(event.at) for event in lines})
    span = seconds[-1] - seconds[0] + 1
    pause = max((later - earlier for earlier, later in pairwise(seconds)), default=0)
    quiet = clock_of(case.snapshot, nginx.node) - seconds[-1]
    steady = len(seconds) == span or all(event.kind in _RIGHTS for event in lines)
    demanded = MIN_ANSWERS if steady else max(MIN_ANSWERS, math.ceil(_SURE * span / len(seconds)))
    wanted, is_read_whole = None if independent else paths, not kinds.isdisjoint(CUT_IN_BODY)
    if unloaded:        # only its own answers tell of that address
        answers = min(_answers_for(judged, wanted, is_read_whole=is_read_whole)
                      if judged.state == "ok" and not _is_turned_away(judged) else 0 for judged in routes)
    else:
        answers = min(_answers_in_a_row(end, leading.get(name, ()), wanted, is_read_whole=is_read_whole)
                      for name, end in ends.items())
    if answers < demanded or quiet < pause:
        return ""
    return f"{answers} requests in a row were answered since {time_text(lines[-1].at)}"


def is_of_connection(event: ErrorEvent) -> bool:
    """Return whether no page was asked for yet: any other answer of the server shows that it is over."""
    return event.kind in CONNECTING or event.kind == "name-not-resolved"


def _answers_in_a_row(endpoint: Endpoint, leading: Sequence[RouteVerdict], paths: set[str] | None, *,
                      is_read_whole: bool) -> int:
    """Return how many requests an endpoint answered now, directly and by the routes that lead to it; 0 if one failed.
    Only pages in `paths` count. Where connections failed (`paths` is None), each
    answer counts, and a connection that it accepts is one, too. Where answers ended early, only those count that were
    read to their end (`is_read_whole`): a status goes out first."""
    connects = paths is None
    heard = endpoint.http.or_else(None)
    answers = is_answering(endpoint) and (not is_read_whole or (heard is not None and heard.whole is True))
    if is_closed(endpoint) is True and not answers:
        return 0
    count = answers + (connects and (answers or is_closed(endpoint) is False))
    for judged in leading:
        if judged.state in ("failing", "degraded"):
            return 0
        if answers or not _may_have_asked_another(judged):
            count += _answers_for(judged, paths, is_read_whole=is_read_whole)
    return count


def _is_turned_away(judged: RouteVerdict) -> bool:
    """Return whether the route lets nobody in without a proof of identity: nginx itself may have said so."""
    return any(probe.status in (401, 403) for probe in judged.facts.probes.or_else(()))


def _may_have_asked_another(judged: RouteVerdict) -> bool:
    """Return whether the request chooses one of several addresses: an answer of the route is not of each."""
    route = judged.facts.route
    return "$" in route.pass_text and not route.upstream and len(judged.facts.endpoints) > 1


def _answers_for(judged: RouteVerdict, paths: set[str] | None, *, is_read_whole: bool) -> int:
    """Return how many requests for these pages (None: for any) succeeded; of the route's own page all, if it is one of
    them. A `map` leads a request with another name to another address: it does not count."""
    route, every = judged.facts.route, judged.facts.probes.or_else(())
    probes = [probe for probe in every if not (probe.host and route.mapped_hosts)]
    if len(probes) == len(every) and (paths is None or (
            {probe.page for probe in probes} <= {""} and not is_read_whole)):
        return judged.succeeded if paths is None or route.path in paths else 0
    return sum((paths is None or (probe.page or route.path) in paths) and (probe.status or 500) < 500
               and (probe.whole is True or not is_read_whole) for probe in probes)


def _method_of(event: ErrorEvent) -> str:
    return event.request.partition(" ")[0]


def time_text(at: float) -> str:
    """Return the time of day, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"
