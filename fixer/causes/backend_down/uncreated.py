"""Backends that a compose project's files define and that have no container: removed, or never created."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import absent_evidence, config_evidence, endpoint_text
from fixer.analysis.nginx_errors import say_routes, symptom_evidence
from fixer.analysis.nginx_process import troubles_of_down
from fixer.analysis.route_verdict import is_closed
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import Compose, Uncreated
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import create_service

CREATE = "create-service"


def uncreated(case: Case) -> list[Finding]:
    """One finding a service that a failing address names; of an nginx that does not run, those it cannot resolve."""
    found: dict[str, Finding] = {}
    for compose, trouble, service in missed(case):
        new, old = _finding(case, compose, trouble, service), found.get(service.service)
        found[service.service] = new if old is None else replace(
            old, routes=tuple(dict.fromkeys((*old.routes, *new.routes))),
            evidence=tuple(dict.fromkeys((*old.evidence, *new.evidence))))
    return list(found.values())


def missed(case: Case) -> Iterator[tuple[Compose, Trouble, Uncreated]]:
    """Addresses that lead to such a service."""
    compose = case.snapshot.compose
    if compose is None or not compose.uncreated:
        return
    down = [t for nginx in case.snapshot.nginxes for t in troubles_of_down(case, nginx)]
    for trouble in (*case.troubles, *down):
        endpoint = trouble.endpoint
        service = next((u for u in compose.uncreated if endpoint.host in u.names), None)
        if service is not None and endpoint.service is None and is_closed(endpoint) is not False:
            yield compose, trouble, service


def _finding(case: Case, compose: Compose, trouble: Trouble, service: Uncreated) -> Finding:
    name = service.service
    evidence = (
        service.source, Evidence("container", f"project {compose.project}", f"no container of service {name}"),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
        *symptom_evidence(case, trouble, lambda event: "connecting" in event.phase or "resolved" in event.message),
    )
    return Finding(
        cause="backend-down", variant="container-stopped", role="root", confidence="certain",
        summary=f"service {name} of project {compose.project} has no container, so nothing is at "
                f"{endpoint_text(trouble.endpoint)}",
        detail=(f"needed by {say_routes(trouble)}", *_refused(compose)), routes=trouble.route_ids, service=name,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys(evidence)), repairs=(_create(case, compose, service),),
        explains=("dns-unresolved", "dns-stale", "nginx-down", "nginx-config-invalid", "nginx-not-reloaded"),
    )


def _refused(compose: Compose) -> tuple[str, ...]:
    known = compose.editable
    return (known.reason,) if isinstance(known, Unknown) and known.reason.startswith("docker compose ") else ()


def _create(case: Case, compose: Compose, service: Uncreated) -> Repair:
    """Disruptive: nobody has seen this service run as the files say it now. Whether a profile is to be on, a person
    says."""
    name = service.service
    summary = f"create service {name} from the files of project {compose.project} and start it"
    if service.profiles:
        said = f"{name} is made only with the profile {' or '.join(service.profiles)}, which is not on"
        return Repair(CREATE, "manual", summary, (), manual=(
            f"{said}: docker compose --profile {shlex.quote(service.profiles[0])} up -d --no-deps {shlex.quote(name)} "
            "(COMPOSE_PROFILES in the project's .env keeps it on); or nginx is not to ask for it"))
    step = create_service(case.snapshot, name)
    if isinstance(step, NoPlace):
        return Repair(CREATE, "manual", summary, (), manual=f"docker compose up -d --no-deps {name}; {step.why}")
    return Repair(CREATE, "disruptive", summary, (step,))
