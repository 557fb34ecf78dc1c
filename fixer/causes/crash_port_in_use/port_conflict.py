"""The process that holds the socket of a service, and the repair that stops it where it is nobody's."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import (
    address_text,
    age_text,
    clock_of,
    config_evidence,
    endpoint_text,
    log_evidence,
    pids_of,
    process_text,
    processes_of,
    shorten,
)
from fixer.analysis.exits.exit_reason import port_in_use_line
from fixer.analysis.exits.failed_run import FailedRun, reported_port_conflict
from fixer.analysis.nginx_errors import connect_symptoms, symptom_evidence
from fixer.analysis.ownership.configured import binding_evidence, is_configured_at
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import state_evidence
from fixer.formats.folders import is_within
from fixer.formats.server_names import runtime_of
from fixer.lazy.dataclass import dataclass
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Repair, Role
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import SignalProcess
from fixer.model.snapshot import Endpoint, Listener, LogLine, Process, Service
from fixer.nginx.error_kinds import CUT_OFF, READ_TIMEOUT
from fixer.repairs.start_service import start_steps

REPAIR_ID = "stop-port-holder"
_LEAVING_KILL_MODES = ("process", "none")      # KillMode= values that stop at most the main process
_EARLIER_RUN_TEXT = ", left over from its own earlier run"


def other_port_finding(case: Case, crash: FailedRun) -> Finding | None:
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
    seen = PortConflict(trouble.endpoint, trouble, service, held, holders, line)
    where, holder_text = address_text(held.address, held.port), process_text(case.snapshot, held.node, holders[0])
    managed = _holding_service(case, seen)
    who = managed.name if managed is not None else f"pid {holders[0].pid} ({holders[0].comm})"
    manual = (f"{who} holds {where}, where {service.name} is configured to listen ({binding.source.where}). Set "
              f"another port there, such as that of nginx ({endpoint_text(trouble.endpoint)}). Then start "
              f"{service.name} again")
    by_hand = Repair(REPAIR_ID, "manual", f"give {service.name} a port of its own", (), manual=manual)
    return Finding(
        cause="crash-port-in-use", variant="start-port-in-use", role="root",
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


@dataclass(frozen=True, slots=True)
class PortConflict:
    """One address with its service, the listener, the processes that hold it, and the log line with the error; None if
    only the line that starts the service shows that it wants the address."""

    endpoint: Endpoint
    failing_address: FailingAddress | None
    service: Service
    listener: Listener
    holders: tuple[Process, ...]
    line: LogLine | None


def port_conflict_finding(case: Case, seen: PortConflict) -> Finding:
    """Return the finding: a root if its address fails or the holder is a stranger, else advice."""
    snapshot, service, holder = case.snapshot, seen.service, seen.holders[0]
    where = address_text(seen.listener.address, seen.listener.port)
    holder_text = process_text(snapshot, seen.listener.node, holder)
    other = _holding_service(case, seen)
    is_other_kind = _serves_files_elsewhere(seen) if other is None else not (other.is_app_server or other.gateway)
    strange = seen.failing_address is None and (is_other_kind or _is_foreign_holder(seen))
    role: Role = "root" if seen.failing_address is not None or strange else "advice"
    nginx = case.snapshot.nginxes[0] if seen.failing_address is None else seen.failing_address.nginx
    symptom = () if seen.failing_address is None else symptom_evidence(
        case, seen.failing_address, READ_TIMEOUT | CUT_OFF)
    is_left = holder.pid in service.pids
    left = tuple(Evidence("unit", f"{v.file}:{v.line}", f"KillMode={v.value}: processes that {service.name} started "
                 "survive its end") for v in service.unit_values if is_left and v.key == "KillMode"
                 and v.value in _LEAVING_KILL_MODES)
    wanting = _wanting_evidence(seen)
    wanted, state = {line.where for line in wanting}, state_evidence(service)
    evidence = (
        *wanting, Evidence("socket", f"socket {where}", holder_text),
        Evidence("process", f"pid {holder.pid}", f"state {holder.state}, {holder.unit or 'outside any unit'}"),
        *left, *(() if state.where in wanted else (state,)), config_evidence(snapshot, nginx, seen.endpoint), *symptom,
    )
    whose = f", {other.name}" if other is not None else "" if is_other_kind else ", of a user session"
    instead = f"and answers in its place: it is another program{whose}"
    manner = instead if strange else "and answers in its place"
    if seen.failing_address is not None:
        manner = _manner_text(seen)
    return Finding(
        cause="crash-port-in-use", variant="start-port-in-use", role=role,
        confidence="likely" if seen.line is None else "certain",
        summary=f"{service.name} cannot start: pid {holder.pid} "
        f"({holder.comm}{_EARLIER_RUN_TEXT if is_left else ''}) holds "
                f"{where} {manner}",
        detail=(holder_text,),
        routes=seen.failing_address.route_ids if seen.failing_address is not None else _route_ids(case, seen.endpoint),
        service=service.name, node=service.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(_repair(case, seen),) if role == "root" else (),
        effects=("run-ends", "nothing-listens", "looks-busy"),
    )


def _wanting_evidence(seen: PortConflict) -> tuple[Evidence, ...]:
    """Return what shows that the service wants the address: its log's error, else the lines that configure it."""
    if seen.line is not None:
        return (log_evidence(seen.line.text, seen.line.where),)
    return binding_evidence(seen.service, seen.endpoint)


