"""What is told of a backend that waits for another system, and of one that was not started for want of a unit."""

from __future__ import annotations

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.dependency.blocked_start import Blocked, Required, blocked_evidence, stands_still, waits_since
from fixer.analysis.dependency.start_order import DEPENDS_ON_LABEL, AwaitedService, first_awaited
from fixer.analysis.evidence import absent_evidence, address_text, config_evidence, log_evidence
from fixer.analysis.nginx_errors import is_refused, symptom_evidence
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.service_state import state_evidence
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import LogLine, Service
from fixer.repairs.start_dependency import go_on, start_steps_of, swallowed, why_not, words_of
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


_EXPLAINS = ("backend-down", "slow-start", "dns-unresolved", "nginx-down")


def awaited_findings(case: Case) -> list[Finding]:
    """One finding a service: started by itself it would run, and the next `up` would stop there again."""
    found: dict[str, Finding] = {}
    for trouble in case.troubles:
        owner = sole_owner(case, trouble)
        box = owner.service.container if owner is not None else None
        if owner is None or box is None or box.status != "created" or box.started_at > 0 or not box.project:
            continue
        held = first_awaited(case, box)
        if held is None:
            continue
        new, old = _finding(case, trouble, owner, held), found.get(owner.service.id)
        found[owner.service.id] = new if old is None else replace(
            old, routes=tuple(dict.fromkeys((*old.routes, *new.routes))))
    return list(found.values())


def _finding(case: Case, trouble: Trouble, owner: Owner, held: AwaitedService) -> Finding:
    service, box = owner.service, owner.service.container
    assert box is not None
    manual = (f"{held.todo}; then docker compose up -d. {service.name} started by itself would not last: the next up "
              "would stop there again")
    return Finding(
        cause="crash-dependency-down", variant="start-dependency-failed", role="root",
        confidence="certain" if held.certain and owner.certain else "likely",
        summary=f"{service.name} was made and never started: Compose waits for {held.name}, which {held.said}",
        detail=(), routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            Evidence("container", box.name, f"created, {DEPENDS_ON_LABEL}={dict(box.labels)[DEPENDS_ON_LABEL]}"),
            held.shown,
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
        ))),
        repairs=(Repair("mend-dependency", "manual", "a person must bring back what it waits for", (), manual=manual),),
        explains=_EXPLAINS,
    )
