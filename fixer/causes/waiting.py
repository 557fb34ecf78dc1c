"""A backend that listens and answers nobody, since each of its requests waits for a system that stands still."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.dependency.blocked_start import is_its, other_side, stands_still
from fixer.analysis.evidence import address_text, config_evidence, find_node, state_evidence
from fixer.analysis.load.pressure import Pressure, is_paused, pressure_evidence
from fixer.analysis.nginx_errors import is_read_timeout, symptom_evidence
from fixer.causes.crash_dependency_down.unanswered_dependency import go_on
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.model.snapshot import Connection, Service


def waits_for(case: Case, pressure: Pressure) -> Finding | None:
    """It holds a connection to a container that is paused, or to a program that a signal stopped: such a one takes
    connections and never speaks. None where requests are finished all the same."""
    service = pressure.service
    node = find_node(case.snapshot, service.node)
    for line in node.connections if node is not None and pressure.works is not True else ():
        provider = other_side(case, service, line)[0].provider if is_its(case, service, line) else None
        if provider is not None and provider.id != service.id and stands_still(case, provider):
            return _found(case, pressure, provider, line)
    return None


def _found(case: Case, pressure: Pressure, provider: Service, line: Connection) -> Finding:
    service, trouble = pressure.service, pressure.trouble
    where, paused = address_text(line.address, line.port), is_paused(provider)
    how = "is paused" if paused else "is stopped by a signal"
    steps = go_on(case, provider)
    todo = f"let {provider.name} go on"
    repair = Repair("continue-dependency", "manual", todo, (), manual=todo)
    if steps:
        repair = Repair("continue-dependency", "safe", f"{todo}; {service.name} then answers by itself", steps)
    return Finding(
        cause="backend-hung", variant="container-paused" if paused else "backend-sigstop", role="root",
        confidence="certain" if line.pids else "likely",
        summary=f"{service.name} accepts connections and answers none: it waits for {provider.name} ({where}), "
                f"which {how}",
        detail=(), routes=trouble.route_ids, service=provider.name, node=provider.node,
        evidence=tuple(dict.fromkeys((
            Evidence("socket", f"connection to {where}", "connected, no word comes back"), state_evidence(provider),
            state_evidence(service), *pressure_evidence(pressure),
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
            *symptom_evidence(case, trouble, is_read_timeout),
        ))),
        repairs=(repair,), explains=("overload-saturated", "nginx-not-reloaded", "slow-start"),
    )
