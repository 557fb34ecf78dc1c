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
"""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import (
    absent_evidence,
    address_text,
    bindings_of,
    config_evidence,
    describe_process,
    endpoint_text,
    listener_at,
    listener_evidence,
    log_evidence,
    now_on,
    pids_of,
    processes_of,
    say_age,
)
from fixer.analysis.exits.exit_reason import port_in_use
from fixer.analysis.exits.failed_run import Crash, crashes, holds_a_socket, told_port_taken
from fixer.analysis.exits.last_output import is_left_behind
from fixer.analysis.nginx_errors import is_cut_off, is_read_timeout, is_refused, symptom_evidence
from fixer.analysis.ownership.configured import is_told, placed_owner
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import last_run
from fixer.analysis.service_state import condition, restarts, state_evidence
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Role, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import SignalProcess
from fixer.model.snapshot import Endpoint, ErrorEvent, Listener, LogLine, Process, Service
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import begin_steps, start_steps
from fixer.repairs.write_variables import drop_in

ID = "stop-port-holder"
_LEAVES = ("process", "none")      # KillMode= that ends no more than the main process
_SLACK = 2.0          # seconds between the kernel's count of ticks and systemd's clock
_LEFT = ", left of its own earlier run"


def judge(case: Case) -> Verdict:
    """For every address that routes lead to: is its service failed because a stranger holds the socket?"""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled: list[Evidence] = [e for j in case.judged.values() if j.state == "ok" for e in j.evidence[:1]][:3]
    troubles = {e.id: t for t in case.troubles for e in t.endpoints}
    owners: dict[tuple[object, ...], Owner | None] = {}      # thousands of places may share one address
    for endpoint in case.snapshot.endpoints:
        at = endpoint
        key = (at.node, at.host, at.port, at.unix, at.inner, at.service, at.holder, id(at.addresses))
        if key not in owners:
            owners[key] = placed_owner(case, endpoint)
        outcome = _judge_endpoint(case, endpoint, owners[key], troubles.get(endpoint.id))
        match outcome:
            case Finding():
                findings.setdefault(f"{outcome.node}/{outcome.service}", outcome)
            case str():
                missing.append(outcome)
            case Evidence():
                ruled.append(outcome)
    for crash in crashes(case).found:
        if f"{crash.service.node}/{crash.service.name}" not in findings:
            found = _on_another_port(case, crash)
            findings.update({f"{found.node}/{found.service}": found} if found is not None else {})
    return conclude(findings.values(), missing, ruled)


def _on_another_port(case: Case, crash: Crash) -> Finding | None:
    """nginx asks for it where nobody is; it is told another address, and that is somebody else's."""
    service, trouble = crash.service, crash.troubles[0]
    line, taken = port_in_use(crash.lines), told_port_taken(case, service)
    if line is None or taken is None or is_closed(trouble.endpoint) is not True or is_told(service, trouble.endpoint):
        return None
    binding, held = taken
    holders = processes_of(case.snapshot, held.node, pids_of(held))
    if not holders:
        return None
    seen = _Seen(trouble.endpoint, trouble, service, held, holders, line)
    where, said = address_text(held.address, held.port), describe_process(case.snapshot, held.node, holders[0])
    managed = _managed(case, seen)
    who = managed.name if managed is not None else f"pid {holders[0].pid} ({holders[0].comm})"
    manual = (f"{who} holds {where}, where {service.name} is told to listen ({binding.source.where}): name another "
              f"port there, such as that of nginx ({endpoint_text(trouble.endpoint)}), then start {service.name} anew")
    by_hand = Repair(ID, "manual", f"give {service.name} a port of its own", (), manual=manual)
    return Finding(
        cause=CAUSE.id, variant="start-port-in-use", role="root",
        confidence="certain" if crash.owner.certain else "likely",
        summary=f"{service.name} cannot start: {who} holds {where}, where it is told to listen", detail=(said,),
        routes=crash.routes, service=service.name, node=service.node, evidence=tuple(dict.fromkeys((
            log_evidence(line.text, line.where), binding.source, Evidence("socket", f"socket {where}", said),
            state_evidence(service), config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(by_hand if managed is not None else _repair(case, seen),),
        explains=("crash-loop-gave-up", "backend-down", "crash-killed", "wrong-port"),
    )


def _judge_endpoint(
    case: Case, endpoint: Endpoint, owner: Owner | None, trouble: Trouble | None,
) -> Finding | str | Evidence | None:
    if owner is None and trouble is not None and is_left_behind(endpoint):
        owner = sole_owner(case, trouble)      # the name of a socket says nothing of a program that its files do not
    if owner is None:
        return None
    service = owner.service
    if not _may_have_failed(case, service):
        return state_evidence(service) if trouble is not None else None
    if is_closed(endpoint) is True and is_left_behind(endpoint) and trouble is not None:
        said = port_in_use(last_run(case.snapshot, service))
        return left_behind(case, trouble, endpoint, service, said) if said is not None else state_evidence(service)
    if is_closed(endpoint) is True:
        return state_evidence(service) if trouble is not None else None
    if isinstance(service.log, Unknown):
        return f"log of {service.name}: {service.log.reason}" if trouble is not None else None
    line = port_in_use(last_run(case.snapshot, service))
    if line is None:
        return state_evidence(service)
    held = listener_at(endpoint)
    if held is None and bindings_of(service) and not is_told(service, endpoint):
        return state_evidence(service)      # whatever is there, it is not what this one wants to bind
    if held is None or isinstance(held.pids, Unknown):
        why = held.pids.reason if held is not None and isinstance(held.pids, Unknown) else "no socket table"
        return f"who holds {endpoint_text(endpoint)}: {why}"
    ours = _of_this_run(case, service)
    holders = tuple(p for p in processes_of(case.snapshot, held.node, pids_of(held)) if p.pid not in ours)
    if not holders:
        return listener_evidence(case.snapshot, held, service)
    return _found(case, _Seen(endpoint, trouble, service, held, holders, line))


def _may_have_failed(case: Case, service: Service) -> bool:
    """Failed, or started again: for a moment of each turn it runs, before it finds its port taken once more. gunicorn
    tries for some seconds before it gives up, also in its first run: it holds no socket then."""
    state = condition(service)
    return state in ("failed", "looping") or (
        state == "running" and (restarts(service) > 0 or not holds_a_socket(case, service)))


def _of_this_run(case: Case, service: Service) -> frozenset[int]:
    """Its main process with all that came of it, or since it was started. What else is in a unit's group is left of an
    earlier run."""
    unit = service.unit
    if unit is None:
        return frozenset(service.pids)
    found = {unit.main_pid} - {0}
    members = processes_of(case.snapshot, service.node, service.pids)
    for process in sorted(members, key=lambda p: (p.start_ticks, p.pid)) if found else ():
        if process.ppid in found or process.started_at >= unit.active_enter - _SLACK:
            found.add(process.pid)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen at one address: its service, the socket, who holds it, and the line that complains."""

    endpoint: Endpoint
    trouble: Trouble | None
    service: Service
    held: Listener
    holders: tuple[Process, ...]
    line: LogLine


def _found(case: Case, seen: _Seen) -> Finding:
    snapshot, service, holder = case.snapshot, seen.service, seen.holders[0]
    where = address_text(seen.held.address, seen.held.port)
    said = describe_process(snapshot, seen.held.node, holder)
    strange = seen.trouble is None and _is_strange(seen)
    role: Role = "root" if seen.trouble is not None or strange else "advice"
    nginx = case.snapshot.nginxes[0] if seen.trouble is None else seen.trouble.nginx
    symptom = () if seen.trouble is None else symptom_evidence(case, seen.trouble, _is_bad_answer)
    is_left = holder.pid in service.pids
    left = tuple(Evidence("unit", f"{v.file}:{v.line}", f"KillMode={v.value}: an end of {service.name} leaves what it "
                 "started") for v in service.unit_values if is_left and v.key == "KillMode" and v.value in _LEAVES)
    evidence = (
        log_evidence(seen.line.text, seen.line.where), Evidence("socket", f"socket {where}", said),
        Evidence("process", f"pid {holder.pid}", f"state {holder.state}, {holder.unit or 'outside any unit'}"),
        *left, state_evidence(service), config_evidence(snapshot, nginx, seen.endpoint), *symptom,
    )
    instead = "and answers in its place, another program of somebody's session"
    manner = instead if strange else "and answers for it"
    if seen.trouble is not None:
        manner = f"and does not answer ({_manner(seen)})"
    return Finding(
        cause=CAUSE.id, variant="start-port-in-use", role=role, confidence="certain",
        summary=f"{service.name} cannot start: pid {holder.pid} ({holder.comm}{_LEFT if is_left else ''}) holds "
                f"{where} {manner}",
        detail=(said,),
        routes=seen.trouble.route_ids if seen.trouble is not None else _routes(case, seen.endpoint),
        service=service.name, node=service.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(_repair(case, seen),) if role == "root" else (),
        explains=(
            "crash-loop-gave-up", "backend-hung", "backend-down", "crash-killed", "overload-saturated", "wrong-port",
        ),
    )


def _is_strange(seen: _Seen) -> bool:
    """What answers is nothing of the service's: a person's session runs it, from another folder, and it is another kind
    of program. An old copy that somebody started by hand has one of them in common."""
    holder, unit, kind = seen.holders[0], seen.service.unit, seen.service.runtime
    if unit is None or not unit.working_directory.startswith("/") or not isinstance(holder.cwd, Known) or not kind:
        return False
    folder, home = holder.cwd.value.rstrip("/") + "/", unit.working_directory.rstrip("/") + "/"
    return (holder.uid != 0 and "/user.slice/" in holder.cgroup and not any(kind in word for word in holder.argv)
            and not folder.startswith(home) and not home.startswith(folder))


def _is_bad_answer(event: ErrorEvent) -> bool:
    return is_read_timeout(event) or is_cut_off(event)


def _routes(case: Case, endpoint: Endpoint) -> tuple[str, ...]:
    return tuple(j.facts.route.id for j in case.judged.values() if endpoint.id in j.facts.endpoints)


def _manner(seen: _Seen) -> str:
    if any(p.state == "T" for p in seen.holders):
        return "it is stopped"
    http = seen.endpoint.http
    return "not asked" if isinstance(http, Unknown) else http.value.error or f"status {http.value.status}"


def _managed(case: Case, seen: _Seen) -> Service | None:
    """The other service whose processes hold the socket."""
    return next((s for s in case.snapshot.services if s.id != seen.service.id and s.manager != "none"
                 and s.node == seen.held.node and {p.pid for p in seen.holders} & set(s.pids)), None)


def _repair(case: Case, seen: _Seen) -> Repair:
    snapshot, service = case.snapshot, seen.service
    managed = _managed(case, seen)
    names = "; ".join(describe_process(snapshot, seen.held.node, p) for p in seen.holders)
    if seen.trouble is None:
        manual = (f"ask whose that is, and let it end or listen elsewhere; then systemctl restart {service.name} "
                  f"(held by {names})")
        return Repair(ID, "manual", f"free the port of {service.name}", (), manual=manual)
    if managed is not None or any(p.pid == 1 for p in seen.holders):
        by = managed.name if managed is not None else "process 1"
        manual = (
            f"{by} holds the port of {service.name}: decide which of the two is meant, and give the other another port "
            f"(held by {names})"
        )
        return Repair(ID, "manual", f"free the port of {service.name}", (), manual=manual)
    start = start_steps(snapshot, service, seen.endpoint)
    now = now_on(snapshot, seen.held.node)
    signals = tuple(
        SignalProcess(
            seen.held.node, p.pid, p.start_ticks, "TERM",
            f"{' '.join(p.argv)[:160] or p.comm}, uid {p.uid}, running for {say_age(max(0.0, now - p.started_at))}",
        )
        for p in _oldest_first(seen.holders)
    )
    return Repair(ID, "disruptive", f"stop {names}; then start {service.name}", (*signals, *start))


def _oldest_first(holders: Sequence[Process]) -> list[Process]:
    """A parent before its workers: it would start them again."""
    ours = {p.pid for p in holders}
    return sorted(holders, key=lambda p: (p.ppid in ours, p.start_ticks, p.pid))


CAUSE = Cause(
    id="crash-port-in-use",
    title="the backend cannot start: another process holds its port, or its socket is in the way",
    family="backend crashed, or exits at once",
    variants=("start-port-in-use", "start-socket-stale"),
    verdict=judge,
    order=15,
    page=__doc__,
)

# A unix socket that a killed server left behind: nobody listens on it, and the next one may not bind its name.
FILE = "50-badgateway-socket.conf"
_PLAIN = regex(r"/[\w./@-]+")      # as one word of a unit file, whatever systemd or a shell makes of other signs


def left_behind(case: Case, trouble: Trouble, endpoint: Endpoint, service: Service, line: LogLine) -> Finding:
    """The service cannot bind, and what is in its way is its own socket of an earlier run."""
    path = endpoint.unix or ""
    return Finding(
        cause="crash-port-in-use", variant="start-socket-stale", role="root",
        confidence="certain" if path in line.text else "likely",
        summary=f"{service.name} cannot start: the socket {path} of an earlier run is still there, and nobody listens "
                "on it", detail=("it was killed before it could take its socket away",),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            log_evidence(line.text, line.where), *absent_evidence(endpoint), state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, endpoint), *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(_clear_socket_repair(case, endpoint, service, path),),
        explains=("crash-loop-gave-up", "backend-down", "crash-killed", "slow-start", "wrong-port"),
    )


def _clear_socket_repair(case: Case, endpoint: Endpoint, service: Service, path: str) -> Repair:
    summary = f"let {service.name} take {path} away before each start, then start it"
    manual = f"remove {path} (nobody listens on it), then start {service.name}"
    if service.unit is None or not _PLAIN.fullmatch(path):
        return Repair("clear-socket", "manual", summary, (), manual=manual)
    written = drop_in(case.snapshot, service, f"ExecStartPre=-/bin/rm -f {path}\n", FILE)
    begin = begin_steps(case.snapshot, service, endpoint)
    for outcome in (written, begin):
        if isinstance(outcome, NoPlace):
            return Repair("clear-socket", "manual", summary, (), manual=f"{manual} ({outcome.why})")
    assert not isinstance(written, NoPlace) and not isinstance(begin, NoPlace)
    return Repair("clear-socket", "disruptive", summary, (*written.steps, *begin))
