"""What is told of a backend that waits for another system, and of one that was not started for want of a unit."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.dependency.blocked_start import Blocked, blocked_evidence, stands_still, waits_since
from fixer.analysis.dependency.requiring import Required
from fixer.analysis.evidence import (
    absent_evidence,
    address_text,
    condition,
    config_evidence,
    describe_process,
    log_evidence,
    processes_of,
    state_evidence,
)
from fixer.analysis.nginx_errors import is_refused, symptom_evidence
from fixer.model.diagnosis import Finding, Repair
from fixer.model.plan import ContainerAction, SignalProcess, Step
from fixer.model.snapshot import LogLine, Service
from fixer.repairs.start_dependency import start_steps_of, swallowed, why_not, words_of
from fixer.repairs.start_service import start_steps, waiting

CAUSE_ID = "crash-dependency-down"
EXPLAINS = ("crash-loop-gave-up", "backend-down", "crash-killed", "slow-start", "wrong-port")


def blocked_finding(case: Case, one: Blocked) -> Finding:
    """It runs, holds no socket, and waits for an answer of what it needs."""
    service, trouble, line = one.service, one.trouble, one.line
    where = address_text(line.address, line.port)
    provider = one.needed.provider
    still = provider is not None and stands_still(case, provider)
    whom = f"{provider.name} ({where})" if provider is not None else where
    unread = line.state == "unread" and not still
    how = "stands still and gives no answer" if still else (
        "has taken the connection, and not what it was sent" if unread else "gives no answer")
    return Finding(
        cause=CAUSE_ID, variant="startup-blocked-on-dependency", role="root",
        confidence="certain" if line.pids and one.owner.certain and not unread else "likely",
        summary=f"{service.name} has been starting for {waits_since(case, one)} and waits: {whom} {how}",
        detail=(f"it listens nowhere until {where} answers",), routes=trouble.route_ids, service=service.name,
        node=service.node, evidence=tuple(dict.fromkeys((
            *blocked_evidence(case, one), config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *absent_evidence(trouble.endpoint), *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=_unblock(case, one, provider if still else None), explains=EXPLAINS,
    )


def _unblock(case: Case, one: Blocked, still: Service | None) -> tuple[Repair, ...]:
    service = one.service
    if still is not None:
        wait = waiting(case.snapshot, service, one.trouble.endpoint)
        steps = (*go_on(case, still), *wait)
        said = f"let {still.name} go on; {service.name} then starts by itself"
        return (Repair("continue-dependency", "safe", said, steps),)
    if one.line.state == "unread":
        where = address_text(one.line.address, one.line.port)
        who = one.needed.provider.name if one.needed.provider is not None else f"what listens at {where}"
        manual = (f"{who} takes the connection and no word of {service.name}: find out what holds it up (its log, and "
                  f"what it waits for itself; ss -tnp 'port = :{one.line.port}'), then restart {service.name}")
        return (Repair("mend-dependency", "manual", f"make {where} answer", (), manual=manual),)
    return (swallowed(service.name, one.said, one.needed),)


def go_on(case: Case, provider: Service) -> tuple[Step, ...]:
    """What lets it run on: the engine, or a signal to each of its processes."""
    box = provider.container
    if box is not None and condition(provider) == "paused":
        return (ContainerAction(box.id, box.name, "unpause", box.status),)
    return tuple(
        SignalProcess(provider.node, p.pid, p.start_ticks, "CONT", describe_process(case.snapshot, provider.node, p))
        for p in processes_of(case.snapshot, provider.node, provider.pids) if p.state == "T"
    )


def required_finding(case: Case, one: Required) -> Finding:
    """systemd started it not, for want of another unit."""
    service, trouble = one.service, one.trouble
    names = ", ".join(s.name for s in one.lacking)
    text = f"a unit that it requires does not run: {names}" if names else "a unit that it required failed then"
    return Finding(
        cause=CAUSE_ID, variant="start-dependency-failed", role="root",
        confidence="certain" if one.lacking and one.owner.certain else "likely",
        summary=f"{service.name} is not started: {text}", detail=(), routes=trouble.route_ids, service=service.name,
        node=service.node, evidence=tuple(dict.fromkeys((
            log_evidence(one.line.text, one.line.where), *one.why, *(state_evidence(s) for s in one.lacking),
            *(log_evidence(w.text, w.where) for s in one.lacking for w in _said(case, s)), state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
            *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=_start_required(case, one), explains=EXPLAINS,
    )


def _said(case: Case, service: Service) -> tuple[LogLine, ...]:
    return tuple(w for w in words_of(case, service)[-2:] if w.text.strip())


def _start_required(case: Case, one: Required) -> tuple[Repair, ...]:
    """What was only stopped is started; what failed by itself is for a person."""
    service = one.service
    reasons = [why for s in one.lacking if (why := why_not(case, s))]
    if reasons:
        manual = f"{'; '.join(reasons)}; then start {service.name}"
        return (Repair("mend-dependency", "manual", "a person must bring back what it needs", (), manual=manual),)
    begun = tuple(step for s in one.lacking for step in start_steps_of(case, s))
    steps = tuple(dict.fromkeys((*begun, *start_steps(case.snapshot, service, one.trouble.endpoint))))
    names = ", ".join(s.name for s in one.lacking)
    return (Repair("start-dependency", "safe", f"start {f'{names}, then ' if names else ''}{service.name}", steps),)
