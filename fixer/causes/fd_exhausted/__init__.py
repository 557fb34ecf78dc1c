"""A process has as many files and sockets open as it may: the backend, or nginx's own worker.
nginx logs `24: Too many open files` (500), or the backend accepts no connection (504, 502). Raise that limit.

By hand
  ls /proc/PID/fd | wc -l; grep 'open files' /proc/PID/limits    # open now; soft and hard limit
  ss -tnp | grep pid=PID,                        # which connections does it hold?
  systemctl edit UNIT; systemctl restart UNIT    # [Service] LimitNOFILE=65536
  docker compose up -d SERVICE                   # after ulimits: {nofile: 65536} in the compose file
  nginx -t && nginx -s reload                    # after worker_rlimit_nofile 65536; at the top of nginx.conf

What it is
  Every connection is a file descriptor, and each process may have so many (LimitNOFILE, ulimit -n,
  worker_rlimit_nofile). Idle connections that nobody closes, or a limit that is too low for the visitors, use them
  up.

Why nginx says 502, 504 or 500
  A backend at its limit accepts nobody: connections wait in its queue until nginx gives up (504), or are reset (502).
  A worker of nginx at its limit cannot open a connection to the backend (`socket() failed (24: Too many open files)`,
  500), or takes no visitor at all (`accept4() failed (24: …)`). A limit that is smaller still lets a backend not even
  start.

How it is told apart
  The process says so: errno 24 in the service's own log since it started, or in nginx's. Where a server logs nothing
  of it, its connections are as many as its limit and others wait. overload-saturated has neither.

The repair and its safety
  raise-open-files (disruptive): LimitNOFILE in a drop-in of the unit, or ulimits in the compose file; then a restart.
  raise-worker-files (safe): worker_rlimit_nofile in nginx's main file, nginx -t, a reload. Where it is its container
  that was given so few (ulimits), that is raised instead (disruptive): no worker gets more by itself.
  Whoever keeps the connections open is worth a look: a higher limit only gives more time to one that leaks.

Variants
  backend-fd-limit  the backend reached its limit
  worker-fd-limit   a worker of nginx reached its limit
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, is_answering
from fixer.analysis.cause import Cause, add_finding, conclude
from fixer.analysis.evidence import config_evidence, listener_at, log_evidence, recent_since
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.exits.hand_started_run import for_person, hand_started_runs
from fixer.analysis.nginx_errors import recent_lines, symptom_evidence
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import lines_of, message_of, read_run_end
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.formats.run_output import is_request_line
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Need, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import LogLine, Service

with lazy_imports():  # not needed in most looks
    from fixer.causes.fd_exhausted.worker_limit import enough_files, raise_open_files_repair, worker_finding

_RECENT_SECONDS = 60.0
_NEAR_LIMIT_SHARE = 0.6         # of the limit: connections only; the rest are other files
_TOO_MANY_FILES = regex(r"Too many open files|out of system resource|\bEMFILE\b")


def judge(case: Case) -> Verdict:
    """Judge each service and each nginx: does it log that it has too many open files?"""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled = list(case.observed)
    for nginx in case.snapshot.nginxes:
        lines = recent_lines(case, nginx, {"files-exhausted", "connect-files-exhausted"})
        if lines:
            findings[nginx.node] = worker_finding(case, nginx, lines)
    for crash in (*failed_runs(case).found, *hand_started_runs(case)):
        error_lines = _start_error_lines(crash)
        if error_lines:
            findings[crash.service.id] = for_person(crash, _backend_finding(
                case, crash.failing_addresses[0], crash.service, error_lines))
    for trouble in case.failing_addresses:
        service = case.service(trouble.endpoint.listening_service or trouble.endpoint.configured_service)
        if service is None or not service.running or is_closed(trouble.endpoint) or is_answering(trouble.endpoint):
            continue
        error_lines = _recent_error_lines(case, service)
        if error_lines or _is_near_limit(trouble, service):
            add_finding(findings, service.id, _backend_finding(case, trouble, service, error_lines))
        elif isinstance(service.log, Unknown):
            missing.append(f"log of {service.name}: {service.log.reason}")
        else:
            ruled.append(state_evidence(service))
    return conclude(findings.values(), missing, ruled)


def _recent_error_lines(case: Case, service: Service) -> tuple[LogLine, ...]:
    """Return the matching log lines of the last minute from this run."""
    since = max(recent_since(case.snapshot, service.node, _RECENT_SECONDS), start_time_of(service))
    return tuple(line for line in lines_of(service) if line.at is not None and line.at >= since
                 and _TOO_MANY_FILES.search(message_of(line)) and not is_request_line(message_of(line)))


def _start_error_lines(crash: FailedRun) -> tuple[LogLine, ...]:
    """Return the matching last lines of a run that never finished its startup."""
    if read_run_end(crash.lines, start_time_of(crash.service), most=len(crash.lines)).served_at >= 0:
        return ()
    pairs = zip(crash.end.lines, crash.end.texts, strict=True)
    return tuple(line for line, text in pairs if _TOO_MANY_FILES.search(text))


def _is_near_limit(trouble: FailingAddress, service: Service) -> bool:
    """Return whether connections nearly reach the limit, others wait or are reset, and our probe gets no answer."""
    held, limit, http = listener_at(trouble.endpoint), manager_of(service).limits().open_files, trouble.endpoint.http
    silent = isinstance(http, Known) and http.value.status is None
    reset = isinstance(http, Known) and http.value.error in ("reset", "closed")
    return held is not None and 0 < limit * _NEAR_LIMIT_SHARE <= held.established and (held.queued > 0
                                                                                       or reset) and silent


def _backend_finding(case: Case, trouble: FailingAddress, service: Service,
                     error_lines: tuple[LogLine, ...]) -> Finding:
    held, limit = listener_at(trouble.endpoint), manager_of(service).limits().open_files
    shown = [log_evidence(error_lines[-1].text, error_lines[-1].where)] if error_lines else []
    if held is not None:
        text = f"{held.established} connections are open, {held.queued} wait to be accepted"
        shown.append(Evidence("socket", f"socket {held.address}:{held.port}", text))
    if limit:
        shown.append(Evidence(manager_of(service).evidence().source, service.name,
                              f"may open {limit} files"))
    may = f" ({limit})" if limit else ""
    enough = enough_files(service)
    need = Need("open_files", "value", f"how many files {service.name} may open{f', now {limit}' if limit else ''}",
                default=str(enough if limit < enough else limit * 4), pattern="[1-9][0-9]{1,6}")
    return Finding(
        cause=CAUSE.id, variant="backend-fd-limit", role="root", confidence="certain" if error_lines else "likely",
        summary=f"{service.name} has reached its limit of open files{may}, so it "
                f"{'accepts no more connections' if service.running else 'cannot even start'}", detail=(),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            *shown, state_evidence(service), config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *symptom_evidence(case, trouble),
        ))),
        repairs=(raise_open_files_repair(case, service, trouble.endpoint, need),),
    )


CAUSE = Cause(
    id="fd-exhausted",
    title="a process has reached its limit of open files and sockets",
    family="overload, comes and goes",
    variants=("backend-fd-limit", "worker-fd-limit"),
    verdict=judge,
    page=__doc__,
)
