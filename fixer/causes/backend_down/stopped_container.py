"""Stopped, idle and uncreated containers, and what the next `docker compose up` does with them."""

from __future__ import annotations

import shlex

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import (
    ENGINE,
    bindings_of,
    config_evidence,
    container_of,
    endpoint_text,
    find_node,
    listeners_on,
    no_listener_evidence,
    shorten,
)
from fixer.analysis.nginx_errors import routes_text, symptom_evidence
from fixer.analysis.ownership.uncreated_backend import UncreatedBackend, uncreated_backends
from fixer.analysis.service_state import IDLE_PROGRAMS, is_idle_container, program_name, state_evidence
from fixer.findings.configured_address import address_of_uncreated
from fixer.formats.addresses import is_loopback
from fixer.formats.launchers import REAPERS
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Compose, Service, UncreatedService
from fixer.nginx.error_kinds import CONNECTING
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.repairs.start_service import create_service_step
    from fixer.repairs.upstream_name import other_address_repair


def next_up_finding(case: Case, trouble: FailingAddress, service: Service, found: Finding) -> Finding:
    """Return the finding with the effect of the next `docker compose up` added. If the compose files renamed the
    service, point nginx at the new name instead of starting the old container."""
    compose, box = case.snapshot.compose, service.container
    if (compose is None or box is None or box.project != compose.project
            or box.service not in compose.undefined_services):
        return replace(found, detail=(*found.detail, *_changed_files_text(trouble, service)))
    new = _renamed_service(case, trouble, service)
    files = ", ".join(compose.config_files)
    said = f"{files} no longer defines {box.service}: the next deployment removes a container that is started now"
    if new is None or new.container is None:
        return replace(found, detail=(*found.detail, said))
    name = new.container.service or new.container.name
    shown = state_evidence(new)
    return replace(
        found, summary=f"{found.summary}; its files now define {name} instead", detail=(*found.detail, said),
        evidence=(*found.evidence, shown), repairs=(other_address_repair(case, [trouble], name),),
    )


def _renamed_service(case: Case, trouble: FailingAddress, service: Service) -> Service | None:
    """Return the only service of the project with the same image, command and port which no route uses."""
    old, web = service.container, container_of(case.snapshot, trouble.nginx.node)
    compose = case.snapshot.compose
    mine = {name for name, _, _ in web.networks} if web is not None else set()
    same = [
        s for s in case.snapshot.services
        if s.container is not None and old is not None and compose is not None and s.id != service.id and s.running
        and s.container.project == old.project and s.container.service not in compose.undefined_services
        and (s.container.image, s.container.argv) == (old.image, old.argv) and s.id not in case.services_in_use
        and mine.intersection(name for name, _, _ in s.container.networks)
        and any(x.port == trouble.endpoint.port and not is_loopback(x.address)
                for x in listeners_on(case.snapshot, s.node))
    ]
    return same[0] if len(same) == 1 and trouble.endpoint.unix is None else None


def _changed_files_text(trouble: FailingAddress, service: Service) -> tuple[str, ...]:
    """Return a note if the compose files changed the port since the container was created."""
    asked, told = trouble.endpoint, bindings_of(service)
    if len(told) < 2 or asked.unix is not None or told[0].port in (0, asked.port) or (
            asked.port not in [b.port for b in told[1:]]):
        return ()
    return (f"{told[0].source.where} now sets port {told[0].port}, but the container was created for {asked.port}. A "
            f"start restores the old port, the next docker compose up does not",)


# Containers that run only `sleep` or the like: left from debugging, or used only for their network.


