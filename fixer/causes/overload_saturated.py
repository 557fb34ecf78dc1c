"""The backend works as fast as it can, and more requests come in than its workers finish in time.
nginx logs `upstream timed out … while reading response header` (504) among good answers. Give the backend more workers.

By hand
  ss -ltn 'sport = :PORT'         # Recv-Q: how many wait?
  systemctl edit --full UNIT      # uvicorn … --workers 8; or Environment=WEB_CONCURRENCY=8
  systemctl restart UNIT
  docker compose up -d SERVICE    # after --workers 8, or WEB_CONCURRENCY: 8, in the compose file

What it is
  Each worker serves one request at a time (a handler that waits inside the event loop, a synchronous server). With
  more visitors than workers, requests queue; those that wait longer than proxy_read_timeout end as 504, and the backend
  goes on working on requests that nobody waits for any more.

Why nginx says 504
  `upstream timed out (110: Connection timed out) while reading response header from upstream`, mixed with answers.
  Where nginx speaks TLS to the backend, it waits for the handshake: `… while SSL handshaking to upstream`.

How it is told apart
  Requests are being finished (a probe succeeds, its log shows finished requests of the last seconds), while the
  kernel counts more connections on its socket than it has workers, and nginx's log shows several time-outs within the
  last minute. backend-hung finishes nothing. A single slow page without a queue is timeout-too-short. A full pool of
  threads shows more than 40 of them and more than 40 visitors, while pages that need no thread answer at once. A
  limit shows itself: "Exceeded concurrency limit" in the server's log, or max_conns in the upstream block and "no live
  upstreams" while its servers answer.

The repair and its safety
  add-workers (disruptive): more worker processes, written where the number is set already: the option --workers, or
  WEB_CONCURRENCY in the place that feeds the service its variables (uvicorn and gunicorn read it); then a restart.
  The number is computed from what waits now; `--set workers=N` overrides it. A longer time limit is never offered:
  it makes visitors wait longer and serves none of them more.
  raise-concurrency-limit (disruptive), raise-max-conns (safe): eight times the limit, or what a person says.

Variants
  single-worker-overload  more requests than its workers can serve
  threadpool-exhausted    every thread of the pool is in use (40 by default)
  limit-concurrency-503   uvicorn refuses what exceeds --limit-concurrency
  max-conns-reached       every server of the upstream has reached max_conns
"""

from __future__ import annotations

from collections.abc import Iterable

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, add_finding, conclude
from fixer.analysis.evidence import clock_of, config_evidence, file_line_text, listener_at, log_evidence, processes_of
from fixer.analysis.load.pressure import Pressure, is_paused, pressure_evidence, pressures, stopped_processes
from fixer.analysis.nginx_errors import recent_lines_by_route, symptom_evidence
from fixer.analysis.route_verdict import RouteVerdict
from fixer.analysis.run_log import lines_of, message_of
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.errors import StepFailed
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Endpoint, ErrorEvent, LogLine, Nginx, Service
from fixer.nginx.error_kinds import ANSWER_TIMEOUT, READ_TIMEOUT
from fixer.repairs.file_edits import (
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    locate_editable_file,
    overwriters_text,
    replace_argument,
)

with lazy_imports():  # only for what is found
    from fixer.analysis.backend_answers import BackendAnswers, backend_answers
    from fixer.repairs.command_options import CommandOption, add_workers_repair, edit_option, find_option
    from fixer.repairs.resource_limits import SettingRepairWording, set_and_start_repair
    from fixer.repairs.start_service import start_or_restart_steps

MIN_EVENTS = 3      # timeouts within a minute that are no coincidence


