"""Findings for start scripts that wait for an address before they start the server."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from fixer.analysis.case import Case
from fixer.analysis.service_state import run_state_of, state_evidence
from fixer.causes.crash_dependency_down.unanswered_dependency import CAUSE_ID
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of
from fixer.model.deployment import Dependency
from fixer.model.diagnosis import Confidence, Effect, Finding, Repair

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.locate import LocatedDependency
    from fixer.analysis.dependency.startup_script import (
        WaitingScript,
        not_started_text,
        running_command_text,
        script_text,
        waiting_script_evidence,
        waiting_seconds,
    )
    from fixer.causes.crash_dependency_down.dependency_finding import start_and_wait_steps
    from fixer.causes.crash_dependency_down.waiting_order import waiting_scripts
    from fixer.repairs.start_dependency import start_obstacle_text
    from fixer.repairs.start_service import wait_for_listener_step

_STATE_TEXTS: Mapping[str, str] = {
    "stopped": "is stopped", "failed": "failed", "masked": "is masked", "looping": "fails again and again",
    "starting": "is being started",
}
# a script that should start nginx, or something that nginx's own script waits for
_EFFECTS: tuple[Effect, ...] = ("dependents-end", "nothing-listens", "nginx-stops")
START_SECONDS = 60.0     # a start may take this long if no dependency is known to be down
_CREATED_SECONDS = 10.0     # the containers of a project are created side by side


def waiting_findings(case: Case, told: Container[tuple[str, str | None]]) -> list[Finding]:
    """Return a finding for each service whose script waits for an address and that no other finding names."""
    scripts = waiting_scripts(case)
    by_service = {one.service.id: one for one in scripts}
    behind = {one.service.id: awaited for one in scripts if (awaited := _awaited_script(one, by_service)) is not None}
    found = [(one, dependency_finding(case, one, tuple(
        other for other in scripts if behind.get(other.service.id) is one))) for one in scripts
        if one.service.id not in behind]
    return [finding for one, finding in found
            if finding is not None and (one.service.node, one.service.name) not in told]


def _awaited_script(one: WaitingScript, by_service: Mapping[str, WaitingScript]) -> WaitingScript | None:
    """Return the script at the end of the chain: a script that waits for a service whose own script waits is behind
    that. None if it waits for nothing of this kind, or in a circle."""
    seen, last = {one.service.id}, None
    while (ahead := next((by_service[needed.provider.id] for _, needed in (last or one).unmet_dependencies
                          if needed is not None and needed.provider is not None and needed.is_listening is not True
                          and needed.provider.id in by_service), None)) is not None:
        if ahead.service.id in seen:
            return None
        seen.add(ahead.service.id)
        last = ahead
    return last


def dependency_finding(case: Case, one: WaitingScript, behind: Sequence[WaitingScript] = ()) -> Finding | None:
    """Return the finding if the script waits for an address where nothing listens, or one on no observed node. The
    scripts `behind` it wait for its server."""
    named = next(((r, n) for r, n in one.unmet_dependencies if n is not None and n.is_listening is False), None)
    named = named or next(((r, n) for r, n in one.unmet_dependencies if n is not None), None)
    if named is None:
        return None
    reliance, needed = named
    provider = needed.provider
    serves = provider is not None and run_state_of(provider) in ("running", "starting")
    down = needed.is_listening is False and provider is not None and not serves
    unknown = _is_unknown_name(one, reliance, needed)
    if not down and waiting_seconds(case, one) < (_CREATED_SECONDS if unknown else START_SECONDS):
        return None
    sure = down and one.owner.certain and reliance.is_looped
    nowhere = needed.is_listening is False or unknown
    confidence: Confidence = "certain" if sure else "likely" if nowhere else "possible"
    return Finding(
        cause=CAUSE_ID, variant="startup-blocked-on-dependency", role="root", confidence=confidence,
        summary=f"{not_started_text(case, one)}: it waits for {reliance.address}, {_state_text(one, reliance, needed)}",
        detail=tuple(filter(None, (running_command_text(case, one), *(
            f"{script_text(other)} of {other.service.name} waits for {one.service.name}" for other in behind)))),
        routes=one.routes,
        service=provider.name if provider is not None and not serves else one.service.name, node=one.service.node,
        evidence=waiting_script_evidence(case, one,
                                         (*needed.evidence, *(state_evidence(p) for p in needed.providers[:3]))),
        repairs=_start_repairs(case, one, reliance, needed),
        effects=_EFFECTS if any(_is_before_nginx(case, other) for other in (one, *behind)) else None,
    )


def _is_before_nginx(case: Case, one: WaitingScript) -> bool:
    """Return whether its script should start an nginx that does not run."""
    return any(nginx.service is not None and nginx.service.id == one.service.id and nginx.master_pid is None
               for nginx in case.snapshot.nginxes)


def _is_unknown_name(one: WaitingScript, reliance: Dependency, needed: LocatedDependency) -> bool:
    """Return whether it asks Docker's resolver for a plain name that no container has: it then resolves nowhere."""
    box = one.service.container
    return (needed.node is None and box is not None and bool(box.networks) and not reliance.ip
            and reliance.host.isascii() and reliance.host.replace("-", "").replace("_", "").isalnum()
            and not reliance.host.isdigit())


