"""The backend cannot start, because another process holds its port, or its socket is still there.
nginx reaches the other process: 504, 502, or a page that is not yours. Stop that process, then start the service.

By hand
  ss -ltnp 'sport = :PORT'    # PID: who holds the port?
  systemctl status PID        # a service of its own? then decide which of the two is to run
  kill PID; kill -CONT PID    # a stopped process ends only when it goes on
  ss -lxp src SOCKET          # who holds the socket?
  rm SOCKET                   # only if no process holds it
  systemctl reset-failed UNIT; systemctl start UNIT

What it is
  A leftover (an old copy that was started by hand, a stopped process, a stray listener) still owns the address that
  the service must bind. The service ends with "address already in use". A unix socket is a file: one that a killed
  server left behind is in the way of the next, where the server does not remove it first (start-socket-stale).

Why nginx says 502
  nginx reaches the leftover instead: 504 when it never answers, 502 when it closes the connection, 200 with the wrong
  content when it is another program. An answer is no proof of health: compare who holds the socket with the unit.

How it is told apart
  The unit is failed, its own log since the last start says `[Errno 98] … address already in use`, and the kernel shows
  who holds that port: a process outside the unit. backend-hung looks the same from nginx, but there the process that
  hangs is the service itself. A socket file on which a connect is refused is nobody's. If the holder answers well, the
  page works: then it is advice, and nothing is stopped. It is not where another program of somebody's session, from
  another folder, answers in its place: visitors get pages that are not the site's, and a person decides who goes.

The repair and its safety
  stop-port-holder (disruptive): the holder is named in full (command, pid, user, age), asked to end, and made to
  end after 5 seconds; then the unit is started. A process that ended cannot be brought back by undo. A holder that is
  itself a managed service is never stopped: a person must decide which of the two is meant. What a unit's own earlier
  run left in its group (KillMode=process, a parent that was killed) is not managed any more, and is stopped.
  clear-socket (disruptive): a drop-in lets the unit, as its own account, remove the left socket before each start.

Variants
  start-port-in-use   another process holds the port or the socket
  start-socket-stale  the socket file of a killed run still exists, and nothing listens on it
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.cause import Cause, Outcome, conclude, join_by, sort_outcomes
from fixer.analysis.evidence import bindings_of, endpoint_text, listener_at, listener_evidence, pids_of, processes_of
from fixer.analysis.exits.failed_run import (
    FailedRun,
    exited_zero_on_error,
    failed_at_start,
    failed_runs,
    has_listening_socket,
)
from fixer.analysis.exits.hand_started_run import for_person, hand_started_runs
from fixer.analysis.ownership.configured import configured_owner, is_configured_at, services_with_port_in_code
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import last_run_lines, read_run_end
from fixer.analysis.service_state import is_unwatched, restart_count_of, run_state_of, state_evidence
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Verdict
from fixer.model.facts import Unknown
from fixer.model.snapshot import Endpoint, LogLine, Service

with lazy_imports():  # only for what is found
    from fixer.analysis.exits.exec_step import stat_of
    from fixer.analysis.exits.exit_reason import port_in_use_line
    from fixer.analysis.exits.last_output import is_stale_socket
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.causes.crash_port_in_use.port_conflict import PortConflict, other_port_finding, port_conflict_finding
    from fixer.causes.crash_port_in_use.stale_socket import stale_socket_finding

_CLOCK_SLACK = 2.0          # seconds between the kernel's tick count and systemd's clock


def judge(case: Case) -> Verdict:
    """Judge each endpoint: did its service fail because another process holds the socket?"""
    outcomes: list[Outcome] = []
    troubles = {e.id: t for t in case.failing_addresses for e in t.endpoints}
    owners: dict[tuple[object, ...], PortOwner | None] = {}      # thousands of locations may share one address
    for endpoint in case.snapshot.endpoints:
        at = endpoint
        key = (at.node, at.host, at.port, at.unix, at.container_port, at.configured_service, at.listening_service,
               id(at.addresses))
        if key not in owners:
            owners[key] = configured_owner(case, endpoint)
        outcomes.append(_judge_endpoint(case, endpoint, owners[key], troubles.get(endpoint.id)))
        outcomes += (_judge_endpoint(case, endpoint, PortOwner(service, "placed", (shown,)), troubles.get(endpoint.id))
                     for service, shown in services_with_port_in_code(case.snapshot, endpoint)
                     if run_state_of(service) in ("failed", "looping"))
    outcomes += (other_port_finding(case, crash) for crash in failed_runs(case).found)
    outcomes += (_judge_hand_started(case, crash) for crash in hand_started_runs(case))
    findings, missing, ruled = sort_outcomes(outcomes, case.observed)
    return conclude(join_by(findings, lambda found: f"{found.node}/{found.service}"), missing, ruled)


def _judge_endpoint(
    case: Case, endpoint: Endpoint, owner: PortOwner | None, trouble: FailingAddress | None,
) -> Outcome:
    if owner is None and trouble is not None and is_stale_socket(endpoint):
        owner = only_owner(case, trouble)      # no file of the program names this socket
    if owner is None:
        return None
    service = owner.service
    if not _can_have_failed(case, service):
        return state_evidence(service) if trouble is not None else None
    if is_closed(endpoint) is True and is_stale_socket(endpoint) and trouble is not None and not _is_other_file(
            case, trouble):
        error_line = _port_error_line(case, service)
        return state_evidence(service) if error_line is None else stale_socket_finding(
            case, trouble, endpoint, service, error_line)
    if is_closed(endpoint) is True and listener_at(endpoint) is None:      # not behind a filter
        return state_evidence(service) if trouble is not None else None
    line = _port_error_line(case, service)
    if line is None and not _is_start_barred(case, endpoint, service, trouble):
        if isinstance(service.log, Unknown):
            return f"log of {service.name}: {service.log.reason}" if trouble is not None else None
        return state_evidence(service)
    held = listener_at(endpoint)
    if held is None and bindings_of(service) and not is_configured_at(service, endpoint):
        return state_evidence(service)      # this service does not bind that address
    if held is None or isinstance(held.pids, Unknown):
        why = held.pids.reason if held is not None and isinstance(held.pids, Unknown) else "no socket table"
        return f"who holds {endpoint_text(endpoint)}: {why}"
    ours = _pids_of_this_run(case, service)
    holders = tuple(p for p in processes_of(case.snapshot, held.node, pids_of(held)) if p.pid not in ours)
    if not holders:
        return listener_evidence(case.snapshot, held, service)
    return port_conflict_finding(case, PortConflict(endpoint, trouble, service, held, holders, line))


def _judge_hand_started(case: Case, crash: FailedRun) -> Outcome:
    """Judge a server of which nothing but its log is left: another program holds its port."""
    trouble, line = crash.failing_addresses[0], port_in_use_line(crash.end)
    held = listener_at(trouble.endpoint)
    holders = processes_of(case.snapshot, held.node, pids_of(held)) if held is not None else ()
    if line is None or held is None or not holders:
        return None
    seen = PortConflict(trouble.endpoint, trouble, crash.service, held, holders, line)
    return for_person(crash, port_conflict_finding(case, seen))


def _is_start_barred(case: Case, endpoint: Endpoint, service: Service, trouble: FailingAddress | None) -> bool:
    """Return whether the start of a server that no manager watches cannot succeed: it is written to listen there, and
    another program does, which is no application server and passes nothing on. Its log need not say so: its output
    may go nowhere. A last run that failed in another way has another cause."""
    holder = case.service(endpoint.listening_service)
    if trouble is None or holder is None or holder.id == service.id or holder.is_app_server or holder.gateway:
        return False
    return (is_unwatched(service) and is_configured_at(service, endpoint)
            and not failed_at_start(last_run_lines(case.snapshot, service), service))


def _port_error_line(case: Case, service: Service) -> LogLine | None:
    return port_in_use_line(read_run_end(last_run_lines(case.snapshot, service)))


def _is_other_file(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the path of the socket is known to lead to something else, which is not this cause's to remove."""
    stat = stat_of(case.snapshot, trouble.nginx.node, trouble.endpoint.unix or "")
    return stat is not None and stat.kind != "socket"


