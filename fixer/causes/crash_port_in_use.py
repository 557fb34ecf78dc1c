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

from collections.abc import Sequence

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.cause import Cause, Outcome, conclude, first_of_each, sort_outcomes
from fixer.analysis.evidence import (
    address_text,
    age_text,
    bindings_of,
    clock_of,
    config_evidence,
    endpoint_text,
    listener_at,
    listener_evidence,
    log_evidence,
    no_listener_evidence,
    pids_of,
    process_text,
    processes_of,
)
from fixer.analysis.exits.exit_reason import port_in_use_line
from fixer.analysis.exits.failed_run import FailedRun, failed_runs, has_listening_socket, reported_port_conflict
from fixer.analysis.exits.last_output import is_stale_socket
from fixer.analysis.nginx_errors import connect_symptoms, symptom_evidence
from fixer.analysis.ownership.configured import configured_owner, is_configured_at
from fixer.analysis.ownership.resolve import only_owner
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import last_run_lines, read_run_end
from fixer.analysis.service_state import restart_count_of, run_state_of, state_evidence
from fixer.formats.folders import is_within
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Repair, Role, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import SignalProcess
from fixer.model.snapshot import Endpoint, Listener, LogLine, Process, Service
from fixer.nginx.error_kinds import CUT_OFF, READ_TIMEOUT
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # only for what is found
    from fixer.repairs.start_service import start_or_restart_steps, start_steps
    from fixer.repairs.write_variables import write_drop_in

REPAIR_ID = "stop-port-holder"
_LEAVING_KILL_MODES = ("process", "none")      # KillMode= values that stop at most the main process
_CLOCK_SLACK = 2.0          # seconds between the kernel's tick count and systemd's clock
_EARLIER_RUN_TEXT = ", left over from its own earlier run"


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
    outcomes += (_other_port_finding(case, crash) for crash in failed_runs(case).found)
    findings, missing, ruled = sort_outcomes(outcomes, case.healthy_evidence())
    return conclude(first_of_each(findings, lambda found: f"{found.node}/{found.service}"), missing, ruled)


def _other_port_finding(case: Case, crash: FailedRun) -> Finding | None:
    """Return the finding if the configured port of the service is in use, and nginx uses another, closed one."""
    service, trouble = crash.service, crash.failing_addresses[0]
    line, taken = port_in_use_line(crash.end), reported_port_conflict(case, service)
    if line is None or taken is None or is_closed(trouble.endpoint) is not True or is_configured_at(service,
                                                                                                    trouble.endpoint):
        return None
    binding, held = taken
    holders = processes_of(case.snapshot, held.node, pids_of(held))
    if not holders:
        return None
    seen = _PortConflict(trouble.endpoint, trouble, service, held, holders, line)
    where, holder_text = address_text(held.address, held.port), process_text(case.snapshot, held.node, holders[0])
    managed = _holding_service(case, seen)
    who = managed.name if managed is not None else f"pid {holders[0].pid} ({holders[0].comm})"
    manual = (f"{who} holds {where}, where {service.name} is configured to listen ({binding.source.where}). Set "
              f"another port there, such as that of nginx ({endpoint_text(trouble.endpoint)}). Then start "
              f"{service.name} again")
    by_hand = Repair(REPAIR_ID, "manual", f"give {service.name} a port of its own", (), manual=manual)
    return Finding(
        cause=CAUSE.id, variant="start-port-in-use", role="root",
        confidence="certain" if crash.owner.certain else "likely",
        summary=f"{service.name} cannot start: {who} holds {where}, where it is configured to listen",
        detail=(holder_text,),
        routes=crash.routes, service=service.name, node=service.node, evidence=tuple(dict.fromkeys((
            log_evidence(line.text, line.where), binding.source, Evidence("socket", f"socket {where}", holder_text),
            state_evidence(service), config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *connect_symptoms(case, trouble),
        ))),
        repairs=(by_hand if managed is not None else _repair(case, seen),),
    )


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
    if is_closed(endpoint) is True and is_stale_socket(endpoint) and trouble is not None:
        error_line = port_in_use_line(read_run_end(last_run_lines(case.snapshot, service)))
        return stale_socket_finding(case, trouble, endpoint, service,
                                    error_line) if error_line is not None else state_evidence(service)
    if is_closed(endpoint) is True:
        return state_evidence(service) if trouble is not None else None
    if isinstance(service.log, Unknown):
        return f"log of {service.name}: {service.log.reason}" if trouble is not None else None
    line = port_in_use_line(read_run_end(last_run_lines(case.snapshot, service)))
    if line is None:
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
    return _port_conflict_finding(case, _PortConflict(endpoint, trouble, service, held, holders, line))


