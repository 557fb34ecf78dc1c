"""What is told of a start script that has not started its server: who must be started, or what a person looks at."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from fixer.analysis.case import Case
from fixer.analysis.dependency.locate import Needed
from fixer.analysis.dependency.startup_script import HeldUp, doing, held_evidence, held_up, held_up_at, script_of, since
from fixer.analysis.evidence import absent_evidence, condition, config_evidence, endpoint_text, say_age, state_evidence
from fixer.analysis.nginx_errors import is_refused, symptom_evidence
from fixer.analysis.owner import Owner
from fixer.analysis.ownership.configured import is_told
from fixer.causes.crash_dependency_down.unanswered_dependency import CAUSE_ID, EXPLAINS
from fixer.model.diagnosis import Confidence, Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.reliance import Reliance
from fixer.repairs.start_dependency import provider_steps, why_not
from fixer.repairs.start_service import waiting

_DOWN: Mapping[str, str] = {
    "stopped": "is stopped", "failed": "failed", "masked": "is masked", "looping": "fails again and again",
    "starting": "is being started",
}
YOUNG = 60.0     # seconds that a start may take: what is not seen to be down may come by itself


def waiting_findings(case: Case, told: Container[tuple[str, str | None]]) -> list[Finding]:
    """One for each service whose script waits for an address, where nothing else was told of that service."""
    found = [(one, dependency_finding(case, one)) for one in held_up(case)]
    return [finding for one, finding in found
            if finding is not None and (one.service.node, one.service.name) not in told]


def dependency_finding(case: Case, one: HeldUp) -> Finding | None:
    """It waits for an address at which nobody is: of this host, or one that is not seen from here."""
    named = next(((r, n) for r, n in one.unmet if n is not None and n.up is False), None)
    named = named or next(((r, n) for r, n in one.unmet if n is not None), None)
    if named is None:
        return None
    reliance, needed = named
    provider = needed.provider
    serves = provider is not None and condition(provider) in ("running", "starting")
    down = needed.up is False and provider is not None and not serves
    if not down and since(case, one) < YOUNG:
        return None
    sure = down and one.owner.certain and reliance.is_looped
    confidence: Confidence = "certain" if sure else "likely" if needed.up is False else "possible"
    return Finding(
        cause=CAUSE_ID, variant="startup-blocked-on-dependency", role="root", confidence=confidence,
        summary=f"{_has_not(case, one)}: it waits for {reliance.address}, {_state(needed)}",
        detail=tuple(filter(None, (doing(case, one),))), routes=one.trouble.route_ids,
        service=provider.name if provider is not None and not serves else one.service.name, node=one.service.node,
        evidence=_evidence(case, one, (*needed.why, *(state_evidence(p) for p in needed.providers[:3]))),
        repairs=_start(case, one, reliance, needed), explains=EXPLAINS,
    )


def _has_not(case: Case, one: HeldUp) -> str:
    return (f"{one.service.name} runs {script_of(one)}, which has not started its server for "
            f"{say_age(since(case, one))}")


def _state(needed: Needed) -> str:
    if needed.node is None:
        return "which is not on the machines seen from here"
    provider = needed.provider
    if needed.up is None:
        return "where nobody could look whether somebody listens"
    if provider is not None and condition(provider) in _DOWN:
        return f"and {provider.name} {_DOWN[condition(provider)]}"
    return "where nothing listens"


def _start(case: Case, one: HeldUp, reliance: Reliance, needed: Needed) -> tuple[Repair, ...]:
    """Start all that is stopped; the script then goes on by itself, unless something else holds it up."""
    service, provider = one.service, needed.provider
    title = "a person must bring back what it waits for"
    if needed.up is not False or provider is None:
        names = ", ".join(p.name for p in needed.providers)
        which = f"start the one of {names} that is meant" if names else "bring up what should answer there"
        manual = (f"{reliance.source.where} waits for {reliance.address}: {which}, or correct that line; "
                  f"{service.name} then starts by itself")
        return (Repair("mend-dependency", "manual", title, (), manual=manual),)
    begun = {r.address: (n.provider, steps) for r, n in one.unmet if n is not None and n.up is False
             and n.provider is not None and (steps := provider_steps(case, r, n.provider))}
    if reliance.address not in begun:
        what = why_not(case, provider) or (
            f"{provider.name} runs and does not listen at {reliance.address}: make the two agree")
        manual = f"{what}; {service.name} then goes on by itself"
        return (Repair("mend-dependency", "manual", title, (), manual=manual),)
    steps = tuple(step for _, some in begun.values() for step in some)
    also = " and enable at boot what is not" if any(getattr(step, "verb", "") == "enable" for step in steps) else ""
    names = ", ".join(dict.fromkeys(p.name for p, _ in begun.values()))
    whole = len(begun) == len(one.unmet)
    then = f"{service.name} then goes on by itself" if whole else f"{service.name} waits for more than that"
    last = waiting(case.snapshot, service, one.trouble.endpoint) if whole else ()
    return (Repair("start-dependency", "safe", f"start {names}{also}; {then}", tuple(dict.fromkeys((*steps, *last)))),)


def _evidence(case: Case, one: HeldUp, shown: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    trouble = one.trouble
    return tuple(dict.fromkeys((
        *held_evidence(case, one), *shown, state_evidence(one.service),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
        *symptom_evidence(case, trouble, is_refused),
    )))


def script_finding(case: Case, one: HeldUp, cause: str, variant: str, wait: tuple[Repair, ...]) -> Finding:
    """It waits for a file, or for something that is not to be seen: a person looks. `wait` where it is young."""
    file = next((r for r, needed in one.unmet if needed is None), None)
    name = one.service.name
    if file is not None:
        what = f": it waits for {file.path}, which is not there" if file.wanted else (
            f": it waits until {file.path} is gone, which is still there")
        todo = (f"see who should {'write' if file.wanted else 'remove'} {file.path} ({file.source.where} waits for "
                f"that) and let it, or correct that line; {name} then goes on by itself")
    else:
        what = ""
        now = doing(case, one)
        todo = (f"see what {script_of(one)} waits for ({now or 'nothing but a pause of it was seen'}) and bring that "
                f"back, or correct the script; then restart {name}")
    repair = Repair("mend-script", "manual", f"let the script of {name} go on", (), manual=todo)
    return Finding(
        cause=cause, variant=variant, role="root", confidence="likely",
        summary=f"{_has_not(case, one)}{what}", detail=tuple(filter(None, (doing(case, one),))),
        routes=one.trouble.route_ids, service=name, node=one.service.node, evidence=_evidence(case, one, ()),
        repairs=(*wait, repair), explains=("wrong-port", "backend-down"),
    )


def shell_notes(case: Case) -> Iterator[str]:
    """Scripts that some user's shell runs, told to end in a server at an address that is empty: anybody may have
    started one, so nothing is done about it, but a person will want to know what it waits for."""
    for trouble in case.troubles:
        for service in case.snapshot.services:
            if service.manager != "none" or not any(is_told(service, e) for e in trouble.endpoints):
                continue
            one = held_up_at(case, trouble, Owner(service, "contested", ()))
            if one is not None:
                uid = f"pid {one.shell.pid}, uid {one.shell.uid}"
                waits = ", ".join(f"{r.address} ({r.source.where})" for r, _ in one.unmet[:3])
                what = f"it waits for {waits}" if waits else doing(case, one) or "what it waits for was not seen"
                yield f"{_has_not(case, one)} (for {endpoint_text(trouble.endpoint)}; {uid}): {what}"