def judge(case: Case) -> Verdict:
    """Judge each service that answers too late: does it have more requests than workers?"""
    found, missing, ruled = pressures(case)
    findings: dict[str, Finding] = {}
    lacking, shown = list(missing), list(ruled)
    limits = (*judge_shed_requests(case), *judge_max_conns(case), *judge_full_pools(case))
    limited = {(one.node, one.service) for one in limits if not isinstance(one, str)}     # more exact findings
    for pressure in found:
        if (pressure.service.node, pressure.service.name) in limited:
            continue
        if is_paused(pressure.service) or stopped_processes(pressure) or pressure.is_working is False:
            shown.append(state_evidence(pressure.service))
        elif pressure.waiting == 0 or len(pressure.timeouts) < MIN_EVENTS:
            shown += pressure_evidence(pressure) or (state_evidence(pressure.service),)
        elif isinstance(pressure.service.workers, Unknown):
            lacking.append(f"how many workers {pressure.service.name} has: {pressure.service.workers.reason}")
        elif pressure.is_working is None and pressure.waiting <= MIN_EVENTS:
            lacking.append(f"whether {pressure.service.name} still finishes requests: its log does not show them")
        elif pressure.waiting <= pressure.service.workers.value:
            shown += pressure_evidence(pressure)
        else:
            new = _saturated_finding(case, pressure, pressure.service.workers.value)
            add_finding(findings, pressure.service.id, new)
    for outcome in limits:
        if isinstance(outcome, str):
            lacking.append(outcome)
        else:
            add_finding(findings, f"{outcome.variant} {outcome.node} {outcome.service or outcome.routes}", outcome)
    return conclude(findings.values(), lacking, shown)


def _saturated_finding(case: Case, pressure: Pressure, workers: int) -> Finding:
    service, trouble = pressure.service, pressure.failing_address
    worker_evidence = service.workers.evidence if isinstance(service.workers, Known) else ()
    evidence = (
        *pressure_evidence(pressure), *symptom_evidence(case, trouble, ANSWER_TIMEOUT), *pressure.proof,
        *worker_evidence,
        Evidence("process", service.name, f"{len(pressure.processes)} processes, configured for {workers} workers"),
        state_evidence(service), config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
    )
    each = "one worker" if workers == 1 else f"{workers} workers"
    return Finding(
        cause=CAUSE.id, variant="single-worker-overload", role="root",
        confidence="certain" if pressure.is_working and pressure.queued else "likely",
        summary=(
            f"{service.name} has {each} and {pressure.waiting} requests at once: {len(pressure.timeouts)} timed out "
            "within a minute"
        ),
        detail=("the backend still works on requests that nginx has given up, so the queue does not empty by itself",),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys(evidence)), repairs=(add_workers_repair(case, pressure, workers),),
    )


CAUSE = Cause(
    id="overload-saturated",
    title="more requests than the backend's workers finish in time",
    family="overload, comes and goes",
    variants=("single-worker-overload", "threadpool-exhausted", "limit-concurrency-503", "max-conns-reached"),
    verdict=judge,
    page=__doc__,
)

# Limits that reject requests before overload: the server's own, max_conns, a thread pool.
CAUSE_ID = "overload-saturated"
MIN_REJECTED = 3
_RECENT_SECONDS = 60.0
_SHED_TEXT = "Exceeded concurrency limit"
_OPTION = "--limit-concurrency"
_POOL_THREADS = 40                # threads of anyio's pool for synchronous handlers
_QUICK_MS = 1000.0           # milliseconds

Outcome = Finding | str


def judge_shed_requests(case: Case) -> Iterable[Outcome]:
    """Judge servers that answer 503 themselves above --limit-concurrency; nginx passes it on and logs nothing."""
    for service in case.snapshot.services:
        option = find_option(service, _OPTION)
        if option is None or not service.running:
            continue
        ends = [e for e in case.snapshot.endpoints if service.id in (e.configured_service, e.listening_service)]
        if not ends:
            continue
        if isinstance(service.log, Unknown):
            yield f"log of {service.name}: {service.log.reason}"
            continue
        since = max(clock_of(case.snapshot, service.node) - _RECENT_SECONDS, start_time_of(service))
        lines = [x for x in lines_of(service) if x.at is not None and x.at >= since and _SHED_TEXT in message_of(x)]
        if len(lines) >= MIN_REJECTED:
            yield _shed_finding(case, service, option, ends, lines)