def _is_foreign_holder(seen: PortConflict) -> bool:
    """Return whether the holder is unrelated: a user session's process, of another folder and another runtime. An old
    instance of the service, started by hand, shares one of them."""
    holder, unit, kind = seen.holders[0], seen.service.unit, seen.service.runtime
    if unit is None or not unit.working_directory.startswith("/") or not isinstance(holder.cwd, Known) or not kind:
        return False
    folder, home = holder.cwd.value, unit.working_directory
    return (holder.uid != 0 and "/user.slice/" in holder.cgroup and not any(kind in word for word in holder.argv)
            and not is_within(folder, home) and not is_within(home, folder))


def _serves_files_elsewhere(seen: PortConflict) -> bool:
    """Return whether the holder is a server of files that was started outside the service's own folder."""
    holder, unit = seen.holders[0], seen.service.unit
    home = unit.working_directory if unit is not None else ""
    return runtime_of(holder.argv) == "http.server" and isinstance(holder.cwd, Known) and not (
        home not in ("", "/") and is_within(holder.cwd.value, home))


def _route_ids(case: Case, endpoint: Endpoint) -> tuple[str, ...]:
    return tuple(j.facts.route.id for j in case.verdicts.values() if endpoint.id in j.facts.endpoints)


def _manner_text(seen: PortConflict) -> str:
    """Return how the holder treats requests; of one that was not asked, nginx alone knows."""
    http = seen.endpoint.http
    if any(p.state == "T" for p in seen.holders):
        return "and does not answer (it is stopped)"
    if isinstance(http, Unknown):
        return "and nginx gets no answer"
    return f"and does not answer ({http.value.error or f'status {http.value.status}'})"


def _holding_service(case: Case, seen: PortConflict) -> Service | None:
    """Return the other managed service whose processes hold the socket."""
    return next((s for s in case.snapshot.services if s.id != seen.service.id and s.manager != "none"
                 and s.node == seen.listener.node and {p.pid for p in seen.holders} & set(s.pids)), None)


def _repair(case: Case, seen: PortConflict) -> Repair:
    snapshot, service = case.snapshot, seen.service
    managed = _holding_service(case, seen)
    names = "; ".join(process_text(snapshot, seen.listener.node, p) for p in seen.holders)
    if seen.failing_address is None and managed is None:
        again = manager_of(service).command_text("restart")
        manual = f"ask the owner to stop it or to let it listen elsewhere. Then run {again} (held by {names})"
        return Repair(REPAIR_ID, "manual", f"free the port of {service.name}", (), manual=manual)
    if managed is not None or any(p.pid == 1 for p in seen.holders):
        by = managed.name if managed is not None else "process 1"
        manual = (
            f"{by} holds the port of {service.name}: decide which of the two keeps it, and give the other one "
            f"another port (held by {names}); then {manager_of(service).start_text()}"
        )
        return Repair(REPAIR_ID, "manual", f"free the port of {service.name}", (), manual=manual)
    start = start_steps(snapshot, service, seen.endpoint)
    now = clock_of(snapshot, seen.listener.node)
    signals = tuple(
        SignalProcess(
            seen.listener.node, p.pid, p.start_ticks, "TERM",
            f"{shorten(' '.join(p.argv), 160) or p.comm}, uid {p.uid}, "
            f"running for {age_text(max(0.0, now - p.started_at))}",
        )
        for p in _sort_oldest_first(seen.holders)
    )
    return Repair(REPAIR_ID, "disruptive", f"stop {names}; then start {service.name}", (*signals, *start))


def _sort_oldest_first(holders: Sequence[Process]) -> list[Process]:
    """Sort parents before their workers, which a parent would otherwise start again."""
    ours = {p.pid for p in holders}
    return sorted(holders, key=lambda p: (p.ppid in ours, p.start_ticks, p.pid))
