"""nginx gives up on pages that need longer than it waits; the backend is well and would have answered.
nginx logs `upstream timed out` (504) after exactly that time. Raise the limit of the location of those pages.

By hand
  grep 'timed out' /var/log/nginx/error.log                           # which pages, after how many seconds?
  grep -Rn _timeout /etc/nginx/                                       # none: 60 s
  time curl -so /dev/null http://127.0.0.1:8000/PAGE                  # how long does the backend need?
  curl -iN --raw --trace-time --trace - http://127.0.0.1:8000/PAGE    # when does which byte of the header come?
  proxy_read_timeout 120s;                                            # in that location: longer than its pages need
  nginx -t && nginx -s reload

What it is
  A limit in the location (proxy_read_timeout, proxy_send_timeout; 60 s where nothing is said) is shorter than what
  some pages take: a report, an export, an upload. The other pages of the same backend answer at once. With several
  servers in an upstream block each of them is tried, so that a visitor waits a multiple of the limit, and each try
  counts against the server: soon nginx takes none of them for alive and answers 502 to everybody.
  The read limit bounds the whole header of an answer: nginx does not restart the wait for each piece of it. If a
  backend sends its header a few bytes at a time, nginx gives it up although bytes keep coming (header-trickle-timeout).

Why nginx says 504
  `upstream timed out (110: Connection timed out) while reading response header from upstream` (or `while sending
  request`), exactly that many seconds after the request came; then perhaps `no live upstreams`.

How it is told apart
  Several such lines within a minute, the last of them seconds old and none about a page that we ask for, while the
  backend answers a question of ours at once and nobody waits in its queue. overload-saturated has a queue, and asking
  it is slow too; backend-hung answers nobody; cpu-throttled answers late.
  Where somebody set a limit below nginx's own 60 s, two such lines of the last 15 minutes are enough if all are about
  one page, nothing else failed, no three of them waited at the same time (as under load), and nothing shows that this
  is over. A single line is no more than possible.
  Where the very page that we ask for is late, it is enough that the backend, asked directly with nobody else there,
  answers it well and takes longer than nginx waits.
  uwsgi is asked directly as HTTP is. A server that speaks another protocol (FastCGI, SCGI, gRPC) is asked through nginx
  only: what it answers there at once counts, unless a cache or a file may have answered. uWSGI's log says how long each
  request took: one that it answered after nginx had given it up proves that the page is late, also where it is the page
  that we ask for.
  header-trickle-timeout: asked directly, the backend begins an answer, and its header is not whole when our time is
  over; nginx gave up (504, or its log) meanwhile. Where a single page does that and the others are quick, nginx's log
  has the same line as for any late page, so it is told as read-timeout-too-short.
  websocket-idle-cut is advice: three lines `while proxying upgraded connection` within 15 minutes. No page fails.
  nginx writes them only where error_log asks for level info: at its default level it closes such sockets in silence.

The repair and its safety
  raise-time-limit (safe; disruptive if too few requests fail to measure it): the limit of the location whose pages
  time out, in the file where it stands, then nginx -t and a reload. 60 s, nginx's own default, unless `--set
  seconds=N` says otherwise; where it is that long already, only a person can say how long such a page may take. An
  upload that the backend does not read, and a header that it does not send in one piece, are the backend's to mend.

Variants
  read-timeout-too-short    proxy_read_timeout is shorter than a page takes
  header-trickle-timeout    the header of an answer comes in pieces, for longer than proxy_read_timeout
  send-timeout-upload       the backend does not read an upload in time
  retry-multiplies-timeout  nginx tries several servers, and each try waits for the whole limit
  websocket-idle-cut        nginx closes open sockets (WebSocket) on which no byte comes for proxy_read_timeout
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.analysis.backend_answers import BackendAnswers, backend_answers
from fixer.analysis.case import Case, is_answering
from fixer.analysis.cause import Cause, Outcome, conclude, sort_outcomes
from fixer.analysis.evidence import clock_of, listener_at
from fixer.analysis.logged_failures import logged_failures
from fixer.analysis.nginx_errors import asked_page, recent_lines_by_route, was_logged_since
from fixer.analysis.other_pages import answered_paths, failed_paths
from fixer.analysis.route_verdict import LOGGED_SECONDS, RouteVerdict
from fixer.analysis.service_state import start_time_of
from fixer.causes.timeout_too_short.answer_times import AnswerTime, limit_evidence, logged_time, own_page_time
from fixer.causes.timeout_too_short.idle_sockets import idle_socket_findings
from fixer.causes.timeout_too_short.trickling_header import judge_trickling
from fixer.formats.numbers import times_text
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Confidence, Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx
from fixer.nginx.error_kinds import READ_TIMEOUT
from fixer.repairs.file_edits import NotEditable, check_and_reload_steps, edit_risk, overwriters_text
from fixer.repairs.nginx_directives import DirectiveValue, set_directives

LAST_EVENT_SECONDS = 15.0       # seconds: maximum age of the last line
MIN_EVENTS = 3        # lines within a minute that are no coincidence
QUICK_MS = 1000.0     # milliseconds: a faster answer is no sign of load
DEFAULT_SECONDS = 60.0       # seconds: nginx's default
INPUT_KEY = "seconds"
_POOL_CONNECTIONS = 40         # connections: this many may fill a thread pool, which is load


@dataclass(frozen=True, slots=True)
class _TimedOutRoute:
    """A route whose requests reach a timeout while its backend works."""

    nginx: Nginx
    verdict: RouteVerdict
    timeouts: tuple[ErrorEvent, ...]
    no_live_upstream: tuple[ErrorEvent, ...]
    endpoints: tuple[Endpoint, ...]
    is_sending: bool
    answers: tuple[Evidence, ...]  # that the backend works
    took: AnswerTime | None = None  # a page that was late, and that the backend answered after nginx's limit
    is_own_page: bool = False      # it is the one that we ask for
    is_one_page: bool = False      # all lines of the last 15 minutes are about one page

    @property
    def confidence(self) -> Confidence:
        """Return `possible` for a single line that nothing else supports."""
        return "possible" if self.is_one_page and len(self.timeouts) == 1 and self.took is None else "likely"

    @property
    def proof(self) -> str:
        """Return what shows that the backend works."""
        quick = "the backend answers other requests at once"
        if self.took is None:
            return quick
        return self.took.text if self.is_own_page else f"{self.took.text}, and {quick}"

    @property
    def count(self) -> str:
        """Return how many lines there are."""
        return times_text(len(self.timeouts))

    @property
    def span(self) -> str:
        """Return within which time nginx wrote the lines."""
        same = ", always for the same page" if len(self.timeouts) > 1 else ""
        return f"{LOGGED_SECONDS / 60:.0f} minutes{same}" if self.is_one_page else "a minute"

    @property
    def limit(self) -> float:
        """Return the seconds after which nginx gave up."""
        route = self.verdict.facts.route
        return route.send_timeout if self.is_sending else route.read_timeout

    @property
    def directive(self) -> str:
        """Return the name of the timeout directive."""
        family = self.verdict.facts.route.kind.removesuffix("_pass")
        return f"{family}_{'send' if self.is_sending else 'read'}_timeout"


def judge(case: Case) -> Verdict:
    """Judge each route with several recent timeouts: does its backend answer at once, without a queue?"""
    outcomes: list[Outcome] = []
    for nginx in case.snapshot.nginxes:
        if isinstance(nginx.errors, Unknown) and nginx.master_pid is not None:
            outcomes.append(f"the error log of nginx on {nginx.node}: {nginx.errors.reason}")
        outcomes += _judge_nginx(case, nginx)
    findings, missing, ruled = sort_outcomes(outcomes, case.observed)
    found = {route for finding in findings for route in finding.routes}
    findings += (finding for finding in _lasting_findings(case) if not found.intersection(finding.routes))
    for trickling in judge_trickling(case):
        if isinstance(trickling, Finding):
            findings.append(trickling)
        else:
            missing.append(trickling)
    return conclude([*findings, *idle_socket_findings(case)], missing, ruled)


def _judge_nginx(case: Case, nginx: Nginx) -> Iterator[Finding | str | Evidence]:
    late = recent_lines_by_route(case, nginx, READ_TIMEOUT | {"timeout-send"})
    none_left = recent_lines_by_route(case, nginx, {"no-live-upstreams"}) if late else {}
    gone: dict[str, tuple[ErrorEvent, ...]] = {}
    for judged, events in none_left.values():       # several locations may use one group
        group = judged.facts.route.upstream
        gone[group] = tuple(sorted((*gone.get(group, ()), *events), key=lambda event: event.at))
    for judged, events in late.values():
        group = judged.facts.route.upstream
        yield _judge_route(case, nginx, judged, events, gone.get(group, ()) if group else ())


def _judge_route(
    case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...], none_left: tuple[ErrorEvent, ...],
) -> Finding | str | Evidence:
    last = events[-1]
    shown = Evidence("nginx-log", last.where, f"{times_text(len(events))} within a minute: {last.raw}")
    endpoints = tuple(e for e in case.reached(judged.facts) if not e.down)
    # one slow page marks each server of a group as failed; later requests fail before a timeout
    all_gone = len(endpoints) > 1 and len(none_left) >= MIN_EVENTS and len(events) >= len(endpoints)
    times = [own_page_time(case, judged, e, events) for e in endpoints] if judged.state == "failing" else []
    slow = [took for took in times if took is not None]
    if slow and len(slow) == len(endpoints):
        return _timeout_finding(case, _TimedOutRoute(
            nginx, judged, events, none_left, endpoints, is_sending=False, answers=tuple(t.evidence for t in slow[:3]),
            took=max(slow, key=lambda took: took.seconds), is_own_page=True))
    if not endpoints or (len(events) < MIN_EVENTS and not all_gone):
        return shown
    answers = backend_answers(case.snapshot, nginx, judged, endpoints)
    if isinstance(answers, Unknown):
        return answers.reason
    newest = max(line.at for line in (last, *none_left))
    if clock_of(case.snapshot, nginx.node) - newest > LAST_EVENT_SECONDS or any(_is_about_asked_path(
        e, endpoints, judged) for e in events):
        return shown        # ended, or slow for a page that is fast now: another fault
    if any(_is_from_other_process(case, e, events) for e in endpoints):
        return shown
    if not _has_spare_capacity(endpoints, answers.value) or not (_may_be_late(judged, endpoints) or none_left):
        return shown
    sending = sum(e.kind == "timeout-send" for e in events) * 2 > len(events)
    return _timeout_finding(case, _TimedOutRoute(
        nginx, judged, events, none_left, endpoints, sending, answers.value.evidence,
        None if sending else logged_time(case, endpoints, events, judged.facts.route.read_timeout)))


def _lasting_findings(case: Case) -> Iterator[Finding]:
    """Yield a finding for each route of which one page, and nothing else, has met a limit that somebody set lower than
    nginx's own before its header came, and nothing shows that this is over. Load makes several requests wait at the
    same time, and a body that stops in the middle hangs for any limit."""
    for failure in logged_failures(case):
        judged, events = failure.routes[0], failure.events
        endpoints = tuple(e for e in case.reached(judged.facts) if not e.down)
        paths = {asked_page(event) for event in events}
        one_page = len(paths) == 1 and min(paths).startswith("/") and all(e.kind == "timeout-read" for e in events)
        if failure.over or len(failure.routes) != 1 or not one_page or not endpoints:
            continue
        limit = judged.facts.route.read_timeout
        if limit >= DEFAULT_SECONDS or not _may_be_late(judged, endpoints) or _is_about_asked_path(
                events[-1], endpoints, judged):
            continue
        if _most_at_once(events, limit) >= MIN_EVENTS:
            continue        # an overload that has passed leaves such lines
        answers = backend_answers(case.snapshot, failure.nginx, judged, endpoints)
        if isinstance(answers, Unknown) or not _has_spare_capacity(endpoints, answers.value) or any(
                _is_from_other_process(case, e, events) for e in endpoints):
            continue
        yield _timeout_finding(case, _TimedOutRoute(
            failure.nginx, judged, events, (), endpoints, is_sending=False, answers=answers.value.evidence,
            took=logged_time(case, endpoints, events, limit), is_one_page=True))


def _most_at_once(events: Sequence[ErrorEvent], limit: float) -> int:
    """Return how many of these requests waited at the same time; the times of the log are whole seconds."""
    times = sorted(event.at for event in events)
    first = most = 0
    for number, at in enumerate(times):
        while at - times[first] >= max(limit, 1.0):
            first += 1
        most = max(most, number - first + 1)
    return most


def _is_about_asked_path(event: ErrorEvent, endpoints: tuple[Endpoint, ...], judged: RouteVerdict) -> bool:
    """Return whether the line is about a path that fixer probed, too, and that answered."""
    return asked_page(event) in {*answered_paths(judged.facts), *(e.path for e in endpoints if is_answering(e))}


def _may_be_late(judged: RouteVerdict, endpoints: tuple[Endpoint, ...]) -> bool:
    """Return whether our own requests leave it open that a page is only late: none failed, or none of the pages that
    failed was asked for directly."""
    asked = {endpoint.path for endpoint in endpoints}
    return not judged.has_failures or (judged.state == "failing" and asked.isdisjoint(failed_paths(judged.facts)))


def _is_from_other_process(case: Case, endpoint: Endpoint, events: tuple[ErrorEvent, ...]) -> bool:
    """Return whether another process answers there, or the service restarted after those lines."""
    if endpoint.listening_service is not None and endpoint.configured_service not in (None, endpoint.listening_service):
        return True
    service = case.service(endpoint.configured_service)
    return service is not None and not was_logged_since(events[0], start_time_of(service))


def _has_spare_capacity(endpoints: Sequence[Endpoint], answers: BackendAnswers) -> bool:
    """Return whether all answer at once, and neither a queue nor a thread pool can be full."""
    held = [listener for endpoint in endpoints if (listener := listener_at(endpoint)) is not None]
    return answers.all_answered and answers.slowest_ms < QUICK_MS and not any(
        listener.queued > 0 or listener.established >= _POOL_CONNECTIONS for listener in held)


def _timeout_finding(case: Case, seen: _TimedOutRoute) -> Finding:
    route, last = seen.verdict.facts.route, seen.timeouts[-1]
    several = len(route.servers) > 1 and bool(seen.no_live_upstream)
    variant = "send-timeout-upload" if seen.is_sending else (
        "retry-multiplies-timeout" if several else "read-timeout-too-short")
    late = {asked_page(event) for event in seen.timeouts}
    page = late.pop() if len(late) == 1 else ""
    what = "the upload was not read" if seen.is_sending else f"{page} needs longer" if page else "pages need longer"
    summary = (f"nginx gives up on {route.location} after {seen.limit:g} s ({seen.count} within {seen.span}): "
               f"{what}; {seen.proof}")
    if several:
        summary += ("; each try counts as a failure of its server, so nginx has no live server left "
                    f"({times_text(len(seen.no_live_upstream))})")
    times = (seen.took.evidence,) if seen.took is not None else ()
    limit = limit_evidence(case, seen.nginx, route, "send" if seen.is_sending else "read")
    lines = (Evidence("nginx-log", last.where, f"{seen.count} within {seen.span}: {last.raw}"),
             *(Evidence("nginx-log", e.where, e.raw) for e in seen.no_live_upstream[-1:]))
    return Finding(
        cause=CAUSE.id, variant=variant, role="root", confidence=seen.confidence,
        summary=summary, detail=(), service=None,
        routes=tuple(dict.fromkeys((route.id, *(_group_routes(case, seen) if several else ())))),
        node=seen.nginx.node,
        evidence=tuple(dict.fromkeys((*lines, limit, *seen.answers, *times))),
        is_late=seen.verdict.state == "slow" and seen.took is None,
        repairs=(_mend_upload_repair(seen) if seen.is_sending else _raise_timeout_repair(case, seen),),
    )


def _group_routes(case: Case, seen: _TimedOutRoute) -> tuple[str, ...]:
    """Return the failing routes of the same upstream group: without an available server all of them fail."""
    group = seen.verdict.facts.route.upstream
    return tuple(j.facts.route.id for j in case.verdicts.values() if group and j.facts.route.upstream == group
                 and j.state in ("failing", "degraded") and seen.nginx.serves(j.facts))


def _mend_upload_repair(seen: _TimedOutRoute) -> Repair:
    manual = (
        f"the backend of {seen.verdict.facts.route.location} accepts connections but does not read what is sent: fix "
        f"its upload. {seen.directive} only sets how long nginx waits for it"
    )
    return Repair("mend-upload", "manual", "let the backend read uploads", (), manual=manual)


def _raise_timeout_repair(case: Case, seen: _TimedOutRoute) -> Repair:
    route = seen.verdict.facts.route
    longest = max(seen.limit, seen.took.seconds if seen.took is not None else 0.0)
    default = f"{DEFAULT_SECONDS:g}" if longest < DEFAULT_SECONDS else None
    need = Need(INPUT_KEY, "value",
                f"how many seconds a page of {route.location} may take; nginx waits {seen.limit:g} now",
                default=default, pattern="[1-9][0-9]{0,4}")
    chosen = case.inputs.get(INPUT_KEY, default)
    summary = f"let nginx wait longer for {route.location} ({seen.directive}, now {seen.limit:g} s)"
    if chosen is None:
        return Repair("raise-time-limit", "safe", summary, (), (need,))
    edit = set_directives(case.snapshot, seen.nginx, [DirectiveValue(route, seen.directive, f"{chosen}s")], summary)
    if isinstance(edit, NotEditable):
        where = f"{route.source.file}:{route.source.line}"
        manual = f"set {seen.directive} {chosen}s in the location at {where}: {edit.reason}"
        return Repair("raise-time-limit", "manual", summary, (), (need,), manual)
    summary = (f"{seen.directive} {chosen}s instead of {seen.limit:g} s at "
               f"{edit.where[0]}{overwriters_text((edit.file,))}")
    return Repair("raise-time-limit", edit_risk((edit.file,), "safe"), summary,
                  (edit.step, *check_and_reload_steps(case.snapshot, seen.nginx)), (need,))


CAUSE = Cause(
    id="timeout-too-short",
    title="nginx waits less time than some pages need",
    family="overload, comes and goes",
    variants=("read-timeout-too-short", "header-trickle-timeout", "send-timeout-upload", "retry-multiplies-timeout",
              "websocket-idle-cut"),
    verdict=judge,
    page=__doc__,
)
