"""The finding on stopped dependencies that no log names, and the repair that starts them."""

from __future__ import annotations

from collections.abc import Collection

from fixer.analysis.case import Case
from fixer.analysis.evidence import age_text, clock_of, log_evidence, shorten
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.nginx_errors import refused_evidence
from fixer.analysis.service_state import start_time_of, state_evidence
from fixer.causes.crash_dependency_down.unanswered_dependency import CAUSE_ID
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.deployment import Dependency
from fixer.model.diagnosis import Confidence, Finding, Repair
from fixer.model.plan import Step
from fixer.model.snapshot import Service

with lazy_imports():  # not needed in most looks
    from fixer.causes.crash_dependency_down.stopped_dependency import StoppedDependency, find_stopped_dependencies
    from fixer.repairs.restore_code import restart_after_edit_steps
    from fixer.repairs.start_dependency import start_obstacle_text, start_provider_steps, wait_step
    from fixer.repairs.start_service import reachable_host, start_steps, wait_for_listener_step


def stopped_dependency_findings(case: Case, found: tuple[FailedRun, ...],
                                told: Collection[tuple[str, str | None]]) -> list[Finding]:
    """Return findings for the services that no other finding (`told`) names."""
    crashed = {crash.service.id: crash for crash in found}
    return [_stopped_dependency_finding(case, one, crashed.get(one.service.id))
            for one in find_stopped_dependencies(case, found)
            if (one.service.node, one.service.name) not in told]


def _stopped_dependency_finding(case: Case, one: StoppedDependency, crash: FailedRun | None) -> Finding:
    service, trouble = one.service, one.failing_address
    names = ", ".join(p.name for _, _, p in one.stopped_services)
    where = ", ".join(f"{r.source.text} ({r.source.where})" for r, _, _ in one.stopped_services[:2])
    verb = "is" if len(one.stopped_services) == 1 else "are"
    age = age_text(max(0.0, clock_of(case.snapshot, service.node) - start_time_of(service)))
    how = {"ends": f"{service.name} ends" + ("" if one.last_line is not None else " without a log line"),
           "waits": f"{service.name} has been starting for {age} and listens nowhere",
           "rests": f"{service.name} is stopped"}[one.manner]
    confidence: Confidence = "likely" if one.is_sure else "possible"
    summary = f"{how}, and {names}, which it is configured to use, {verb} stopped" if one.manner != "rests" else (
        f"{how}, and so {verb} {names}, which it is configured to use")
    detail = f"its configuration names the stopped dependency: {where}; its own log does not"
    return Finding(
        cause=CAUSE_ID, variant="startup-blocked-on-dependency" if one.manner == "waits" else "start-db-refused",
        role="root" if one.is_sure else "contributing", confidence=confidence, summary=summary,
        detail=(detail,), routes=trouble.route_ids, service=one.stopped_services[0][2].name, node=service.node,
        evidence=tuple(dict.fromkeys((
            *(r.source for r, _, _ in one.stopped_services), *(state_evidence(p) for _, _, p in one.stopped_services),
            *(e for _, n, _ in one.stopped_services for e in n.evidence),
            *((log_evidence(one.last_line.text, one.last_line.where),) if one.last_line is not None else ()),
            state_evidence(service),
            *refused_evidence(case, trouble),
        ))),
        repairs=(_start_dependency_repair(case, one, crash),),
        effects=None if one.manner != "rests" and one.is_sure else (),
    )


def _start_dependency_repair(case: Case, one: StoppedDependency, crash: FailedRun | None) -> Repair:
    """Start what is stopped, then the backend. A backend that is only stopped is started by its own finding."""
    service, names = one.service, ", ".join(p.name for _, _, p in one.stopped_services)
    reasons = [why for _, _, p in one.stopped_services if (why := start_obstacle_text(case, p))]
    begun = tuple(step for r, _,
                  p in one.stopped_services for step in start_and_wait_steps(case, r, p)) if not reasons else ()
    title = "restore its dependency by hand"
    if not begun:
        manual = f"{'; '.join(reasons) or f'start {names}'}; then start {service.name}"
        return Repair("mend-dependency", "manual", title, (), manual=manual)
    if not one.is_sure:
        last = shorten(one.last_line.text.strip(), 160) if one.last_line is not None else ""
        manual = (f"if {service.name} needs it ({one.stopped_services[0][0].source.where}): start {names}, then "
                  f"{service.name}. Its last log line may concern something else: {last}")
        return Repair("mend-dependency", "manual", title, (), manual=manual)
    if one.manner == "rests":
        return Repair("start-dependency", "safe", f"start {names} before {service.name}", begun)
    after = restart_after_edit_steps(case, crash) if crash is not None else wait_for_listener_step(case.snapshot,
        service, one.failing_address.endpoint)
    also = " (and enable it at boot if needed)" if any(getattr(step, "verb", "") == "enable" for step in begun) else ""
    then = f"then start {service.name}" if crash is not None else f"{service.name} then continues by itself"
    return Repair("start-dependency", "safe", f"start {names}{also}, {then}", tuple(dict.fromkeys((*begun, *after))))


def start_and_wait_steps(case: Case, reliance: Dependency, provider: Service) -> tuple[Step, ...]:
    """Return steps that start it and wait until it listens; empty if a start would fail or is not known."""
    if start_obstacle_text(case, provider):
        return ()
    steps = start_provider_steps(case, provider) if provider.unit is not None else start_steps(case.snapshot, provider,
                                                                                               None)
    named = "127.0.0.1" if provider.container is not None else reliance.ip or reliance.host or "127.0.0.1"
    host, unix = reachable_host(named), reliance.path or None
    wait = wait_step(provider, "" if unix else host, 0 if unix else reliance.port, unix)
    return (*steps, wait) if steps else ()