def _shed_finding(case: Case, service: Service, option: CommandOption, ends: list[Endpoint],
                  lines: list[LogLine]) -> Finding:
    names = {e.id for e in ends}
    routes = tuple(j.facts.route.id for j in case.verdicts.values() if names & set(j.facts.endpoints))
    where = option.word.file or service.name
    return Finding(
        cause=CAUSE_ID, variant="limit-concurrency-503", role="root", confidence="certain",
        summary=(
            f"{service.name} rejects requests itself: it accepts only {option.value} at once ({_OPTION}), and rejected "
            f"more {len(lines)} times within a minute"
        ),
        detail=("the application server itself sends this 503; the rejected connection counts toward the limit too",),
        routes=routes, service=service.name, node=service.node,
        evidence=(
            log_evidence(f"{len(lines)} times: {lines[-1].text}", lines[-1].where),
            Evidence("process", f"{where}:{option.word.line}" if option.word.line else where,
                     f"{_OPTION} {option.value}"),
            state_evidence(service),
        ),
        repairs=(_raise_limit_repair(case, service, option, ends[0]),), effects=(),
    )


def _raise_limit_repair(case: Case, service: Service, option: CommandOption, endpoint: Endpoint) -> Repair:
    default = str(max(int(option.value) * 8, 100))
    need = Need("limit_concurrency", "value", f"requests that {service.name} accepts at once, now {option.value}",
                default=default, pattern="[1-9][0-9]{0,5}")
    chosen = case.inputs.get(need.key, default)
    written = edit_option(case.snapshot, service, option, chosen, _OPTION)
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    does = f"{_OPTION} {chosen} instead of {option.value}"
    return set_and_start_repair(SettingRepairWording(
        "raise-concurrency-limit", f"raise {_OPTION}", need, does,
        by_hand=f"start {service.name} with {does}, or without it", then=f"restart {service.name}",
    ), written, begin)


def judge_max_conns(case: Case) -> Iterable[Outcome]:
    """Judge groups with no server available because each has all the connections that max_conns allows."""
    for nginx in case.snapshot.nginxes:
        done: set[str] = set()
        for judged, events in recent_lines_by_route(case, nginx, {"no-live-upstreams"}).values():
            route = judged.facts.route
            servers = [s for s in route.servers if not s.down]
            unlimited = any(s.max_conns == 0 for s in servers)
            ends = [e for e in case.reached(judged.facts) if not e.down]
            if len(events) < MIN_REJECTED or not servers or unlimited or not ends or route.upstream in done:
                continue
            done.add(route.upstream)
            answers = backend_answers(case.snapshot, nginx, judged, ends)
            if isinstance(answers, Unknown):
                yield f"whether the servers of {route.upstream or route.pass_text} answer when asked directly"
            elif answers.value.all_answered:
                yield _max_conns_finding(case, nginx, judged, events, (ends, answers.value))


def _max_conns_finding(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...],
                       servers: tuple[list[Endpoint], BackendAnswers]) -> Finding:
    route, last = judged.facts.route, events[-1]
    ends, answers = servers
    limits = [s.max_conns for s in route.servers if not s.down]
    routes = tuple(j.facts.route.id for j in case.verdicts.values()
                   if nginx.serves(j.facts) and j.facts.route.upstream == route.upstream)
    return Finding(
        cause=CAUSE_ID, variant="max-conns-reached", role="root", confidence="certain",
        summary=(
            f"nginx may open {sum(limits)} connections to {route.upstream or route.pass_text} (max_conns), and needed "
            f"more {len(events)} times within a minute; the backend itself answers"
        ),
        detail=(), routes=routes, service=None, node=nginx.node,
        evidence=(
            Evidence("nginx-log", last.where, f"{len(events)} times within a minute: {last.raw}"),
            *(config_evidence(case.snapshot, nginx, e) for e in ends[:4]),
            *answers.evidence[:2],
        ),
        repairs=(_raise_max_conns_repair(case, nginx, judged),),
    )


