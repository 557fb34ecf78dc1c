"""host.docker.internal: the Docker host's name, which a container knows only if it is configured."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import config_evidence, container_of, endpoint_text, no_listener_evidence
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.nginx_process import listen_addresses_of, route_ids_of, unresolved_upstream_name
from fixer.analysis.ownership.configured import configured_owner
from fixer.analysis.route_verdict import is_closed
from fixer.formats.addresses import is_loopback
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.plan import WaitForListener
from fixer.model.snapshot import Container, Nginx, Service
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.repairs.container_settings import write_compose_settings
    from fixer.repairs.start_service import reachable_host

_REPAIR_ID = "reach-docker-host"


def gateway_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding if nginx's container does not know the name, or the Docker host has no such listener."""
    endpoint, nginx = trouble.endpoint, trouble.nginx
    box = container_of(case.snapshot, nginx.node)
    if box is None or box.is_machine or box.network_mode == "host":
        return None
    shown = _unknown_name_evidence(trouble, box)
    if not shown and (is_closed(endpoint) is not True or configured_owner(case, endpoint) is not None):
        return None       # the name and the port's owner are known: another cause
    shown_there: tuple[Evidence, ...] = ()
    if shown:
        said = f"{endpoint.host}, a name that its container does not know"
        repair = _add_host_repair(case, nginx, box, endpoint.host)
    else:
        said = f"{endpoint_text(endpoint)}, the Docker host, where nothing listens for containers"
        beside = _host_only_port(case, endpoint.port)
        shown_there = () if beside is None else (beside[1],)
        manual = beside[0] if beside is not None else (
            f"on the Docker host, start the service of port {endpoint.port}. Let it listen on the address of the "
            "bridge (or on 0.0.0.0 with a firewall), not on 127.0.0.1"
        )
        repair = Repair(_REPAIR_ID, "manual", manual, (), manual=manual)
    down = nginx.master_pid is None
    return Finding(
        cause="wrong-host", variant="host-gateway", role="root", confidence="certain" if shown else "likely",
        summary=f"nginx hands {routes_text(trouble)} to {said}{', and does not start' if down else ''}", detail=(),
        routes=route_ids_of(case, nginx) if down else trouble.route_ids, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, nginx, endpoint), *shown, *shown_there, *no_listener_evidence(endpoint),
            *connect_symptoms(case, trouble),
        ))),
        repairs=(repair,), effects=("nginx-stops", "stale-config"),
    )


def _host_only_port(case: Case, port: int) -> tuple[str, Evidence] | None:
    """Return the advice and evidence for a container that publishes the port only on the host's loopback."""
    for service in case.snapshot.services:
        box = service.container
        for host, outer, inner in box.published if box is not None and box.status == "running" else ():
            if box is not None and outer == port and is_loopback(host):
                name, shown = box.service or box.name, f"published: {host}:{outer} -> {inner}"
                todo = (f"container {box.name} publishes its port {inner} as {host}:{outer}, only for programs of "
                        f"the Docker host. Let nginx use {name}:{inner} on a network of both, or publish the port "
                        "on the address of the bridge")
                return todo, Evidence("container", box.name, shown)
    return None


def _unknown_name_evidence(trouble: FailingAddress, box: Container) -> tuple[Evidence, ...]:
    """Return evidence that the name is unknown in the container: not configured, and nginx or a probe shows it."""
    endpoint = trouble.endpoint
    if endpoint.host in box.extra_hosts:
        return ()
    given = Evidence("container", box.name, f"extra hosts: {', '.join(box.extra_hosts) or 'none'}")
    if isinstance(endpoint.addresses, Known):
        return () if endpoint.addresses.value else (*endpoint.addresses.evidence, given)
    said = unresolved_upstream_name(trouble.nginx) if trouble.nginx.master_pid is None else None
    return (said[1], given) if said is not None and said[0].lower() == endpoint.host.lower() else ()


def _add_host_repair(case: Case, nginx: Nginx, box: Container, name: str) -> Repair:
    """Return the repair: extra_hosts in its compose file and a new container, else manual."""
    summary = f"let {box.service or box.name} resolve {name} to the Docker host"
    service = _service_of(case, nginx, box)
    entry = f'["{name}:host-gateway"]'
    written = NotEditable("it is not a service of a Compose project") if service is None else write_compose_settings(
        case.snapshot, service, {"extra_hosts": entry}, summary)
    if not isinstance(written, NotEditable):
        listens = [x for x in listen_addresses_of(nginx)[:1] if x.port]
        wait = tuple(WaitForListener(nginx.node, reachable_host(x.address), x.port) for x in listens)
        also = f" ({written.managed_by} manages that file and will overwrite the edit)" if written.managed_by else ""
        summary += f", in {written.where}, and recreate the container{also}"
        return Repair(_REPAIR_ID, "disruptive", summary, (*written.steps, *wait))
    files = box.label("com.docker.compose.project.config_files") or ""
    where = f"service {box.service} of {files}" if files else f"container {box.name}"
    manual = (
        f"add extra_hosts: {entry} to {where} and recreate it (without Compose: --add-host "
        f"{name}:host-gateway); fixer cannot do this: {written.reason}"
    )
    return Repair(_REPAIR_ID, "manual", summary, (), manual=manual)


def _service_of(case: Case, nginx: Nginx, box: Container) -> Service | None:
    every = (*((nginx.service,) if nginx.service is not None else ()), *case.snapshot.services)
    return next((s for s in every if s.container is not None and s.container.id == box.id), None)