def _state_text(one: WaitingScript, reliance: Dependency, needed: LocatedDependency) -> str:
    if _is_unknown_name(one, reliance, needed):
        return f"and no observed container has the name {reliance.host}"
    if needed.node is None:
        return "which is on no observed node"
    provider = needed.provider
    if needed.is_listening is None:
        return "where fixer could not check for a listener"
    if provider is not None and run_state_of(provider) in _STATE_TEXTS:
        return f"and {provider.name} {_STATE_TEXTS[run_state_of(provider)]}"
    return "where nothing listens"


def _start_repairs(case: Case, one: WaitingScript, reliance: Dependency,
                   needed: LocatedDependency) -> tuple[Repair, ...]:
    """Start every stopped dependency. The script then continues, unless it also waits for something else."""
    service, provider = one.service, needed.provider
    title = "restore its dependency by hand"
    if needed.is_listening is not False or provider is None:
        names = ", ".join(p.name for p in needed.providers)
        which = f"start the intended one of {names}" if names else "start the service that should answer there"
        place = next((known.source.where for known in service.dependencies
                      if (known.host, known.port) == (reliance.host, reliance.port)), "")
        correct = f"correct the address at {place}, then {manager_of(service).reread_text()}" if place else (
            f"correct that line; {service.name} then starts by itself")
        manual = f"{reliance.source.where} waits for {reliance.address}: {which}, or {correct}"
        return (Repair("mend-dependency", "manual", title, (), manual=manual),)
    begun = {r.address: (n.provider, steps) for r,
             n in one.unmet_dependencies if n is not None and n.is_listening is False
             and n.provider is not None and (steps := start_and_wait_steps(case, r, n.provider))}
    if reliance.address not in begun:
        what = start_obstacle_text(case, provider) or (
            f"{provider.name} runs but does not listen at {reliance.address}: make both use the same address")
        manual = f"{what}; {service.name} then continues by itself"
        return (Repair("mend-dependency", "manual", title, (), manual=manual),)
    steps = tuple(step for _, some in begun.values() for step in some)
    also = " (and enable it at boot if needed)" if any(getattr(step, "verb", "") == "enable" for step in steps) else ""
    names = ", ".join(dict.fromkeys(p.name for p, _ in begun.values()))
    whole = len(begun) == len(one.unmet_dependencies)
    then = f"{service.name} then continues by itself" if whole else f"{service.name} also waits for something else"
    trouble = one.failing_address
    last = wait_for_listener_step(case.snapshot, service, trouble.endpoint) if whole and trouble is not None else ()
    return (Repair("start-dependency", "safe", f"start {names}{also}; {then}", tuple(dict.fromkeys((*steps, *last)))),)