def _raise_max_conns_repair(case: Case, nginx: Nginx, judged: RouteVerdict) -> Repair:
    servers = [s for s in judged.facts.route.servers if not s.down]
    now = max(s.max_conns for s in servers)
    need = Need("max_conns", "value", f"connections at once to each server, now {now}; 0 means no limit",
                default=str(max(now * 8, 64)), pattern="[0-9]{1,6}")
    chosen = case.inputs.get(need.key, need.default or "0")
    summary = f"max_conns={chosen} instead of {now}"
    files = {s.span.file for s in servers}
    here = locate_editable_file(case.snapshot, nginx.node, servers[0].span.file)
    where = file_line_text(case.snapshot, nginx.node, servers[0].span.file, servers[0].span.line)
    if isinstance(here, NotEditable) or len(files) > 1:
        why = here.reason if isinstance(here, NotEditable) else "its servers are in several files"
        return Repair("raise-max-conns", "manual", summary, (), (need,), f"set {summary} at {where}: {why}")
    data = here.data
    for server in sorted(servers, key=lambda s: -s.span.start):
        try:
            data = replace_argument(data, server.span.start, f"max_conns={server.max_conns}", f"max_conns={chosen}")
        except StepFailed as error:
            manual = f"set {summary} at {where}: {error.message}"
            return Repair("raise-max-conns", "manual", summary, (), (need,), manual)
    step = WriteFile(here.node, here.path, here.data, data, summary, in_place=here.in_place)
    return Repair("raise-max-conns", edit_risk((here,), "safe"), f"{summary} at {where}{overwriters_text((here,))}",
                  (step, *check_and_reload_steps(case.snapshot, nginx)), (need,))


def judge_full_pools(case: Case) -> Iterable[Outcome]:
    """Judge servers with a full thread pool (40): sync handlers wait, other requests are answered at once."""
    done: set[str] = set()
    for nginx in case.snapshot.nginxes:
        for judged, events in recent_lines_by_route(case, nginx, READ_TIMEOUT).values():
            ends = [e for e in case.reached(judged.facts) if not e.down]
            if len(events) < MIN_REJECTED or len(ends) != 1 or ends[0].id in done:
                continue
            done.add(ends[0].id)
            pressure = _pool_pressure(case, nginx, judged, ends[0], events)
            if pressure is not None:
                yield _full_pool_finding(case, pressure, judged)


def _pool_pressure(
    case: Case, nginx: Nginx, judged: RouteVerdict, endpoint: Endpoint, events: tuple[ErrorEvent, ...],
) -> Pressure | None:
    service, held, http = case.service(endpoint.configured_service), listener_at(endpoint), endpoint.http
    if service is None or held is None or not isinstance(http, Known) or isinstance(service.workers, Unknown):
        return None
    processes = processes_of(case.snapshot, service.node, service.pids)
    full = [p for p in processes if p.threads > _POOL_THREADS]
    # a busy machine delays every answer; a request without a thread waits until nginx gives up
    quick = http.value.status is not None and http.value.ms < max(_QUICK_MS, judged.facts.route.read_timeout * 1000 / 4)
    crowd = max(held.established, len(events))      # requests come in waves: those that timed out were open, too
    # workers do not take turns: one's pool may be full while another's is not
    if not full or crowd <= _POOL_THREADS * len(full) or not quick:
        return None
    trouble = FailingAddress(nginx, (endpoint,), (judged.facts,), (judged,))
    text = f"answers {http.value.status} in {http.value.ms:.0f} ms when asked directly"
    probe = Evidence("probe", endpoint.written, text)
    return Pressure(trouble, service, processes, held.queued, held.established, events, True, (probe,))


def _full_pool_finding(case: Case, pressure: Pressure, judged: RouteVerdict) -> Finding:
    service, last = pressure.service, pressure.timeouts[-1]
    assert isinstance(service.workers, Known)
    workers = service.workers.value
    threads = max(p.threads for p in pressure.processes)
    return Finding(
        cause=CAUSE_ID, variant="threadpool-exhausted", role="root", confidence="likely",
        summary=(
            f"{service.name} has a full thread pool ({threads} threads, {pressure.established} requests at once): "
            f"{len(pressure.timeouts)} timed out within a minute, while pages that need no thread answer at once"
        ),
        detail=("the backend still works on requests that nginx has given up, so the queue does not empty by itself",),
        routes=(judged.facts.route.id,), service=service.name, node=service.node,
        evidence=(
            Evidence("nginx-log", last.where, f"{len(pressure.timeouts)} times within a minute: {last.raw}"),
            *pressure_evidence(pressure), *pressure.proof,
            Evidence("process", service.name, f"{threads} threads in one process, configured for {workers} workers"),
        ),
        repairs=(add_workers_repair(case, pressure, workers, each=_POOL_THREADS),),
        effects=("no-answer", "stale-config"),
    )
