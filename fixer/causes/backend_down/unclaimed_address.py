"""Addresses where nothing listens and that no known service owns."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import config_evidence, endpoint_text, find_node, no_listener_evidence
from fixer.analysis.exits.failed_run import has_failed_unmanaged
from fixer.analysis.nginx_errors import connect_symptoms
from fixer.analysis.ownership.configured import configured_owner
from fixer.analysis.ownership.container_network import is_nginx_on_docker_host, lost_shared_network
from fixer.analysis.ownership.tie_break import pm2_circus_notes, pm2_unit_notes, podman_services
from fixer.analysis.route_verdict import has_unloaded_config, is_closed, is_confirmed_closed
from fixer.analysis.service_state import state_evidence
from fixer.causes.backend_down.unmanaged_start import boot_entry_finding
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Endpoint, RouteFacts, Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.last_output import is_clean_shutdown, last_server_output



def no_application_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding if nothing listens at the address and no application server runs on the node."""
    endpoint = trouble.endpoint
    node = find_node(case.snapshot, endpoint.node)
    if is_closed(endpoint) is not True or node is None or isinstance(node.processes, Unknown) or not node.root:
        return None
    here = [s for s in case.snapshot.services if s.node == node.name and s.is_app_server and not s.is_hand_started]
    elsewhere = _has_podman_containers(case, node.name) or _can_run_in_container(case, trouble)
    if here or case.snapshot.is_cut or endpoint.unix is not None or elsewhere or _cut_off_evidence(case, trouble):
        return None
    manual = (
        f"no unit, container or program on {node.name} is configured to listen on port {endpoint.port}: start the "
        "backend as it was started before, and add it to a service manager so that it also starts at boot"
    )
    said, heard = last_server_output(case, node.name)
    mend = "" if is_clean_shutdown(said) else "; correct that before you start it again"
    managed = (*pm2_circus_notes(case, node.name), *pm2_unit_notes(case, node.name))
    if managed:
        manual = "; ".join(managed)
    text = f"{len(node.processes.value)} processes, none of them a separate application server"
    summary = f"no application server runs; nothing listens at {endpoint_text(endpoint)}"
    if managed:
        summary = f"nothing listens at {endpoint_text(endpoint)}; {managed[0].partition(': ')[0]}"
    # a container does not see the processes of the Docker host
    if _has_host_network_container(case, node.name):
        summary = f"nothing listens at {endpoint_text(endpoint)} of the Docker host, and no container publishes it"
        text = "uses the network of the Docker host"
        manual = (f"start the backend on port {endpoint.port} of the Docker host: a program on the host (ss -ltnp), or "
                  "a container that publishes that port (docker ps -a). Or point nginx at the backend's current port")
    return Finding(
        cause="backend-down", variant="backend-not-running", role="root", confidence="likely",
        summary=summary,
        detail=(f"the newest log of an application server ends with: {said}{mend}",) if said else (),
        routes=trouble.route_ids, service=None, node=node.name,
        evidence=(
            config_evidence(case.snapshot, trouble.nginx, endpoint), *no_listener_evidence(endpoint),
            Evidence("process", node.name, text), *heard, *connect_symptoms(case, trouble),
        ),
        repairs=(Repair("start-service", "manual", "start the backend", (), manual=manual),), effects=(),
    )


def _has_host_network_container(case: Case, node: str) -> bool:
    return any(s.node == node and s.container is not None and not s.container.is_machine
               and s.container.network_mode == "host" for s in case.snapshot.services)


def _has_podman_containers(case: Case, node: str) -> bool:
    """Return whether the node has podman containers: fixer does not see their listeners and published ports."""
    return any(True for _ in podman_services(case, node))


