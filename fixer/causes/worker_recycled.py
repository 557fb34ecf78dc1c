"""The server ends its own process or worker on purpose: after so many requests, or when it gave no sign for too long.
nginx logs `111: Connection refused` or `upstream prematurely closed connection` (502). Add workers, or raise --timeout.

By hand
  journalctl -u UNIT | grep -E 'Maximum request|WORKER TIMEOUT|HARAKIRI'    # or: docker logs CONTAINER 2>&1 | grep …
  systemctl edit --full UNIT    # --workers 2; or gunicorn's --timeout 120, uWSGI's harakiri = 120
  systemctl restart UNIT        # or: docker compose up -d SERVICE

What it is
  `--limit-max-requests N` (uvicorn) or `--max-requests` (gunicorn) recycles a process that may leak. gunicorn's arbiter
  ends a worker that gave no sign of life for `--timeout` seconds, which a handler that blocks can't give; uWSGI's
  `harakiri` does the same.

Why nginx says 502
  A single uvicorn ends itself with success: nothing listens until its manager starts it again, if it does at all
  (Restart=on-failure does not): `connect() failed (111: Connection refused)`. A worker that is ended takes its request
  with it: `upstream prematurely closed connection while reading response header from upstream`.

How it is told apart
  The server says it in its own log: `Maximum request limit of N exceeded. Terminating process.`, `WORKER TIMEOUT`,
  `HARAKIRI ON WORKER`.
  backend-down (clean exit): nothing of the kind is said. crash-killed, crash-oom: the worker was killed by others.

The repair and its safety
  add-workers (disruptive): with a second worker the parent goes on listening while the other is recycled, and the
  purpose of the limit is kept. A mere start lasts for the next N requests only.
  raise-worker-timeout (disruptive): a timeout of gunicorn's workers longer than its slowest answer (`--set
  timeout=120`); a handler that blocks for longer than visitors wait is code to repair.

Variants
  limit-max-requests-exit  the process ended after so many requests (--limit-max-requests, --max-requests)
  worker-timeout-killed    a worker gave no sign for too long and was killed (--timeout, harakiri)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import bindings_of, clock_of, config_evidence, log_evidence
from fixer.analysis.exits.kills import cut_off_requests, routes_to
from fixer.analysis.ownership.configured import endpoints_of
from fixer.analysis.run_log import lines_of, message_of
from fixer.analysis.service_state import run_state_of, start_time_of, state_evidence
from fixer.formats.numbers import is_number, times_text
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Need, Repair, Role, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Endpoint, ErrorEvent, LogLine, Service, Snapshot
from fixer.nginx.error_kinds import CONNECT_FAILED
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # only for what is found
    from fixer.repairs.command_options import (
        add_option,
        edit_argument,
        edit_option,
        find_numbered_option,
        gunicorn_number,
        second_worker_repair,
    )
    from fixer.repairs.start_service import start_or_restart_steps
    from fixer.repairs.write_variables import EditSteps

RECENT_SECONDS = 180.0     # seconds: older events are over, or the state shows them
_LOSS_SECONDS = 8.0        # seconds between the server's log line and nginx's lost requests
_LIMIT_LINE = regex(r"Maximum request limit of (\d+) exceeded\. Terminating process")
_TIMEOUT_LINE = regex(r"WORKER TIMEOUT \(pid:\s*\d+\)|^(?:\w{3} .{20} - )?\*\*\* HARAKIRI ON WORKER \d+ \(pid: \d+")
# gunicorn's worker answers 500 before it ends, so nginx has nothing to log
_ANSWERED_LINE = regex(r"\] Error handling request /")


def judge(case: Case) -> Verdict:
    """Judge each application: does its log show that it ended a process, and did requests fail then?"""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled = list(case.observed)
    for service in case.snapshot.services:
        endpoints = endpoints_of(case, service)
        if not endpoints or not service.is_app_server:
            continue
        found = _request_limit_finding(case, service, endpoints) or _worker_timeout_finding(case, service, endpoints)
        if found is not None:
            findings.append(found)
        elif not isinstance(service.log, Known) and (
            run_state_of(service) == "stopped" or _has_lost_requests(case, service, endpoints)
        ):
            missing.append(f"log of {service.name}: {service.log.reason}")
        else:
            ruled.append(state_evidence(service))
    return conclude(findings, missing, ruled)


def _has_lost_requests(case: Case, service: Service, endpoints: Sequence[Endpoint]) -> bool:
    """Return whether requests recently ended without an answer at a server whose parent may end workers."""
    since = max(start_time_of(service), clock_of(case.snapshot, service.node) - RECENT_SECONDS)
    return service.runtime == "gunicorn" and bool(_lost_events(case, endpoints, since, float("inf"), refused=False))


def _request_limit_finding(case: Case, service: Service, endpoints: Sequence[Endpoint]) -> Finding | None:
    """Return the finding on a single process that ended itself: it is down, or was while requests came."""
    line = _last_matching_line(service, _LIMIT_LINE)
    if line is None or line.at is None or _worker_count(service) > 1:
        return None
    down = run_state_of(service) in ("stopped", "looping")
    if down and not start_time_of(service) - _LOSS_SECONDS <= line.at:
        return None          # the line is from an earlier run
    lost = _lost_events(case, endpoints, line.at - 1.0, float("inf"), refused=True)
    if not down and (not lost or line.at < clock_of(case.snapshot, service.node) - RECENT_SECONDS):
        return None
    match = _LIMIT_LINE.search(message_of(line))
    assert match is not None
    stopped = run_state_of(service) == "stopped"
    manner = "and was not started again" if stopped else "and nothing listens until it runs again"
    return _finding(
        case, service, endpoints, ("limit-max-requests-exit", f"{service.name} ended itself after {match[1]} requests, "
                                  f"as configured, {manner}"),
        role="root", line=line, lost=lost, repairs=(second_worker_repair(case, service, endpoints[0]),),
    )


def _worker_timeout_finding(case: Case, service: Service, endpoints: Sequence[Endpoint]) -> Finding | None:
    """Return the finding on gunicorn's arbiter or uWSGI's master that recently ended a busy worker."""
    since = max(start_time_of(service), clock_of(case.snapshot, service.node) - RECENT_SECONDS)
    answered: LogLine | None = None
    for line in reversed(lines_of(service)):      # the newest may be about an idle worker, which lost nothing
        if line.at is None or line.at < since:
            continue
        if _ANSWERED_LINE.search(message_of(line)):
            answered = line
        if not _TIMEOUT_LINE.search(message_of(line)):
            continue
        lost = _lost_events(case, endpoints, line.at - _LOSS_SECONDS, line.at + _LOSS_SECONDS, refused=False)
        reported = answered if answered is not None and (answered.at or 0.0) <= line.at + _LOSS_SECONDS else None
        if lost or reported is not None:
            return _finding(
                case, service, endpoints, ("worker-timeout-killed", f"{service.name} ended a worker in the middle of "
                                          "a request: the worker was silent for longer than its timeout"),
                role="root", line=line, lost=lost, said=reported,
                repairs=(_more_time_repair(case, service, endpoints[0]),),
            )
    return None


def _more_time_repair(case: Case, service: Service, endpoint: Endpoint) -> Repair:
    if service.runtime != "uwsgi":
        return raise_timeout_repair(case, service, endpoint)
    at = next((b.source.where.rpartition(":")[0] for b in bindings_of(service) if b.source.source == "file"), "")
    manual = (f"raise harakiri ={f' in {at}' if at else ''} above the slowest intended answer, then restart "
              f"{service.name}. If an answer takes longer than clients wait, repair the code")
    return Repair("raise-worker-timeout", "manual", f"give the workers of {service.name} more time", (), manual=manual)


def _last_matching_line(service: Service, pattern: re.Pattern[str]) -> LogLine | None:
    return next((line for line in reversed(lines_of(service)) if pattern.search(message_of(line))), None)


def _worker_count(service: Service) -> int:
    return service.workers.or_else(1)


def _lost_events(case: Case, endpoints: Sequence[Endpoint], since: float, until: float, *,
                 refused: bool) -> tuple[ErrorEvent, ...]:
    if not refused:
        return cut_off_requests(case, endpoints, since, until)
    nodes = {judged.facts.node for judged in routes_to(case, endpoints)}
    return tuple(
        event for nginx in case.snapshot.nginxes if nginx.node in nodes and isinstance(nginx.errors, Known)
        for event in nginx.errors.value if since <= event.at <= until and event.kind in CONNECT_FAILED
    )


def _finding(
    case: Case, service: Service, endpoints: Sequence[Endpoint], words: tuple[str, str], *, role: Role, line: LogLine,
    lost: tuple[ErrorEvent, ...], repairs: tuple[Repair, ...], said: LogLine | None = None,
) -> Finding:
    """Return the finding. `words` are the variant and the summary, `said` the server's own line on the request."""
    asked = routes_to(case, endpoints)
    nginx = case.snapshot.nginx_of(asked[0].facts) if asked else None
    evidence = (
        log_evidence(line.text, line.where), *((log_evidence(said.text, said.where),) if said is not None else ()),
        state_evidence(service),
        *((config_evidence(case.snapshot, nginx, endpoints[0]),) if nginx is not None else ()),
        *(Evidence("nginx-log", e.where, f"{times_text(len(lost))}: {e.raw}") for e in lost[-1:]),
    )
    return Finding(
        cause=CAUSE.id, variant=words[0], role=role, confidence="certain", summary=words[1], detail=(),
        routes=tuple(j.facts.route.id for j in asked), service=service.name, node=service.node, evidence=evidence,
        repairs=repairs,
    )