def _can_have_failed(case: Case, service: Service) -> bool:
    """Return whether the service failed or may be in a restart loop, in which it runs for a moment each time. gunicorn
    retries for some seconds, also in its first run, and has no socket until then. Nothing says how one ended that no
    manager watches."""
    state = run_state_of(service)
    return state in ("failed", "looping") or is_unwatched(service) or (
        state == "running" and (restart_count_of(service) > 0 or not has_listening_socket(case, service))) or (
        state == "stopped" and exited_zero_on_error(case.snapshot, service) is not None)


def _pids_of_this_run(case: Case, service: Service) -> frozenset[int]:
    """Return the main process, its descendants, and what started since. The rest of the cgroup is of an earlier run."""
    unit = service.unit
    if unit is None:
        return frozenset(service.pids)
    found = {unit.main_pid} - {0}
    members = processes_of(case.snapshot, service.node, service.pids)
    for process in sorted(members, key=lambda p: (p.start_ticks, p.pid)) if found else ():
        if process.ppid in found or process.started_at >= unit.active_enter - _CLOCK_SLACK:
            found.add(process.pid)
    return frozenset(found)


CAUSE = Cause(
    id="crash-port-in-use",
    title="the backend cannot start: another process or a stale socket occupies its address",
    family="backend crashed, or exits at once",
    variants=("start-port-in-use", "start-socket-stale"),
    verdict=judge,
    page=__doc__,
)
