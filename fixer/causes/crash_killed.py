"""The backend was killed by a signal, and nothing has started it again.

What it is
  The process ended by a signal from outside (kill -9, an operator, a script) or by a fault of its own (a segmentation
  fault in a native module), and its manager is told not to restart it.

Why nginx says 502
  Requests under way: `upstream prematurely closed connection while reading response header from upstream`. All that
  follow: `connect() failed (111: Connection refused)`. Both in the same second are the signature of a crash.

How it is told apart
  The unit is failed with Result=signal (status 9, 11 …); a container exited with 137 or 139. A container that was
  asked to stop and was slow to go also exits with 137, but its log shows its shutdown: that is backend-down. A kernel
  that ran out of memory kills too: there the engine or systemd says so (oom). A clean stop is backend-down.

The repair and its safety
  start-service (safe): reset the failure, start it, wait until it accepts.
  restart-on-failure (disruptive): the same, with a drop-in Restart=on-failure, so that the next kill heals by itself.

By hand
  systemctl status UNIT                          code=killed, status=9/KILL
  systemctl reset-failed UNIT; systemctl start UNIT      docker start CONTAINER
"""

from __future__ import annotations

from fixer.causes.base import Cause, conclude
from fixer.causes.case import Case
from fixer.causes.crashing import Crash, crashes
from fixer.causes.editing import NoPlace
from fixer.causes.envfiles import drop_in
from fixer.causes.logs import gave_up
from fixer.causes.reading import absent_evidence, condition, config_evidence, log_evidence, state_evidence
from fixer.causes.reasons import missing_variables, port_in_use
from fixer.causes.starting import is_off_at_boot, start_steps
from fixer.causes.symptoms import is_cut_off, is_refused, symptom_evidence
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.snapshot import ErrorEvent, Service

_NAMES = {4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV"}
_FAULTS = frozenset({4, 6, 7, 8, 11})


def judge(case: Case) -> Verdict:
    """For every service that failed: did a signal end it, once, without its being asked to stop?"""
    all_of = crashes(case)
    findings: list[Finding] = []
    ruled: list[Evidence] = [*all_of.sound]
    for crash in all_of.found:
        number = killed_by(crash.service)
        if number is None or condition(crash.service) == "looping" or gave_up(crash.service) is not None:
            ruled.append(state_evidence(crash.service))
        elif missing_variables(crash.lines) or port_in_use(crash.lines) is not None:
            ruled.append(log_evidence(crash.lines[-1].text, crash.lines[-1].where))
        else:
            findings.append(_found(case, crash, number))
    # a signal is told by the manager alone: a log that could not be read hides nothing here
    missing = [fact for fact in all_of.missing if not fact.startswith("log of")]
    return conclude(findings, missing, ruled)


def killed_by(service: Service) -> int | None:
    """The signal that ended the main process, None where it was none or the kernel took it for want of memory."""
    unit, box, program = service.unit, service.container, service.program
    if program is not None:
        return program.signal or None if program.state == "EXITED" and not program.expected else None
    if unit is not None:
        if unit.result in ("signal", "core-dump"):
            return unit.exec_main_status or None
        if unit.result == "exit-code" and unit.exec_main_status in (137, 139):   # a shell between says 128 + N
            return unit.exec_main_status - 128
        return None
    if box is not None and not box.oom_killed and box.exit_code in (132, 134, 135, 136, 137, 139):
        return box.exit_code - 128
    return None


def _found(case: Case, crash: Crash, number: int) -> Finding:
    service, trouble = crash.service, crash.troubles[0]
    name = _NAMES.get(number, str(number))
    last = crash.lines[-1:] if service.unit is not None else ()
    evidence = (
        state_evidence(service), *(log_evidence(line.text, line.where) for line in last),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
        *symptom_evidence(case, trouble, _is_crash_line),
    )
    return Finding(
        cause=CAUSE.id, variant="segfault-mid-request" if number in _FAULTS else "killed-mid-request", role="root",
        confidence="certain" if crash.owner.certain else "likely",
        summary=f"{service.name} was killed by signal {number} ({name}) and was not started again", detail=(),
        routes=crash.routes, service=service.name, node=service.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=_repairs(case, crash), explains=("crash-loop-gave-up", "backend-down", "nginx-not-reloaded"),
    )


def _is_crash_line(event: ErrorEvent) -> bool:
    return is_refused(event) or is_cut_off(event)


def _repairs(case: Case, crash: Crash) -> tuple[Repair, ...]:
    service, endpoint = crash.service, crash.troubles[0].endpoint
    steps = start_steps(case.snapshot, service, endpoint)
    also = " and enable it at boot" if is_off_at_boot(service) else ""
    first = Repair("start-service", "safe", f"start {service.name}{also}", steps)
    if service.unit is None or service.unit.restart not in ("no", ""):
        return (first,)
    kept = drop_in(case.snapshot, service, "Restart=on-failure\n", "50-badgateway-restart.conf")
    if isinstance(kept, NoPlace):
        return (first,)
    summary = f"start {service.name}, and let systemd restart it when it fails"
    return first, Repair("restart-on-failure", "disruptive", summary, (*kept.steps, *steps))


CAUSE = Cause(
    id="crash-killed",
    title="the backend was killed and not started again",
    family="backend crashed, or exits at once",
    variants=("killed-mid-request", "segfault-mid-request"),
    verdict=judge,
    order=20,
    page=__doc__,
)
