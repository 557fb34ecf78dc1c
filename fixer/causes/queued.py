"""A service whose start is queued behind units that are not up yet."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import absent_evidence, config_evidence, endpoint_text, now_on, say_age, state_evidence
from fixer.analysis.nginx_errors import is_refused, symptom_evidence
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Service

LONG = 60.0     # seconds that an awaited unit may take and still be waited for


def queued_finding(case: Case, trouble: Trouble, service: Service, cause: str, wait: tuple[Repair, ...]) -> Finding:
    """Its turn comes when they are up, or stopped; `wait` where that may be soon."""
    ages = _ages(case, service)
    young = all(age is not None and age < LONG for age in ages.values())
    return Finding(
        cause=cause, variant="start-job-queued", role="root", confidence="certain",
        summary=f"{queued_words(service)}; nothing listens at {endpoint_text(trouble.endpoint)}",
        detail=tuple(f"{name}: for {say_age(age)}" for name, age in ages.items() if age is not None),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            state_evidence(service), *queue_evidence(service),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *absent_evidence(trouble.endpoint), *symptom_evidence(case, trouble, is_refused),
        ))),
        repairs=(*(wait if young else ()), end_wait(service)),
    )


def queued_words(service: Service) -> str:
    """What is said of it."""
    names = _names(service)
    return (f"the start of {service.name} is queued behind {' and '.join(names)}, which "
            f"{'are' if len(names) > 1 else 'is'} not up yet")


def queue_evidence(service: Service) -> tuple[Evidence, ...]:
    """Its job, and whose it waits for."""
    job = service.unit.job if service.unit is not None else 0
    return tuple(Evidence("unit", name, f"job {job} ({service.name}/start) waits for it") for name in _names(service))


def end_wait(service: Service) -> Repair:
    """What a person does: another start would wait in the same queue."""
    units, several = " ".join(_names(service)), len(_names(service)) > 1
    names = " and ".join(_names(service))
    manual = (f"see what keeps {names} (systemctl status {units}) and mend that: {service.name} is started by itself "
              f"then; systemctl stop {units} ends the wait at once")
    summary = f"let {names} come up, or stop {'them' if several else 'it'}"
    return Repair("end-wait", "manual", summary, (), manual=manual)


def _names(service: Service) -> tuple[str, ...]:
    return tuple(one.name for one in service.unit.awaits) if service.unit is not None else ()


def _ages(case: Case, service: Service) -> dict[str, float | None]:
    now = now_on(case.snapshot, service.node)
    awaited = service.unit.awaits if service.unit is not None else ()
    return {one.name: max(0.0, now - one.since) if one.since else None for one in awaited}
