"""Services that end in the middle of requests and are started again each time: between two ends they answer well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.analysis.case import Case
from fixer.analysis.evidence import clock_of, config_evidence, log_evidence
from fixer.analysis.exits.kills import (
    FAULT_SIGNALS,
    RECENT_DEATH,
    cut_off_requests,
    fault_signal_text,
    is_failing_page_lost,
    last_signal_line,
    most_lost_pages,
    oom_killings,
    routes_to,
)
from fixer.analysis.hidden_failures import lines_of_visitors
from fixer.analysis.ownership.configured import endpoints_of
from fixer.analysis.route_verdict import RouteVerdict, events_since
from fixer.analysis.run_log import has_kind, last_run_lines, lines_of, message_of, program_lines
from fixer.analysis.service_state import restart_count_of, run_state_of, start_time_of, state_evidence
from fixer.formats.numbers import times_text
from fixer.formats.run_output import WORKER_RECYCLED, ends_run, says_ready, says_start_failed
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Confidence, Finding, Repair, Role
from fixer.model.facts import Evidence
from fixer.model.snapshot import Endpoint, ErrorEvent, LogLine, Service
from fixer.nginx.error_kinds import CONNECTING

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.exit_reason import last_error_lines

_SURE_ENDS = 2          # restarts by the manager itself from which they are no accident
_MIN_LOST = 2           # requests that nginx lost in the middle, of pages that are well now
_CLOCK_SLACK = 2.0      # seconds between nginx's clock, in whole seconds, and the manager's
_START_SECONDS = 90.0        # seconds that a manager may wait before it starts a service again


def lost_request_findings(case: Case, cause: str) -> Iterator[Finding]:
    """Yield a finding for each service that runs, has just been started again by its manager, and ended before in the
    middle of requests. It is the root if the page that fails now is one of them, or is refused since the last of them;
    one end of another page is nothing."""
    for service in case.snapshot.services:
        endpoints = [e for e in endpoints_of(case, service)
                     if e.listening_service in (None, service.id)]      # no stranger holds its port
        if not endpoints or run_state_of(service) != "running":
            continue
        now, started = clock_of(case.snapshot, service.node), start_time_of(service)
        if not restart_count_of(service) or now - started > RECENT_DEATH or _has_other_reason(case, service):
            continue
        quiet = case.snapshot.seconds_since_repair
        if quiet and 0.0 <= now - quiet - started < _START_SECONDS:
            continue        # fixer's repair started it: that has explained what was before
        lost = cut_off_requests(case, endpoints, now - RECENT_DEATH)
        many = len(lost) >= _MIN_LOST or is_failing_page_lost(routes_to(case, endpoints), lost)
        if many and any(started - _START_SECONDS <= event.at <= started for event in lost):
            found = _finding(case, service, endpoints, lost, cause)
            if found.role == "root" or found.confidence == "likely":
                yield found
            continue
        refused = cut_off_requests(case, endpoints, now - RECENT_DEATH, kinds=CONNECTING)
        between = [event for event in refused if started - _START_SECONDS <= event.at <= started + _CLOCK_SLACK]
        if len(between) >= _MIN_LOST and restart_count_of(service) >= _SURE_ENDS and _served_before(
                service, now - RECENT_DEATH, started):
            yield _refused_finding(case, service, endpoints, refused, cause)


def _served_before(service: Service, since: float, started: float) -> bool:
    """Return whether an earlier run had come to serve: it ended without an error, or said that it was ready, and no run
    failed at its start. A start that failed a few times until something else was there is over once it succeeds."""
    lines = [line for line in lines_of(service) if line.at is not None and since <= line.at <= started]
    texts = [message_of(line) for line in lines]
    return any(has_kind(line, "succeeded") for line in lines) or (
        any(map(says_ready, texts)) and not any(says_start_failed(text) or ends_run(text) for text in texts))


def _has_other_reason(case: Case, service: Service) -> bool:
    """Return whether it ends itself on purpose, or the kernel ends it for want of memory: other causes say so."""
    return bool(oom_killings(case, service)) or any(
        WORKER_RECYCLED.search(message_of(line)) for line in lines_of(service))


def _is_refused_since(case: Case, asked: Sequence[RouteVerdict], at: float) -> bool:
    """Return whether a route fails, and its newest line says that nothing listened: each page does while the service is
    started again, not only the one that ends it."""
    newest = [events[-1] for judged in asked
              if judged.has_failures and (nginx := case.snapshot.nginx_of(judged.facts)) is not None
              and (events := events_since(nginx, [judged.facts], at))]
    return any(event.kind in ("refused", "socket-missing") for event in newest)


def _refused_finding(case: Case, service: Service, endpoints: Sequence[Endpoint], refused: Sequence[ErrorEvent],
                     cause: str) -> Finding:
    asked, visitors = routes_to(case, endpoints), lines_of_visitors(refused)
    ends = [line for line in lines_of(service) if has_kind(line, "succeeded", "main-exited")][-1:]
    is_clean = bool(ends) and has_kind(ends[0], "succeeded")
    manual = (f"{service.name} ends without an error each time: its command must keep running, in the foreground"
              if is_clean else f"find out what ends {service.name}: its log before each end, a limit, or a person")
    summary = (f"{service.name} ends again and again and is started again each time ({restart_count_of(service)} "
               f"times); until it listens again nginx is refused, {times_text(len(visitors))} within 3 minutes")
    role: Role = "root" if _is_refused_since(case, asked, refused[0].at) else "contributing"
    return _loop_finding(case, service, endpoints, visitors, (cause, role, "likely"), summary=summary, manual=manual,
                         shown=ends)


def _finding(case: Case, service: Service, endpoints: Sequence[Endpoint], lost: tuple[ErrorEvent, ...],
             cause: str) -> Finding:
    asked, ends = routes_to(case, endpoints), restart_count_of(service)
    fails = is_failing_page_lost(asked, lost) or _is_refused_since(case, asked, lost[-1].at)
    visitors = lines_of_visitors(lost)
    count = "1 request" if len(visitors) == 1 else f"{len(visitors)} requests"
    manner = (f"ends in the middle of requests and is started again each time ({ends} times)" if ends > 1
              else "ended in the middle of requests and was started again")
    signal = last_signal_line(lines_of(service))
    why = f"; {fault_signal_text(signal[1])}" if signal is not None and signal[1] in FAULT_SIGNALS else ""
    manual = (f"find out what ends {service.name} while it answers {most_lost_pages(lost)}: its log of that moment, a "
              "native module (run it with PYTHONFAULTHANDLER=1), a limit, or a person")
    role: Role = "root" if fails else "contributing"
    confidence: Confidence = "likely" if ends >= _SURE_ENDS else "possible"
    return _loop_finding(case, service, endpoints, visitors, (cause, role, confidence),
                         summary=f"{service.name} {manner}; nginx lost {count} within 3 minutes{why}", manual=manual,
                         shown=[signal[0]] if signal is not None and why else [])


def _loop_finding(case: Case, service: Service, endpoints: Sequence[Endpoint], visitors: Sequence[ErrorEvent],
                  rank: tuple[str, Role, Confidence], *, summary: str, manual: str,
                  shown: Sequence[LogLine]) -> Finding:
    """Return the finding, with the last error of its log, and the lines that are `shown` beside it."""
    cause, role, confidence = rank
    asked = routes_to(case, endpoints)
    nginx = case.snapshot.nginx_of(asked[0].facts) if asked else None
    words = last_error_lines(program_lines(last_run_lines(case.snapshot, service)))[-1:]
    return Finding(
        cause=cause, variant="container-crash-loop" if service.container is not None else "crash-loop-below-limit",
        role=role, confidence=confidence, summary=summary, detail=(),
        routes=tuple(j.facts.route.id for j in asked), service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            state_evidence(service), *(log_evidence(line.text, line.where) for line in (*words, *shown)),
            *((config_evidence(case.snapshot, nginx, endpoints[0]),) if nginx is not None else ()),
            Evidence("nginx-log", visitors[-1].where, f"{times_text(len(visitors))}: {visitors[-1].raw}"),
        ))),
        repairs=(Repair("start-service", "manual", f"correct what ends {service.name}", (), manual=manual),),
    )
