"""Findings for backends that wait for a dependency, or were not started because a dependency failed."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.dependency.blocked_start import (
    BlockedStart,
    UnstartedUnit,
    blocked_start_evidence,
    is_suspended,
    starting_time_text,
)
from fixer.analysis.evidence import address_text, config_evidence, log_evidence, no_listener_evidence
from fixer.analysis.nginx_errors import refused_evidence, symptom_evidence
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import state_evidence
from fixer.formats.docker_conventions import DEPENDS_ON_LABEL
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import LogLine, Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.start_order import AwaitedService, first_awaited
    from fixer.analysis.exits.exit_reason import last_log_lines
    from fixer.analysis.ownership.resolve import only_owner
    from fixer.repairs.start_dependency import (
        lost_packets_repair,
        resume_steps,
        start_obstacle_text,
        start_provider_steps,
    )
    from fixer.repairs.start_service import start_steps, wait_for_listener_step

CAUSE_ID = "crash-dependency-down"


def blocked_finding(case: Case, one: BlockedStart) -> Finding:
    """Return the finding for a service that runs, does not serve, and waits for an answer of a dependency."""
    service, trouble, line = one.service, one.failing_address, one.connection
    where = address_text(line.address, line.port)
    provider = one.dependency.provider
    still = provider is not None and is_suspended(case, provider)
    whom = f"{provider.name} ({where})" if provider is not None else where
    unread = line.state == "unread" and not still
    proxy = next((v for v in service.proxies if not v.is_exception and v.value == where), None)
    led = f"; {where} is the proxy of its variable {proxy.name} ({proxy.source.where})" if proxy is not None else ""
    how = "is suspended and does not answer" if still else (
        "accepted the connection but has not read what it was sent" if unread else "does not answer")
    is_bound = is_closed(trouble.endpoint) is not True       # its parent listens
    shown = symptom_evidence(case, trouble) if is_bound else refused_evidence(case, trouble)
    return Finding(
        cause=CAUSE_ID, variant="startup-blocked-on-dependency", role="root",
        confidence="certain" if line.pids and one.owner.certain and not unread else "likely",
        summary=f"{service.name} has been starting for {starting_time_text(case, one)} and waits: {whom} {how}",
        detail=(f"it does not {'answer' if is_bound else 'listen'} until {where} answers{led}",),
        routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((*blocked_start_evidence(case, one), *shown))),
        effects=("dependents-end", "nothing-listens", "no-answer"),
        repairs=_unblock_repairs(case, one, provider if still else None),
    )


def _unblock_repairs(case: Case, one: BlockedStart, still: Service | None) -> tuple[Repair, ...]:
    service = one.service
    if still is not None:
        wait = wait_for_listener_step(case.snapshot, service, one.failing_address.endpoint)
        steps = (*resume_steps(case, still), *wait)
        said = f"resume {still.name}; {service.name} then starts by itself"
        return (Repair("continue-dependency", "safe", said, steps),)
    if one.connection.state == "unread":
        where = address_text(one.connection.address, one.connection.port)
        who = one.dependency.provider.name if one.dependency.provider is not None else f"the listener at {where}"
        manual = (f"{who} accepts the connection but reads nothing from {service.name}. Find out what blocks it (its "
                  f"log, what it waits for; ss -tnp 'port = :{one.connection.port}'), then restart {service.name}")
        return (Repair("mend-dependency", "manual", f"make {where} answer", (), manual=manual),)
    return (lost_packets_repair(service.name, one.complaint, one.dependency),)


def required_finding(case: Case, one: UnstartedUnit) -> Finding:
    """Return the finding for a unit that systemd did not start because a required unit does not run."""
    service, trouble = one.service, one.failing_address
    names = ", ".join(s.name for s in one.missing_units)
    text = f"a unit that it requires does not run: {names}" if names else "a unit that it required failed then"
    return Finding(
        cause=CAUSE_ID, variant="start-dependency-failed", role="root",
        confidence="certain" if one.missing_units and one.owner.certain else "likely",
        summary=f"{service.name} is not started: {text}", detail=(), routes=trouble.route_ids, service=service.name,
        node=service.node, evidence=tuple(dict.fromkeys((
            log_evidence(one.line.text, one.line.where), *one.evidence, *(state_evidence(s) for s in one.missing_units),
            *(log_evidence(w.text, w.where) for s in one.missing_units for w in _last_log_lines(case, s)),
            state_evidence(service),
            *refused_evidence(case, trouble),
        ))),
        repairs=_start_required_repairs(case, one),
    )


def _last_log_lines(case: Case, service: Service) -> tuple[LogLine, ...]:
    return tuple(w for w in last_log_lines(case.snapshot, service)[-2:] if w.text.strip())


def _start_required_repairs(case: Case, one: UnstartedUnit) -> tuple[Repair, ...]:
    """Start units that are only stopped. Return a manual repair if a start cannot bring one back."""
    service = one.service
    reasons = [why for s in one.missing_units if (why := start_obstacle_text(case, s))]
    if reasons:
        manual = f"{'; '.join(reasons)}; then start {service.name}"
        return (Repair("mend-dependency", "manual", "restore its dependency by hand", (), manual=manual),)
    begun = tuple(step for s in one.missing_units for step in start_provider_steps(case, s))
    steps = tuple(dict.fromkeys((*begun, *start_steps(case.snapshot, service, one.failing_address.endpoint))))
    names = ", ".join(s.name for s in one.missing_units)
    return (Repair("start-dependency", "safe", f"start {f'{names}, then ' if names else ''}{service.name}", steps),)




def awaited_findings(case: Case) -> list[Finding]:
    """Return one finding for each container that Compose created but did not start: a dependency is not ready."""
    found: dict[str, Finding] = {}
    for trouble in case.failing_addresses:
        owner = only_owner(case, trouble)
        box = owner.service.container if owner is not None else None
        if owner is None or box is None or box.status != "created" or box.started_at > 0 or not box.project:
            continue
        held = first_awaited(case, box)
        if held is None:
            continue
        new, old = _awaited_finding(case, trouble, owner, held), found.get(owner.service.id)
        found[owner.service.id] = new if old is None else old.with_routes_of(new)
    return list(found.values())


def _awaited_finding(case: Case, trouble: FailingAddress, owner: PortOwner, held: AwaitedService) -> Finding:
    service, box = owner.service, owner.service.container
    assert box is not None
    manual = (f"{held.remedy}; then docker compose up -d. Starting {service.name} alone does not last: the next "
              "`docker compose up` stops there again")
    return Finding(
        cause="crash-dependency-down", variant="start-dependency-failed", role="root",
        confidence="certain" if held.certain and owner.certain else "likely",
        summary=f"Compose created {service.name} and did not start it: its dependency {held.name} {held.problem}",
        detail=(), routes=trouble.route_ids, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            Evidence("container", box.name, f"created, {DEPENDS_ON_LABEL}={dict(box.labels)[DEPENDS_ON_LABEL]}"),
            held.evidence,
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *no_listener_evidence(trouble.endpoint),
        ))),
        repairs=(Repair("mend-dependency", "manual", "restore its dependency by hand", (), manual=manual),),
        effects=("nothing-listens", "nginx-stops"),
    )
