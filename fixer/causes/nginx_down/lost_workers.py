"""An nginx that has a master and serves nobody all the same: stopped workers, workers that end, an unmanaged master."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import condition, describe_process, now_on, processes_of, state_evidence
from fixer.analysis.route_verdict import Judged
from fixer.causes.nginx_down.refused_start import CAPABILITIES, missing_capability
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Repair, Role
from fixer.model.facts import Evidence, Known
from fixer.model.plan import SignalProcess
from fixer.model.snapshot import ErrorEvent, Nginx, Process, Service
from fixer.repairs.file_edits import container_of
from fixer.repairs.start_nginx import restart_with_names

CAUSE_ID = "nginx-down"
LATELY = 600.0       # seconds: a worker that ended then is worth a word
_AT_ONCE = 60.0      # seconds: one that ended then may be why a page fails now
NO_MEMORY = regex(r"^(?:malloc\((\d{1,15})\)|posix_memalign\(\d+, (\d{1,15})\)) failed \(12: ")
_GIVEN_UP = regex(r"^worker process \d+ exited with fatal code \d+ and cannot be respawned")
_SLACK = 5.0         # seconds between what ends a worker and what its master says of that
_ENDED = regex(r"^worker process \d+ exited (?:on signal [1-9]\d*|with (?:fatal )?code [1-9]\d*)")


def stopped_workers(case: Case, nginx: Nginx) -> Finding | None:
    """Workers in state T: connections are completed by the kernel, and nobody takes them."""
    found = processes_of(case.snapshot, nginx.node, (*nginx.worker_pids, nginx.master_pid or 0))
    stopped = [p for p in found if p.state == "T"]
    workers = [p for p in stopped if p.pid in nginx.worker_pids]
    if not workers:
        return None
    routes = tuple(j for j in case.judged.values() if nginx.serves(j.facts))
    suffers = len(workers) == len(nginx.worker_pids) or any(j.is_bad or j.state == "slow" for j in routes)
    role: Role = "root" if suffers else "advice"
    pids = ", ".join(str(p.pid) for p in workers)
    everyone = "all its workers are" if len(workers) == len(nginx.worker_pids) else "some of its workers are"
    shown = tuple(
        Evidence("process", f"pid {p.pid}", f"state T (stopped): {describe_process(case.snapshot, nginx.node, p)}")
        for p in stopped
    )
    seen = tuple(e for j in routes if j.is_bad or j.state == "slow" for e in j.evidence[:1])
    return Finding(
        cause=CAUSE_ID, variant="worker-stopped", role=role, confidence="certain",
        summary=f"nginx serves nobody: {everyone} stopped by a signal (pid {pids}, state T)", detail=(),
        routes=tuple(j.facts.route.id for j in routes), service=None if nginx.service is None else nginx.service.name,
        node=nginx.node, evidence=(*shown, *seen[:3]),
        repairs=(_continue(case, nginx, stopped),) if suffers else (),
        explains=("backend-hung", "overload-saturated", "nginx-not-reloaded"),
    )


def _continue(case: Case, nginx: Nginx, stopped: list[Process]) -> Repair:
    box = container_of(case.snapshot, nginx.node)
    if box is not None and not box.is_machine:
        # no process of it is known by a number that means something outside
        return restart_with_names(case, nginx, box)
    signals = tuple(
        SignalProcess(nginx.node, p.pid, p.start_ticks, "CONT", describe_process(case.snapshot, nginx.node, p))
        for p in sorted(stopped, key=lambda p: (p.pid == nginx.master_pid, p.pid))
    )
    pids = ", ".join(str(step.pid) for step in signals)
    return Repair("continue-process", "safe", f"let {pids} go on (SIGCONT)", signals)


def lost_workers(case: Case, nginx: Nginx) -> Finding | None:
    """A master alone: each worker ended with a fatal error at its start, and the master gave up. The kernel takes
    connections for it, and nobody answers them."""
    events = _events(nginx)
    at = next((i for i in range(len(events) - 1, -1, -1) if _GIVEN_UP.match(events[i].message)), -1)
    if nginx.worker_pids or at < 0 or any(j.state == "ok" for j in _routes(case, nginx)):
        return None
    last = events[at]
    why = next((e for e in reversed(events[:at]) if e.level == "emerg" and last.at - e.at < _SLACK), None)
    said = why.message if why is not None else last.message
    shown = (why, last) if why is not None else (last,)
    if missing_capability(said):
        todo = (f"nginx's master has no right to {said.partition('(')[0]}: give its container {CAPABILITIES} "
                "(cap_add), or its unit (CapabilityBoundingSet=)")
    else:
        todo = f"mend what ends its workers: {said}"
    repair = Repair("let-workers-start", "manual", "let nginx start its workers", (), manual=f"{todo}; then restart it")
    return Finding(
        cause=CAUSE_ID, variant="worker-crash", role="root", confidence="certain" if why is not None else "likely",
        summary=f"nginx serves nobody: its workers ended when they started, and its master gave up ({said[:160]})",
        detail=(), routes=tuple(j.facts.route.id for j in _routes(case, nginx)),
        service=None if nginx.service is None else nginx.service.name, node=nginx.node,
        evidence=(Evidence("nginx-process", f"pid {nginx.master_pid}", "a master without a worker"),
                  *(Evidence("nginx-log", e.where, e.raw[:300]) for e in shown)),
        repairs=(repair,), explains=("backend-hung", "overload-saturated", "nginx-not-reloaded"),
    )


def _routes(case: Case, nginx: Nginx) -> tuple[Judged, ...]:
    return tuple(j for j in case.judged.values() if nginx.serves(j.facts))


def ended_workers(case: Case, nginx: Nginx) -> Finding | None:
    """Workers that were killed or crashed. The master starts new ones, so it is a fault only while pages fail of it."""
    now = now_on(case.snapshot, nginx.node)
    events = [e for e in _events(nginx) if e.level == "alert" and _ENDED.match(e.message) and now - e.at < LATELY]
    if not events or lost_workers(case, nginx) is not None:
        return None
    cut = tuple(j for j in case.judged.values() if nginx.serves(j.facts) and _is_cut(j.facts.probes))
    fresh = [e for e in events if now - e.at < _AT_ONCE]
    hurts = bool(cut and fresh)
    last = events[-1]
    times = f"{len(events)} times: " if len(events) > 1 else ""
    summary = f"{last.message}, {len(events)} of them within 10 minutes; nginx started others"
    repairs = (_look_why(last.message),) if hurts else ()
    routes = cut or tuple(j for j in case.judged.values() if nginx.serves(j.facts))
    return Finding(
        cause=CAUSE_ID, variant="worker-crash", role="root" if hurts else "advice",
        confidence="likely" if hurts else "certain", summary=summary, detail=(),
        routes=tuple(j.facts.route.id for j in routes), service=None if nginx.service is None else nginx.service.name,
        node=nginx.node,
        evidence=(Evidence("nginx-log", last.where, times + last.raw[:300]),
                  *(e for j in cut[:2] for e in j.evidence[:1])),
        repairs=repairs,
    )


def _look_why(message: str) -> Repair:
    manual = (
        f"{message}: its workers end again and again while they serve. Signal 9 is the kernel's memory limit or a "
        "person; 11 and 6 are a fault in nginx or a module: compare the installed modules with nginx's version"
    )
    return Repair("look-why-workers-end", "manual", "find out what ends nginx's workers", (), manual=manual)


def _is_cut(probes: object) -> bool:
    """An answer that never came, on a connection that nginx had taken."""
    return isinstance(probes, Known) and any(p.status is None and p.error in ("closed", "reset") for p in probes.value)


def _events(nginx: Nginx) -> tuple[ErrorEvent, ...]:
    return nginx.errors.value if isinstance(nginx.errors, Known) else ()


def unmanaged_master(case: Case, nginx: Nginx) -> Finding | None:
    """The master runs outside its unit, which is meant to run it: systemctl reloads and restarts somebody else."""
    unit = _own_unit(case, nginx)
    masters = processes_of(case.snapshot, nginx.node, (nginx.master_pid or 0,))
    if unit is None or unit.unit is None or not masters or masters[0].unit == unit.name:
        return None
    state = condition(unit)
    if state not in ("failed", "looping") and not (state == "stopped" and unit.unit.unit_file_state == "enabled"):
        return None
    master = masters[0]
    said = f"kill -QUIT {master.pid} && systemctl reset-failed {unit.name} && systemctl start {unit.name}"
    return Finding(
        cause=CAUSE_ID, variant="nginx-unmanaged-master", role="advice", confidence="certain",
        summary=f"nginx (pid {master.pid}) runs outside {unit.name}, which is {state}: systemctl does not reach it",
        detail=(f"to hand it over, with a moment's pause: {said}",),
        routes=tuple(j.facts.route.id for j in case.judged.values() if nginx.serves(j.facts)),
        service=unit.name, node=nginx.node,
        evidence=(
            Evidence("nginx-process", f"pid {master.pid}",
                     f"{describe_process(case.snapshot, nginx.node, master)}, {master.unit or 'outside any unit'}"),
            state_evidence(unit),
        ),
    )


def _own_unit(case: Case, nginx: Nginx) -> Service | None:
    """The unit whose command is this nginx."""
    return next((s for s in case.snapshot.services if s.node == nginx.node and s.unit is not None
                 and s.unit.exec_start[:1] == (nginx.binary,)), None)