def has_only_idle_programs(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether nginx names this container and only idle programs run in it. A container that lends its network
    does not count."""
    node, box = find_node(case.snapshot, service.node), service.container
    if box is None or not is_idle_container(service) or node is None or not isinstance(node.processes, Known):
        return False
    if trouble.endpoint.host not in {box.name, box.service, *(name for _, _, names in box.networks for name in names)}:
        return False
    lends = any(s.container is not None and s.container.lender == box.id
                for s in case.snapshot.services)
    return not lends and all(program_name(p.argv) in IDLE_PROGRAMS | REAPERS for p in node.processes.value)


def configure_server_repair(trouble: FailingAddress, service: Service) -> Repair:
    """Return a manual repair: no file states the command that the container should run."""
    box = service.container
    files = "" if box is None else box.label("com.docker.compose.project.config_files") or ""
    word = next((f"{w.file}:{w.line}" for w in service.command if w.file), "")
    where = word or f"the command of {service.name}{f' in {files}' if files else ''}"
    manual = (f"{where} runs `{shorten(' '.join(service.argv), 80)}`: set the command of the application there, or "
              "remove that line to run the image's own command. Then recreate the container; or point "
              f"{trouble.routes[0].route.location} at another backend")
    return Repair("give-command", "manual", "run the application in the container", (), manual=manual)


# Services of the compose files without a container: removed, or never created.
CREATE_REPAIR_ID = "create-service"


def uncreated_findings(case: Case) -> list[Finding]:
    """Return one finding for each uncreated service that a failing address, or a stopped nginx, names."""
    found: dict[str, Finding] = {}
    for backend in uncreated_backends(case):
        name = backend.service.service
        new, old = _uncreated_finding(case, backend), found.get(name)
        found[name] = new if old is None else old.joined_with(new)
    return list(found.values())


def _uncreated_finding(case: Case, backend: UncreatedBackend) -> Finding:
    compose, trouble, service = backend.compose, backend.trouble, backend.service
    name, text = service.service, endpoint_text(trouble.endpoint)
    evidence = (
        service.source, Evidence("container", f"project {compose.project}", f"no container of service {name}"),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *no_listener_evidence(trouble.endpoint),
        *symptom_evidence(case, trouble, CONNECTING | {"name-not-resolved"}),
    )
    where = f"{address_of_uncreated(backend)}; nginx asks {text}" if backend.is_elsewhere else text
    proven = not backend.is_elsewhere and (backend.is_only_one or not backend.shares_place)
    return Finding(
        cause="backend-down", variant="container-stopped", role="root",
        confidence="certain" if proven else "likely",
        summary=f"service {name} of project {compose.project} has no container, so nothing listens at {where}",
        detail=(f"needed by {routes_text(trouble)}", *_compose_refusal(compose)), routes=trouble.route_ids,
        service=name,
        node=ENGINE,        # it has no container yet: the end of another one is nothing to it
        evidence=tuple(dict.fromkeys(evidence)), repairs=(_create_service_repair(case, compose, service),),
        effects=backend.effects,
    )


def _compose_refusal(compose: Compose) -> tuple[str, ...]:
    known = compose.editable
    return (known.reason,) if isinstance(known, Unknown) and known.reason.startswith("docker compose ") else ()


def _create_service_repair(case: Case, compose: Compose, service: UncreatedService) -> Repair:
    """Return the repair: manual if a profile is off, else disruptive, since the current files have not run yet."""
    name = service.service
    summary = f"create service {name} from the files of project {compose.project} and start it"
    if service.profiles:
        said = f"Compose creates {name} only with the profile {' or '.join(service.profiles)}, which is not enabled"
        return Repair(CREATE_REPAIR_ID, "manual", summary, (), manual=(
            f"{said}: docker compose --profile {shlex.quote(service.profiles[0])} up -d --no-deps {shlex.quote(name)} "
            "(COMPOSE_PROFILES in the project's .env enables it permanently); or remove it from nginx's configuration"))
    step = create_service_step(case.snapshot, name)
    if isinstance(step, NotEditable):
        return Repair(CREATE_REPAIR_ID, "manual", summary, (),
                      manual=f"docker compose up -d --no-deps {name}; {step.reason}")
    return Repair(CREATE_REPAIR_ID, "disruptive", summary, (step,))
