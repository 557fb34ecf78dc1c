"""The backend runs and listens, but does nothing: stopped by a signal, frozen with its container, or stuck in one call.

What it is
  The process was stopped (SIGSTOP, Ctrl-Z, a debugger that left), its container is paused, or its event loop waits in
  one call that does not return.

Why nginx says 504
  The kernel accepts connections on the process's behalf until its queue is full, so connecting works; no answer comes:
  `upstream timed out (110) while reading response header from upstream`, after proxy_read_timeout (60 s by default).
  A check that only opens the port says "healthy".

How it is told apart
  Process state T, or container status paused: certain. Otherwise: it accepts, answers nothing, finished no request
  lately, and few are waiting. overload-saturated looks the same to one visitor, but there requests are being finished
  all the time, and many more wait than it has workers. If another process than the service holds the socket, see
  crash-port-in-use.

The repair and its safety
  continue-process (safe): SIGCONT to the stopped processes; undo stops them again.
  unpause-container (safe): `docker unpause`.
  restart-service (disruptive): what hangs in a call is only freed by a restart; requests under way are lost.

By hand
  grep State /proc/PID/status; kill -CONT PID        docker unpause CONTAINER        systemctl restart UNIT
"""

from __future__ import annotations

from collections.abc import Mapping

from fixer.causes.base import Cause, conclude
from fixer.causes.case import Case
from fixer.causes.editing import container_of
from fixer.causes.pressure import Pressure, is_paused, pressure_evidence, pressures
from fixer.causes.reading import config_evidence, describe_process, state_evidence
from fixer.causes.starting import restart_steps
from fixer.causes.symptoms import is_read_timeout, symptom_evidence
from fixer.model.diagnosis import Confidence, Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.plan import ContainerAction, SignalProcess
from fixer.model.snapshot import Process

FEW = 3      # so many waiting requests are no load: they may be our own and a visitor's who tried again


def judge(case: Case) -> Verdict:
    """For every service that accepts and does not answer: is it stopped, frozen, or stuck without being busy?"""
    found, missing, ruled = pressures(case)
    findings: dict[str, Finding] = {}
    lacking, shown = list(missing), list(ruled)
    for pressure in found:
        stopped = stopped_processes(pressure)
        if is_paused(pressure.service):
            new = _paused(case, pressure)
        elif stopped:
            new = _stopped(case, pressure, stopped)
        elif pressure.works:
            shown += pressure.proof
            continue
        elif pressure.works is None and pressure.waiting > FEW:
            lacking.append(f"whether {pressure.service.name} still finishes requests: its log does not show them")
            continue
        else:
            new = _blocked(case, pressure)
        findings.setdefault(pressure.service.id, new)
    return conclude(findings.values(), lacking, shown)


def stopped_processes(pressure: Pressure) -> tuple[Process, ...]:
    """The processes of the service that a signal stopped, children first.

    A parent that goes on before its workers takes them for hung and kills them.
    """
    stopped = {p.pid: p for p in pressure.processes if p.state == "T"}
    return tuple(sorted(stopped.values(), key=lambda p: (-_depth(p, stopped), p.pid)))


def _depth(process: Process, among: Mapping[int, Process]) -> int:
    depth, seen = 0, {process.pid}
    while (parent := among.get(process.ppid)) is not None and parent.pid not in seen:
        depth, process = depth + 1, parent
        seen.add(parent.pid)
    return depth


def _paused(case: Case, pressure: Pressure) -> Finding:
    box = pressure.service.container
    assert box is not None
    repair = Repair("unpause-container", "safe", f"unpause {box.name}",
                    (ContainerAction(box.id, box.name, "unpause", box.status),))
    return _finding(case, pressure, ("container-paused", f"container {box.name} is paused", "certain"), repair)


def _stopped(case: Case, pressure: Pressure, stopped: tuple[Process, ...]) -> Finding:
    service = pressure.service
    pids = ", ".join(str(p.pid) for p in stopped)
    words: tuple[str, str, Confidence] = (
        "backend-sigstop", f"{service.name} is stopped by a signal (pid {pids}, state T)", "certain",
    )
    shown = tuple(
        Evidence("process", f"pid {p.pid}", f"state T (stopped): {describe_process(case.snapshot, service.node, p)}")
        for p in stopped
    )
    return _finding(case, pressure, words, _continue(case, pressure, stopped), shown)


def _continue(case: Case, pressure: Pressure, stopped: tuple[Process, ...]) -> Repair:
    box = container_of(case.snapshot, pressure.service.node)
    if box is not None and not box.is_machine:
        return _restart(case, pressure)       # no process of it is known by a number that means something outside
    signals = tuple(
        SignalProcess(pressure.service.node, p.pid, p.start_ticks, "CONT",
                      describe_process(case.snapshot, pressure.service.node, p))
        for p in stopped
    )
    return Repair("continue-process", "safe", f"let {', '.join(str(p.pid) for p in stopped)} go on (SIGCONT)", signals)


def _blocked(case: Case, pressure: Pressure) -> Finding:
    states = ", ".join(sorted({p.state for p in pressure.processes})) or "unknown"
    words: tuple[str, str, Confidence] = (
        "event-loop-blocked",
        f"{pressure.service.name} accepts connections and answers none (process state {states}, "
        f"{pressure.waiting} waiting)", "likely",
    )
    return _finding(case, pressure, words, _restart(case, pressure), pressure.proof)


def _restart(case: Case, pressure: Pressure) -> Repair:
    service = pressure.service
    steps = restart_steps(case.snapshot, service, pressure.trouble.endpoint)
    if not steps:
        names = "; ".join(describe_process(case.snapshot, service.node, p) for p in pressure.processes[:3])
        manual = f"end it and start it again as it was started; nobody manages it: {names}"
        return Repair("restart-service", "manual", f"restart {service.name}", (), manual=manual)
    return Repair("restart-service", "disruptive", f"restart {service.name}: requests under way are lost", steps)


def _finding(
    case: Case, pressure: Pressure, words: tuple[str, str, Confidence], repair: Repair,
    shown: tuple[Evidence, ...] = (),
) -> Finding:
    """`words` are the variant, what is said of the service, and how sure it is."""
    trouble, service = pressure.trouble, pressure.service
    evidence = (
        *shown, state_evidence(service), *pressure_evidence(pressure),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
        *symptom_evidence(case, trouble, is_read_timeout),
    )
    return Finding(
        cause=CAUSE.id, variant=words[0], role="root", confidence=words[2], summary=words[1], detail=(),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys(evidence)), repairs=(repair,),
        explains=("overload-saturated", "nginx-not-reloaded", "slow-start"),
    )


CAUSE = Cause(
    id="backend-hung",
    title="the backend runs and listens, but answers nothing",
    family="overload, comes and goes",
    variants=("backend-sigstop", "container-paused", "event-loop-blocked"),
    verdict=judge,
    order=25,
    page=__doc__,
)