def _can_have_failed(case: Case, service: Service) -> bool:
    """Return whether the service failed or may be in a restart loop, in which it runs for a moment each time. gunicorn
    retries for some seconds, also in its first run, and has no socket until then."""
    state = run_state_of(service)
    return state in ("failed", "looping") or (
        state == "running" and (restart_count_of(service) > 0 or not has_listening_socket(case, service)))


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


@dataclass(frozen=True, slots=True)
class _PortConflict:
    """One address with its service, the listener, the processes that hold it, and the log line with the error."""

    endpoint: Endpoint
    failing_address: FailingAddress | None
    service: Service
    listener: Listener
    holders: tuple[Process, ...]
    line: LogLine


def _port_conflict_finding(case: Case, seen: _PortConflict) -> Finding:
    snapshot, service, holder = case.snapshot, seen.service, seen.holders[0]
    where = address_text(seen.listener.address, seen.listener.port)
    holder_text = process_text(snapshot, seen.listener.node, holder)
    strange = seen.failing_address is None and _is_foreign_holder(seen)
    role: Role = "root" if seen.failing_address is not None or strange else "advice"
    nginx = case.snapshot.nginxes[0] if seen.failing_address is None else seen.failing_address.nginx
    symptom = () if seen.failing_address is None else symptom_evidence(
        case, seen.failing_address, READ_TIMEOUT | CUT_OFF)
    is_left = holder.pid in service.pids
    left = tuple(Evidence("unit", f"{v.file}:{v.line}", f"KillMode={v.value}: processes that {service.name} started "
                 "survive its end") for v in service.unit_values if is_left and v.key == "KillMode"
                 and v.value in _LEAVING_KILL_MODES)
    evidence = (
        log_evidence(seen.line.text, seen.line.where), Evidence("socket", f"socket {where}", holder_text),
        Evidence("process", f"pid {holder.pid}", f"state {holder.state}, {holder.unit or 'outside any unit'}"),
        *left, state_evidence(service), config_evidence(snapshot, nginx, seen.endpoint), *symptom,
    )
    instead = "and answers in its place: it is another program, of a user session"
    manner = instead if strange else "and answers in its place"
    if seen.failing_address is not None:
        manner = f"and does not answer ({_holder_state_text(seen)})"
    return Finding(
        cause=CAUSE.id, variant="start-port-in-use", role=role, confidence="certain",
        summary=f"{service.name} cannot start: pid {holder.pid} "
        f"({holder.comm}{_EARLIER_RUN_TEXT if is_left else ''}) holds "
                f"{where} {manner}",
        detail=(holder_text,),
        routes=seen.failing_address.route_ids if seen.failing_address is not None else _route_ids(case, seen.endpoint),
        service=service.name, node=service.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(_repair(case, seen),) if role == "root" else (),
        effects=("run-ends", "nothing-listens", "looks-busy"),
    )


def _is_foreign_holder(seen: _PortConflict) -> bool:
    """Return whether the holder is unrelated: a user session's process, of another folder and another runtime. An old
    instance of the service, started by hand, shares one of them."""
    holder, unit, kind = seen.holders[0], seen.service.unit, seen.service.runtime
    if unit is None or not unit.working_directory.startswith("/") or not isinstance(holder.cwd, Known) or not kind:
        return False
    folder, home = holder.cwd.value, unit.working_directory
    return (holder.uid != 0 and "/user.slice/" in holder.cgroup and not any(kind in word for word in holder.argv)
            and not is_within(folder, home) and not is_within(home, folder))


def _route_ids(case: Case, endpoint: Endpoint) -> tuple[str, ...]:
    return tuple(j.facts.route.id for j in case.verdicts.values() if endpoint.id in j.facts.endpoints)


def _holder_state_text(seen: _PortConflict) -> str:
    if any(p.state == "T" for p in seen.holders):
        return "it is stopped"
    http = seen.endpoint.http
    return "not probed" if isinstance(http, Unknown) else http.value.error or f"status {http.value.status}"


