"""A service whose start is queued behind units that are not up yet."""

from __future__ import annotations

from fixer.causes.case import Case, Trouble
from fixer.causes.reading import (
    absent_evidence,
    config_evidence,
    endpoint_text,
    now_on,
    say_age,
    state_evidence,
)
from fixer.causes.symptoms import is_refused, symptom_evidence
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service

LONG = 60.0     # seconds that an awaited unit may take and still be waited for


def queued_finding(case: Case, trouble: Trouble, service: Service, cause: str, wait: tuple[Repair, ...]) -> Finding:
    """Its turn comes when they are up, or stopped; `wait` where that may be soon."""
    unit = service.unit
    assert unit is not None
    now = now_on(case.snapshot, service.node)
    ages = {one.name: max(0.0, now - one.since) if one.since else None for one in unit.awaits}
    names = " and ".join(ages)
    said = tuple(f"{name}: for {say_age(age)}" for name, age in ages.items() if age is not None)
    verb, them = ("are", "them") if len(ages) > 1 else ("is", "it")
    units = " ".join(ages)
    todo = (f"see what keeps {names} (systemctl status {units}) and mend that: {service.name} is started by itself "
            f"then; systemctl stop {units} ends the wait at once")
    by_hand = Repair("end-wait", "manual", f"let {names} come up, or stop {them}", (), manual=todo)
    young = all(age is not None and age < LONG for age in ages.values())
    return Finding(
        cause=cause, variant="start-job-queued", role="root", confidence="certain",
        summary=(f"the start of {service.name} is queued behind {names}, which {verb} not up yet; nothing listens at "
                 f"{endpoint_text(trouble.endpoint)}"),
        detail=said, routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            state_evidence(service),
            *(Evidence("unit", name, f"job {unit.job} ({service.name}/start) waits for it") for name in ages),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *absent_evidence(trouble.endpoint), *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(*(wait if young else ()), by_hand),
    )
