"""The backend works as fast as it can, and more requests come in than its workers finish in time.

What it is
  Each worker serves one request at a time (a handler that waits inside the event loop, a synchronous server). With
  more visitors than workers, requests queue; those that wait longer than proxy_read_timeout end as 504, and the backend
  goes on working on requests that nobody waits for any more.

Why nginx says 504
  `upstream timed out (110: Connection timed out) while reading response header from upstream`, mixed with answers.

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

By hand
  ss -ltn 'sport = :PORT'                     Recv-Q: how many wait?
  uvicorn … --workers 8                       or WEB_CONCURRENCY=8 in its environment; then restart it
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import config_evidence, state_evidence
from fixer.analysis.load.pressure import Pressure, is_paused, pressure_evidence, pressures
from fixer.analysis.nginx_errors import is_read_timeout, symptom_evidence
from fixer.causes.backend_hung import stopped_processes
from fixer.causes.turned_away import full_pools, shed_requests, used_up_connections
from fixer.model.diagnosis import Finding, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.repairs.more_workers import add_workers

SEVERAL = 3      # time-outs within a minute that are more than one visitor's bad luck


def judge(case: Case) -> Verdict:
    """For every service that answers too late: is it busy, with more requests than workers?"""
    found, missing, ruled = pressures(case)
    findings: dict[str, Finding] = {}
    lacking, shown = list(missing), list(ruled)
    limits = (*shed_requests(case), *used_up_connections(case), *full_pools(case))
    told = {(one.node, one.service) for one in limits if not isinstance(one, str)}      # which says it more exactly
    for pressure in found:
        if (pressure.service.node, pressure.service.name) in told:
            continue
        if is_paused(pressure.service) or stopped_processes(pressure) or pressure.works is False:
            shown.append(state_evidence(pressure.service))
        elif pressure.waiting == 0 or len(pressure.timeouts) < SEVERAL:
            shown += pressure_evidence(pressure) or (state_evidence(pressure.service),)
        elif isinstance(pressure.service.workers, Unknown):
            lacking.append(f"how many workers {pressure.service.name} has: {pressure.service.workers.reason}")
        elif pressure.works is None and pressure.waiting <= SEVERAL:
            lacking.append(f"whether {pressure.service.name} still finishes requests: its log does not show them")
        elif pressure.waiting <= pressure.service.workers.value:
            shown += pressure_evidence(pressure)
        else:
            findings.setdefault(pressure.service.id, _found(case, pressure, pressure.service.workers.value))
    for outcome in limits:
        if isinstance(outcome, str):
            lacking.append(outcome)
        else:
            findings.setdefault(f"{outcome.variant} {outcome.node} {outcome.service or outcome.routes}", outcome)
    return conclude(findings.values(), lacking, shown)


def _found(case: Case, pressure: Pressure, workers: int) -> Finding:
    service, trouble = pressure.service, pressure.trouble
    told = service.workers.evidence if isinstance(service.workers, Known) else ()
    evidence = (
        *pressure_evidence(pressure), *symptom_evidence(case, trouble, is_read_timeout), *pressure.proof, *told,
        Evidence("process", service.name, f"{len(pressure.processes)} processes, told to run {workers} workers"),
        state_evidence(service), config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
    )
    each = "one worker" if workers == 1 else f"{workers} workers"
    return Finding(
        cause=CAUSE.id, variant="single-worker-overload", role="root",
        confidence="certain" if pressure.works and pressure.queued else "likely",
        summary=(
            f"{service.name} has {each} and {pressure.waiting} requests at once: {len(pressure.timeouts)} timed out "
            "within a minute"
        ),
        detail=("requests that nginx has given up are still worked on, so the queue does not empty by itself",),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys(evidence)), repairs=(add_workers(case, pressure, workers),),
        explains=("nginx-not-reloaded",),
    )


CAUSE = Cause(
    id="overload-saturated",
    title="more requests than the backend's workers finish in time",
    family="overload, comes and goes",
    variants=("single-worker-overload", "threadpool-exhausted", "limit-concurrency-503", "max-conns-reached"),
    verdict=judge,
    order=35,
    page=__doc__,
)