def _holding_service(case: Case, seen: _PortConflict) -> Service | None:
    """Return the other managed service whose processes hold the socket."""
    return next((s for s in case.snapshot.services if s.id != seen.service.id and s.manager != "none"
                 and s.node == seen.listener.node and {p.pid for p in seen.holders} & set(s.pids)), None)


def _repair(case: Case, seen: _PortConflict) -> Repair:
    snapshot, service = case.snapshot, seen.service
    managed = _holding_service(case, seen)
    names = "; ".join(process_text(snapshot, seen.listener.node, p) for p in seen.holders)
    if seen.failing_address is None:
        again = manager_of(service).command_text("restart")
        manual = f"ask the owner to stop it or to let it listen elsewhere. Then run {again} (held by {names})"
        return Repair(REPAIR_ID, "manual", f"free the port of {service.name}", (), manual=manual)
    if managed is not None or any(p.pid == 1 for p in seen.holders):
        by = managed.name if managed is not None else "process 1"
        manual = (
            f"{by} holds the port of {service.name}: decide which of the two keeps it, and give the other one "
            f"another port (held by {names})"
        )
        return Repair(REPAIR_ID, "manual", f"free the port of {service.name}", (), manual=manual)
    start = start_steps(snapshot, service, seen.endpoint)
    now = clock_of(snapshot, seen.listener.node)
    signals = tuple(
        SignalProcess(
            seen.listener.node, p.pid, p.start_ticks, "TERM",
            f"{' '.join(p.argv)[:160] or p.comm}, uid {p.uid}, running for {age_text(max(0.0, now - p.started_at))}",
        )
        for p in _sort_oldest_first(seen.holders)
    )
    return Repair(REPAIR_ID, "disruptive", f"stop {names}; then start {service.name}", (*signals, *start))


def _sort_oldest_first(holders: Sequence[Process]) -> list[Process]:
    """Sort parents before their workers, which a parent would otherwise start again."""
    ours = {p.pid for p in holders}
    return sorted(holders, key=lambda p: (p.ppid in ours, p.start_ticks, p.pid))


CAUSE = Cause(
    id="crash-port-in-use",
    title="the backend cannot start: another process or a stale socket occupies its address",
    family="backend crashed, or exits at once",
    variants=("start-port-in-use", "start-socket-stale"),
    verdict=judge,
    page=__doc__,
)

# Stale unix socket of a killed server: nothing listens on it, and the next server cannot bind its path.
SOCKET_DROP_IN = "50-badgateway-socket.conf"
_PLAIN_PATH = regex(r"/[\w./@-]+")      # safe as one word of a unit file: nothing for systemd or a shell to expand


def stale_socket_finding(case: Case, trouble: FailingAddress, endpoint: Endpoint, service: Service,
                         line: LogLine) -> Finding:
    """Return the finding for a service that cannot bind because its socket of an earlier run still exists."""
    path = endpoint.unix or ""
    return Finding(
        cause="crash-port-in-use", variant="start-socket-stale", role="root",
        confidence="certain" if path in line.text else "likely",
        summary=f"{service.name} cannot start: the socket {path} of an earlier run still exists, and nothing listens "
                "on it", detail=("the earlier run was killed before it could remove its socket",),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            log_evidence(line.text, line.where), *no_listener_evidence(endpoint), state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, endpoint),
            *connect_symptoms(case, trouble),
        ))),
        repairs=(_clear_socket_repair(case, endpoint, service, path),),
    )


def _clear_socket_repair(case: Case, endpoint: Endpoint, service: Service, path: str) -> Repair:
    summary = f"let {service.name} remove {path} before each start, then start it"
    manual = f"remove {path} (nothing listens on it), then start {service.name}"
    if service.unit is None or not _PLAIN_PATH.fullmatch(path):
        return Repair("clear-socket", "manual", summary, (), manual=manual)
    written = write_drop_in(case.snapshot, service, f"ExecStartPre=-/bin/rm -f {path}\n", SOCKET_DROP_IN)
    begin = start_or_restart_steps(case.snapshot, service, endpoint)
    for outcome in (written, begin):
        if isinstance(outcome, NotEditable):
            return Repair("clear-socket", "manual", summary, (),
                          manual=f"{manual}; fixer cannot do this: {outcome.reason}")
    assert not isinstance(written, NotEditable) and not isinstance(begin, NotEditable)
    return Repair("clear-socket", "disruptive", summary, (*written.steps, *begin))