def _can_run_in_container(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the application may run in a container of this machine rather than on the node itself."""
    node = find_node(case.snapshot, trouble.endpoint.node)
    if node is not None and node.kind == "container" and any(
            s.container is not None and s.is_app_server and s.node != node.name for s in case.snapshot.services):
        return True
    if not any(s.container is not None and s.is_app_server and s.running for s in case.snapshot.services):
        return False
    return is_nginx_on_docker_host(case, trouble)


def explain_unclaimed(case: Case, trouble: FailingAddress, closed: bool | None) -> str | Evidence:
    """Explain why the owner of the address is unknown, or show what listens there."""
    apart = _cut_off_evidence(case, trouble) if closed else None
    if apart is not None:
        return apart
    if closed:
        return f"which service should listen at {endpoint_text(trouble.endpoint)}"
    held = trouble.endpoint.listener
    if isinstance(held, Known) and held.evidence:
        return held.evidence[0]
    return Evidence("socket", f"socket {endpoint_text(trouble.endpoint)}", "something accepts connections there")


def _cut_off_evidence(case: Case, trouble: FailingAddress) -> Evidence | None:
    """Return evidence if nginx's shared network was lost: an empty address there then proves nothing."""
    if not any(s.container is not None and s.container.lender for s in case.snapshot.services):
        return None
    here = next((s for s in case.snapshot.services if s.container is not None and s.node == trouble.nginx.node), None)
    cut = lost_shared_network(case.snapshot, here)
    return None if cut is None else cut.evidence[0]


# Advice: addresses where nothing listens, of routes that answer without them.


def skipped_endpoint_findings(case: Case) -> Iterator[Finding]:
    """Yield one finding for each upstream member or variable value where nothing listens. Skip backup members."""
    seen: set[tuple[object, ...]] = {
        (e.node, e.host, e.port, e.unix, e.single_address) for trouble in case.failing_addresses
        for e in trouble.endpoints
    }
    edited = [nginx for nginx in case.snapshot.nginxes if has_unloaded_config(nginx)]
    for judged in case.verdicts.values():
        if (judged.state != "ok" and not judged.skipped_members) or any(nginx.serves(judged.facts) for nginx in edited):
            continue
        for endpoint in case.reached(judged.facts):
            if endpoint.down or endpoint.backup or not is_confirmed_closed(endpoint):
                continue
            key = (endpoint.node, endpoint.host, endpoint.port, endpoint.unix, endpoint.single_address)
            if key not in seen:
                seen.add(key)
                yield _skipped_endpoint_finding(case, judged.facts, endpoint)


def _skipped_endpoint_finding(case: Case, facts: RouteFacts, endpoint: Endpoint) -> Finding:
    owner = configured_owner(case, endpoint)
    service = None if owner is None else owner.service
    text = endpoint_text(endpoint)
    others = not all(map(is_confirmed_closed, case.reached(facts)))
    if not others:
        what = "the configuration answers before nginx connects there"
    elif facts.route.upstream:
        what = f"nginx skips it because other members of upstream {facts.route.upstream} answer"
    else:
        what = f"{facts.route.location} may use this address, and requests to it fail"
    place = Evidence("nginx-config", f"{endpoint.file}:{endpoint.line}", endpoint.written)
    evidence = (place, *no_listener_evidence(endpoint), *(() if service is None else (state_evidence(service),)))
    return Finding(
        cause="backend-down", variant=None, role="advice", confidence="certain",
        summary=f"nothing listens at {text}; {what}", detail=(), routes=(facts.route.id,),
        service=None if service is None else service.name, node=facts.node, evidence=evidence, repairs=(),
    )


def judge_ownerless(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    """Judge an address that no service owns: a boot entry may start a server there, or nothing does."""
    closed = is_closed(trouble.endpoint)
    if closed is None:
        return f"whether anything listens at {endpoint_text(trouble.endpoint)}"
    return (boot_entry_finding(case, trouble) or no_application_finding(case, trouble)
            or explain_unclaimed(case, trouble, closed))


def judge_boot_entry(case: Case, trouble: FailingAddress, service: Service) -> Finding | str | Evidence:
    """Return the finding for a server of cron and the like that does not run, unless its log shows why it failed."""
    closed = is_closed(trouble.endpoint)
    if closed is not True or has_failed_unmanaged(case.snapshot, service):
        return state_evidence(service)
    return boot_entry_finding(case, trouble) or explain_unclaimed(case, trouble, closed)
