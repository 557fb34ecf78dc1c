"""The backend has just been started and does not listen yet: waiting heals it.
nginx finds no listener yet (`111: Connection refused`, 502). Wait, then see what a longer start waits for.

By hand
  systemctl status UNIT           # since when? does a command of ExecStartPre= still run?
  systemctl list-jobs --before    # which job does its start wait for?
  ss -ltnp 'sport = :PORT'        # wait: does it listen now?
  journalctl -f -u UNIT           # what does it do meanwhile?
  later: Type=notify or a start order that knows when it is ready

What it is
  "active" means that the process was started, not that it is ready. A large application needs seconds until it
  listens; what a unit runs before its program (ExecStartPre=, a migration) may take minutes. During that time nginx
  answers 502.

Why nginx says 502
  Nothing listens yet: `connect() failed (111: Connection refused) while connecting to upstream`.

How it is told apart
  The service runs, it was started less than a minute ago, it has not failed since, and it holds no socket on any other
  port. A longer start is only possible: the configuration names the service, and its log has begun and says nothing of
  serving. Where nobody may see who holds a socket that nobody else is told to open, that is only possible: it may be
  its own, somewhere else. A service that is started again and again is a crash: its restarts are counted by its
  manager; one that was killed once from outside, and that systemd has started again, is a start like others.
  One that somebody started by hand is as old as its process.
  gunicorn, uWSGI and systemd open the socket before the workers load the application: then connections wait, none was
  ever accepted, and the log says nothing of serving since. backend-hung has served before, and holds what it accepted.
  Of a unit in start-pre systemd itself says that the program's turn has not come, however long that takes
  (TimeoutStartSec ends it).

  A unit may run a script that has not come to its server yet: the shell and what it runs are there, the server is not.
  The script is read as text: the condition of its loop names the file or the address that it waits for. A service of
  this host that is stopped there is crash-dependency-down; what cannot be seen from here is for a person to look at.

  systemd queues a start behind the units that it is to come After=: while one of them is being started (until the
  network is online, a job that never ends), the service is inactive, and another start of it waits in the same queue.

  A container that Docker calls unhealthy and that answers is no fault of this page (advice): nginx does not look at
  that word, and the check itself asks for something else. One that is really blocked is backend-hung.

The repair and its safety
  wait-for-start: nothing is changed; fixer waits, at most 60 seconds, and looks again.
  end-wait (manual): a start that is queued for longer than that waits for a unit that does not come up.
  mend-script (manual): a script that waits for longer than that waits for something that does not come.
  see-start (manual): a program that has not listened for longer than that, and has said nothing of serving.

Variants
  startup-slow             the program was started and does not listen yet
  start-execstartpre-long  what runs before the program (ExecStartPre=) takes long
  start-script-waits       its start script waits for a file or an address
  start-job-queued         systemd queues the start behind a unit that is not up yet
  container-unhealthy      Docker calls the container unhealthy
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner, unique_route_id
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.dependency.blocked_start import is_suspended
from fixer.analysis.dependency.start_order import (
    LONG_QUEUED,
    awaited_unit_ages,
    health_check_text,
    queue_evidence,
    queued_start_text,
)
from fixer.analysis.evidence import (
    age_text,
    clock_of,
    endpoint_text,
    listener_at,
    log_evidence,
    processes_of,
    supervisor_name_of,
)
from fixer.analysis.exits.failed_run import (
    START_SECONDS,
    has_failed,
    has_failing_workers,
    has_listening_socket,
    has_only_begun,
    is_loading,
    reached_serving,
)
from fixer.analysis.nginx_errors import refused_evidence, symptom_evidence
from fixer.analysis.ownership.configured import is_supervised, unseen_socket_text
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.run_log import last_run_lines, program_lines, single_external_kill
from fixer.analysis.service_state import (
    is_idle_container,
    is_start_queued,
    private_network_setting,
    run_state_of,
    start_time_of,
    state_evidence,
)
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import Service
from fixer.repairs.upstream_address import reachable_listeners

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.startup_script import (
        WaitingScript,
        find_waiting_script,
        not_started_text,
        running_command_text,
        script_text,
        waiting_script_evidence,
        waiting_seconds,
    )
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.redaction.commands import redact_argv
    from fixer.repairs.start_service import end_wait_repair

LONG_SECONDS = 15.0       # seconds after which the operator should see what a start waits for
_MAX_COMMAND_TEXT = 160
_PRE_START_STATES = frozenset({("activating", "start-pre"), ("activating", "condition")})


def judge(case: Case) -> Verdict:
    """Judge each closed address: did its service start just now?"""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled = list(case.observed)
    for trouble in case.failing_addresses:
        closed = is_closed(trouble.endpoint)
        owner = only_owner(case, trouble)
        if closed is None:
            missing.append(f"whether anything listens at {endpoint_text(trouble.endpoint)}")
        elif owner is not None and not closed and is_loading(case, trouble, owner.service):
            _add_finding(findings, owner.service, _loading_finding(case, trouble, owner.service))
        elif owner is None or not closed or owner.rule == "elsewhere":
            ruled += [e for j in trouble.verdicts[:1] for e in j.evidence[:1]]
        elif (held := _judge_queued(case, trouble, owner) or _judge_start_script(case, trouble, owner)) is not None:
            _add_finding(findings, owner.service, held)
        elif _is_starting(case, trouble, owner):
            if trouble.endpoint.unix is None and private_network_setting(owner.service) is not None:
                missing.append(f"whether {owner.service.name} listens in its own network namespace")
                continue
            _add_finding(findings, owner.service, _starting_finding(case, trouble, owner))
        else:
            ruled.append(state_evidence(owner.service))
    findings |= {f"{service.id}/health": _unhealthy_finding(case, service) for service in _unhealthy_containers(case)}
    return conclude(findings.values(), missing, ruled)


def _add_finding(findings: dict[str, Finding], service: Service, found: Finding) -> None:
    """Add the finding on one address of a service; further addresses only add their routes."""
    known = findings.get(service.id)
    findings[service.id] = found if known is None else known.with_routes_of(found)


def _unhealthy_containers(case: Case) -> list[Service]:
    """Return containers that answer nginx while their own health check fails."""
    return [
        service for service in case.snapshot.services
        if service.container is not None and service.container.health == "unhealthy"
        and service.id in case.services_in_use
        and run_state_of(service) == "running"
    ]


def _unhealthy_finding(case: Case, service: Service) -> Finding:
    box, facts = service.container, case.services_in_use[service.id]
    assert box is not None
    answers = [e for key, j in case.verdicts.items() if key == unique_route_id(facts) for e in j.evidence[:1]]
    return Finding(
        cause=CAUSE.id, variant="container-unhealthy", role="advice", confidence="certain",
        summary=(
            f"Docker reports {service.name} as unhealthy, but it answers nginx: nginx ignores the health check, and "
            f"the check itself asks for something else ({box.health_output or 'docker inspect shows its last output'})"
        ),
        detail=(), routes=(facts.route.id,), service=service.name, node=service.node,
        evidence=(Evidence("container", box.name, f"unhealthy{health_check_text(box)}"), *answers), repairs=(),
    )


def _judge_queued(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding | None:
    """Return the finding if systemd still has its start job in the queue."""
    if not is_start_queued(owner.service):
        return None

    return queued_finding(case, trouble, owner.service, CAUSE.id, _wait_repairs(owner.service))


def _judge_start_script(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding | None:
    """Return the finding if its start script has not started the server yet."""
    if has_listening_socket(case, owner.service):
        return None
    held = find_waiting_script(case, trouble, owner)
    if held is None:
        return None
    wait = () if waiting_seconds(case, held) >= START_SECONDS else _wait_repairs(owner.service)
    return script_finding(case, held, CAUSE.id, "start-script-waits", wait)


def _is_starting(case: Case, trouble: FailingAddress, owner: PortOwner) -> bool:
    service = owner.service
    if has_failed(case, service, trouble) or has_failing_workers(case, service, trouble):
        return False
    begun = run_state_of(service) in ("running", "starting") or single_external_kill(case.snapshot, service) is not None
    if not (begun or reached_serving(case, service)):
        return False
    if has_listening_socket(case, service) or is_idle_container(service) or is_suspended(case, service):
        return False
    age = _age(case, owner)
    could_start = _is_in_start_pre(owner) or 0.0 <= age < START_SECONDS or _is_late(case, owner)
    return could_start and not reachable_listeners(case, trouble, owner)


def _age(case: Case, owner: PortOwner) -> float:
    """Return the seconds since the present start."""
    return clock_of(case.snapshot, owner.service.node) - _started_at(case, owner)


def _is_late(case: Case, owner: PortOwner) -> bool:
    """Return whether its program has run for longer than a start takes, and its last lines are those of a start. The
    configuration must name it: one that is only left over may be a worker that never listens."""
    service = owner.service
    named = owner.certain and service.is_app_server
    if not named or run_state_of(service) != "running" or _started_at(case, owner) <= 0.0:
        return False
    if not isinstance(service.log, Known) or unseen_socket_text(case, service):
        return False
    return has_only_begun(case.snapshot, service)


def _started_at(case: Case, owner: PortOwner) -> float:
    """Return the time of the present start, 0.0 if unknown."""
    service = owner.service
    if service.program is not None:
        return service.program.started_at
    if service.unit is None and service.container is None:
        return _unmanaged_started_at(case, service)
    return start_time_of(service) if run_state_of(service) == "running" else _changed_at(service)


def _unmanaged_started_at(case: Case, service: Service) -> float:
    """Return the start of the oldest process of a program started by hand. Below runit, pm2 and the like it may have
    been restarted any number of times: 0.0."""
    seen = processes_of(case.snapshot, service.node, service.pids)
    above = processes_of(case.snapshot, service.node, tuple(process.ppid for process in seen))
    if not seen or any(supervisor_name_of(process) for process in above) or is_supervised([*seen], above):
        return 0.0
    return min(process.started_at for process in seen)


def _is_in_start_pre(owner: PortOwner) -> bool:
    """Return whether its manager still runs the commands before the program (ExecStartPre=)."""
    unit = owner.service.unit
    return unit is not None and (unit.active_state, unit.sub_state) in _PRE_START_STATES


def _starting_finding(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding:
    service = owner.service
    age = age_text(max(0.0, _age(case, owner)))
    before = _is_in_start_pre(owner)
    late = not before and _age(case, owner) >= START_SECONDS
    killed = single_external_kill(case.snapshot, service)
    unseen = "" if before else unseen_socket_text(case, service)
    place = endpoint_text(trouble.endpoint)
    what = (f"its ExecStartPre still runs, so nothing listens at {place}" if before
            else f"does not listen at {place} yet")
    return Finding(
        cause=CAUSE.id, variant="start-execstartpre-long" if before else "startup-slow", role="root",
        confidence="certain" if before else "possible" if unseen or late else "likely",
        summary=f"{service.name} was started {age} ago{', after a kill,' if killed is not None else ''} and {what}",
        detail=_pre_start_texts(case, service) if before else (
            f"the owner of {unseen} is unknown: if it is {service.name}, it listens there and not here",
        ) if unseen else (), routes=trouble.route_ids, service=service.name,
        node=service.node, evidence=tuple(dict.fromkeys((
            state_evidence(service), *_last_line_evidence(case, service),
            *((log_evidence(killed.text, killed.where),) if killed is not None else ()),
            *refused_evidence(case, trouble),
        ))),
        repairs=(_late_repair(service),) if late else _wait_repairs(service),
    )


def _late_repair(service: Service) -> Repair:
    """Return what a person does about a start that has taken longer than fixer waits."""
    return Repair("see-start", "manual", f"find out what the start of {service.name} waits for", (), manual=(
        f"read what {service.name} writes, and see with `py-spy dump` or `strace -p` what it does; if its start is "
        "known to be this long, wait for it"))


def _loading_finding(case: Case, trouble: FailingAddress, service: Service) -> Finding:
    age = age_text(max(0.0, clock_of(case.snapshot, service.node) - start_time_of(service)))
    held = listener_at(trouble.endpoint)
    queued = 0 if held is None else held.queued
    return Finding(
        cause=CAUSE.id, variant="startup-slow", role="root", confidence="likely",
        summary=f"{service.name} was started {age} ago and still loads its application: "
                f"{queued} {'connection waits' if queued == 1 else 'connections wait'}, and it has accepted none",
        detail=(), routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            state_evidence(service),
            Evidence("socket", endpoint_text(trouble.endpoint), f"{queued} wait to be accepted, none was"),
            *_last_line_evidence(case, service), *symptom_evidence(case, trouble)))),
        repairs=(Repair("wait-for-start", "safe", f"wait until {service.name} answers", (), waits=True),),
    )


def _wait_repairs(service: Service) -> tuple[Repair, ...]:
    return (Repair("wait-for-start", "safe", f"wait until {service.name} listens", (), waits=True),)


def _pre_start_texts(case: Case, service: Service) -> tuple[str, ...]:
    """Return the commands that run before the program, with advice if they take long."""
    running = processes_of(case.snapshot, service.node, service.pids)
    texts = tuple(f"pid {p.pid} runs for {age_text(max(0.0, clock_of(case.snapshot, service.node) - p.started_at))}: "
                  f"{' '.join(redact_argv(list(p.argv)))[:_MAX_COMMAND_TEXT]}" for p in running[-1:])
    if not texts or clock_of(case.snapshot, service.node) - _changed_at(service) < LONG_SECONDS:
        return texts
    return (*texts, "if it takes longer than it should, see what it waits for (a lock in a database, another system): "
            "nothing listens until it ends")


def _changed_at(service: Service) -> float:
    return service.unit.state_change if service.unit is not None else 0.0


def _last_line_evidence(case: Case, service: Service) -> tuple[Evidence, ...]:
    """Return what it wrote last since its start: it may say how long that takes."""
    said = program_lines(last_run_lines(case.snapshot, service))[-1:]
    return tuple(log_evidence(line.text, line.where) for line in said)


CAUSE = Cause(
    id="slow-start",
    title="the backend was just started and does not listen yet",
    family="running but not listening",
    variants=(
        "startup-slow", "start-execstartpre-long", "start-script-waits", "start-job-queued", "container-unhealthy",
    ),
    verdict=judge,
    page=__doc__,
)


def script_finding(case: Case, one: WaitingScript, cause: str, variant: str, wait: tuple[Repair, ...]) -> Finding:
    """Return the finding on a script that waits for a file or for something unseen; `wait` while it is young."""
    file = next((r for r, needed in one.unmet_dependencies if needed is None), None)
    name = one.service.name
    if file is not None:
        what = f": it waits for {file.path}, which does not exist" if file.wanted else (
            f": it waits until {file.path} is removed, and the file still exists")
        todo = (f"find out what should {'write' if file.wanted else 'remove'} {file.path} ({file.source.where} waits "
                f"for that) and let it do so, or correct that line; {name} then continues by itself")
    else:
        address = next((r.address for r, needed in one.unmet_dependencies if needed is not None), "")
        what = f": it waits for {address}" if address else ""
        now = running_command_text(case, one)
        todo = f"make {address} answer, or correct that address; then restart {name}" if address else (
            f"find out what {script_text(one)} waits for ({now or 'only a pause of it was observed'}) and bring "
            f"that back, or correct the script; then restart {name}")
    repair = Repair("mend-script", "manual", f"let the script of {name} continue", (), manual=todo)
    return Finding(
        cause=cause, variant=variant, role="root", confidence="likely",
        summary=f"{not_started_text(case, one)}{what}", detail=tuple(filter(None, (running_command_text(case, one),))),
        routes=one.routes, service=name, node=one.service.node,
        evidence=waiting_script_evidence(case, one, ()),
        repairs=(*wait, repair), effects=("nothing-listens",),
    )


def queued_finding(case: Case, trouble: FailingAddress, service: Service, cause: str,
                   wait: tuple[Repair, ...]) -> Finding:
    """Return the finding on a start queued after units that are not up yet; `wait` if that may end soon."""
    ages = awaited_unit_ages(case, service)
    young = all(age is not None and age < LONG_QUEUED for age in ages.values())
    return Finding(
        cause=cause, variant="start-job-queued", role="root", confidence="certain",
        summary=f"{queued_start_text(service)}; nothing listens at {endpoint_text(trouble.endpoint)}",
        detail=tuple(f"{name}: starting for {age_text(age)}" for name, age in ages.items() if age is not None),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            state_evidence(service), *queue_evidence(service),
            *refused_evidence(case, trouble),
        ))),
        repairs=(*(wait if young else ()), end_wait_repair(service)),
    )
