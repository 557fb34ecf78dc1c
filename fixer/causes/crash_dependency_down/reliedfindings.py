"""What is told of a backend beside which a system that it is told to use is stopped, without its log naming that."""

from __future__ import annotations

from collections.abc import Container

from fixer.analysis.case import Case
from fixer.analysis.evidence import (
    absent_evidence,
    config_evidence,
    log_evidence,
    now_on,
    ran_since,
    say_age,
    state_evidence,
)
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.nginx_errors import is_refused, symptom_evidence
from fixer.causes.crash_dependency_down.stopped_dependency import Relied, relied
from fixer.causes.crash_dependency_down.unanswered_dependency import CAUSE_ID, EXPLAINS
from fixer.model.diagnosis import Confidence, Finding, Repair
from fixer.repairs.restore_code import again_steps
from fixer.repairs.start_dependency import provider_steps, why_not
from fixer.repairs.start_service import waiting


def relied_findings(case: Case, found: tuple[Crash, ...], told: Container[tuple[str, str | None]]) -> list[Finding]:
    """For the services of which nothing else was told."""
    crashed = {crash.service.id: crash for crash in found}
    return [_found(case, one, crashed.get(one.service.id)) for one in relied(case, found)
            if (one.service.node, one.service.name) not in told]


def _found(case: Case, one: Relied, crash: Crash | None) -> Finding:
    service, trouble = one.service, one.trouble
    names = ", ".join(p.name for _, _, p in one.stopped)
    where = ", ".join(f"{r.source.text} ({r.source.where})" for r, _, _ in one.stopped[:2])
    verb = "is" if len(one.stopped) == 1 else "are"
    age = say_age(max(0.0, now_on(case.snapshot, service.node) - ran_since(service)))
    how = {"ends": f"{service.name} ends" + ("" if one.said is not None else " without a word"),
           "waits": f"{service.name} has been starting for {age} and listens nowhere",
           "rests": f"{service.name} is stopped"}[one.manner]
    confidence: Confidence = "likely" if one.is_sure else "possible"
    summary = f"{how}, and {names}, which it is told to use, {verb} stopped" if one.manner != "rests" else (
        f"{how}, and so {verb} {names}, which it is told to use")
    detail = f"it is told to use what is stopped: {where}; its own log does not name it"
    return Finding(
        cause=CAUSE_ID, variant="startup-blocked-on-dependency" if one.manner == "waits" else "start-db-refused",
        role="root" if one.is_sure else "contributing", confidence=confidence, summary=summary,
        detail=(detail,), routes=trouble.route_ids, service=one.stopped[0][2].name, node=service.node,
        evidence=tuple(dict.fromkeys((
            *(r.source for r, _, _ in one.stopped), *(state_evidence(p) for _, _, p in one.stopped),
            *(e for _, n, _ in one.stopped for e in n.why),
            *((log_evidence(one.said.text, one.said.where),) if one.said is not None else ()), state_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
            *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(_repair(case, one, crash),), explains=EXPLAINS if one.manner != "rests" and one.is_sure else (),
    )


def _repair(case: Case, one: Relied, crash: Crash | None) -> Repair:
    """Start what is stopped, then the backend; of one that rests its own finding tells the start."""
    service, names = one.service, ", ".join(p.name for _, _, p in one.stopped)
    reasons = [why for _, _, p in one.stopped if (why := why_not(case, p))]
    begun = tuple(step for r, _, p in one.stopped for step in provider_steps(case, r, p)) if not reasons else ()
    title = "a person must bring back what it needs"
    if not begun:
        manual = f"{'; '.join(reasons) or f'start {names}'}; then start {service.name}"
        return Repair("mend-dependency", "manual", title, (), manual=manual)
    if not one.is_sure:
        last = one.said.text.strip()[:160] if one.said is not None else ""
        manual = (f"where {service.name} needs it ({one.stopped[0][0].source.where}): start {names}, then "
                  f"{service.name}; what it says itself may be about something else: {last}")
        return Repair("mend-dependency", "manual", title, (), manual=manual)
    if one.manner == "rests":
        return Repair("start-dependency", "safe", f"start {names}, before {service.name}", begun)
    after = again_steps(case, crash) if crash is not None else waiting(case.snapshot, service, one.trouble.endpoint)
    also = " and enable at boot what is not" if any(getattr(step, "verb", "") == "enable" for step in begun) else ""
    then = f"then start {service.name}" if crash is not None else f"{service.name} then goes on by itself"
    return Repair("start-dependency", "safe", f"start {names}{also}, {then}", tuple(dict.fromkeys((*begun, *after))))