CAUSE = Cause(
    id="worker-recycled",
    title="the server ends its own process or worker",
    family="backend crashed, or exits at once",
    variants=("limit-max-requests-exit", "worker-timeout-killed"),
    verdict=judge,
    page=__doc__,
)

# The timeout of gunicorn's workers, raised in its command.
REPAIR_ID = "raise-worker-timeout"
INPUT_KEY = "timeout"
DEFAULT_SECONDS = 30                # gunicorn's default
_TIMEOUT_OPTION = regex(r"^(?P<head>--timeout=|--timeout$|-t=?(?=\d)|-t$)(?P<value>\d*)$")


def timeout_of(snapshot: Snapshot, service: Service) -> int:
    """Return the timeout of its command, else that of its own file, in seconds."""
    found = find_numbered_option(service, _TIMEOUT_OPTION)
    if found is not None and is_number(found.value):
        return int(found.value)
    own = gunicorn_number(snapshot, service, "timeout")
    return DEFAULT_SECONDS if own is None else int(own.text)


def raise_timeout_repair(case: Case, service: Service, endpoint: Endpoint) -> Repair:
    """Return the repair: four times the present timeout, unless the operator gives a value."""
    now = timeout_of(case.snapshot, service)
    need = Need(INPUT_KEY, "value", f"seconds that a worker of {service.name} may be silent, now {now}",
                default=str(max(now * 4, 30)), pattern="[1-9][0-9]{0,3}")
    chosen = case.inputs.get(INPUT_KEY, need.default or "")
    written = _write_timeout(case.snapshot, service, chosen)
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    if isinstance(written, NotEditable) or isinstance(begin, NotEditable):
        why = written.reason if isinstance(written, NotEditable) else begin.reason if isinstance(begin,
                                                                                                 NotEditable) else ""
        manual = f"run {service.name} with --timeout {chosen} instead of {now}; fixer cannot do this: {why}"
        return Repair(REPAIR_ID, "manual", f"give the workers of {service.name} more time", (), manual=manual)
    summary = f"set timeout {chosen} instead of {now} in {written.where}, then restart {service.name}"
    return Repair(REPAIR_ID, "disruptive", summary, (*written.steps, *begin), needs=(need,))


def _write_timeout(snapshot: Snapshot, service: Service, seconds: str) -> EditSteps | NotEditable:
    if service.runtime != "gunicorn":
        return NotEditable(f"{service.runtime or 'its server'} has no such option")
    found = find_numbered_option(service, _TIMEOUT_OPTION)
    if found is not None:
        return edit_option(snapshot, service, found, seconds, "its time limit")
    if (own := gunicorn_number(snapshot, service, "timeout")) is not None:
        return edit_argument(snapshot, service, own, seconds, f"its time limit: {seconds}")
    return add_option(snapshot, service, f"--timeout={seconds}", "GUNICORN_CMD_ARGS")
