"""Container names that nginx cannot resolve: on another network, in a shared network, or removed."""

from __future__ import annotations

import shlex

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import bindings_of, config_evidence, container_of, endpoint_text
from fixer.analysis.evidence import file_line_text as place_text
from fixer.analysis.nginx_errors import routes_text, symptom_evidence
from fixer.analysis.nginx_process import is_uncreated
from fixer.analysis.ownership.configured import configured_owner
from fixer.analysis.ownership.container_network import is_docker_host
from fixer.analysis.ownership.intended_container import reachable_ip_and_name
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Need, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.plan import NetworkAction
from fixer.model.snapshot import Container

with lazy_imports():  # only for what is found
    from fixer.repairs.file_edits import check_and_reload_steps
    from fixer.repairs.start_nginx import start_nginx_steps
    from fixer.repairs.upstream_name import other_address_repair

REPAIR_ID, INPUT_KEY = "connect-container", "connect"
MAX_CARRIERS = 3              # services of other projects may have the same name
_NAMELESS_NETWORKS = frozenset({"bridge", "host", "none", "default"})       # networks without names in Docker's DNS


def add_carriers(case: Case, trouble: FailingAddress, finding: Finding) -> Finding:
    """Add containers that have the name on other networks, and how to connect them. The operator decides if one is
    intended and may talk to nginx."""
    host, web = trouble.endpoint.host, container_of(case.snapshot, trouble.nginx.node)
    every = case.snapshot.named_containers
    found = [box for box in every if host == box.name] or [box for box in every if host == box.service][:MAX_CARRIERS]
    networks = [name for name, _, _ in web.networks if name not in _NAMELESS_NETWORKS] if web is not None else []
    if web is None or web.is_machine or not found or not networks:
        return finding
    evidence = tuple(Evidence("container", box.name, _networks_text(box)) for box in found)
    carriers = tuple(f"container {box.name}{_project_text(box)} has that name, but is not on {' or '.join(networks)}"
                 for box in found)
    detail = (*carriers, *(line for line in finding.detail if not line.startswith("docker ps -a")))
    return replace(finding, detail=detail, evidence=(*finding.evidence, *evidence),
                   repairs=(*_repairs(case, trouble, found, networks[0]), *finding.repairs))


def _project_text(box: Container) -> str:
    state = "" if box.status == "running" else f", which is {box.status},"
    return f" of project {box.project}{state}" if box.project else state


def _networks_text(box: Container) -> str:
    names = ", ".join(name for name, _, _ in box.networks) or "no network"
    return f"{box.status}, on {names}"


def _repairs(case: Case, trouble: FailingAddress, found: list[Container], network: str) -> tuple[Repair, ...]:
    """Return the repairs. A compose container loses a manual connection when it is recreated from its files."""
    nginx, host = trouble.nginx, trouble.endpoint.host
    lasting = [box for box in found if not box.project and box.status == "running"]
    ways = [f"docker network connect --alias {shlex.quote(host)} {network} {box.name}" for box in lasting or found]
    after = "start nginx" if nginx.master_pid is None else "reload nginx"
    if not lasting:
        files = dict.fromkeys(box.label("com.docker.compose.project.config_files") or "" for box in found)
        stays = "".join(f"; to make it permanent, add {network} to its networks in {path}" for path in files if path)
        manual = f"if that is the intended container, run {' or '.join(ways)}, then {after}{stays}"
        return (Repair(REPAIR_ID, "manual", f"connect the container named {host} to {network}", (), manual=manual),)
    choices = tuple(box.name for box in lasting)
    why = f"the container that {host} refers to, which nginx may then connect to: {' or '.join(choices)}"
    chosen = next((box for box in lasting if box.name == case.inputs.get(INPUT_KEY)), None)
    then = start_nginx_steps(case, nginx) if nginx.master_pid is None else check_and_reload_steps(case.snapshot, nginx)
    steps = () if chosen is None else (NetworkAction(chosen.id, chosen.name, network, "connect", (host,)), *then)
    summary = f"connect the intended container to {network} as {host} ({' or '.join(ways)}), and {after}"
    return (Repair(REPAIR_ID, "safe", summary, steps, (Need(INPUT_KEY, "choice", why, choices),)),)


# Containers without a name in Docker's DNS: they share another network.


def lender_of(case: Case, box: Container) -> Container | None:
    """Return the container whose network it shares."""
    return next((s.container for s in case.snapshot.services
                 if s.container is not None and s.container.id == box.lender), None)


def guest_repair(case: Case, troubles: list[FailingAddress], box: Container, lender: Container | None) -> Repair:
    """Return the repair: use the lender's name if nginx reaches it; else it is manual."""
    nginx, endpoint = troubles[0].nginx, troubles[0].endpoint
    web = container_of(case.snapshot, nginx.node)
    hosts = [s for s in case.snapshot.services
             if s.container is not None and lender is not None and s.container.id == lender.id]
    name = reachable_ip_and_name(hosts[0], web) if hosts and web is not None else None
    if name is not None and lender is not None and lender.status == "running":
        return other_address_repair(case, troubles, name[1])
    where = place_text(case.snapshot, nginx.node, endpoint.file, endpoint.line)
    if box.network_mode == "host":
        port = next((b.port for s in case.snapshot.services if s.container is not None and s.container.id == box.id
                     for b in bindings_of(s) if b.port), endpoint.port)
        manual = (f"write host.docker.internal:{port} at {where}, and add that name to nginx's container (extra_hosts: "
                  '["host.docker.internal:host-gateway"]). The server must listen on an address of the Docker host '
                  "that containers reach. Or replace network_mode: host by a network of nginx's container")
    else:
        manual = (f"at {where}, write the name of the container whose network {box.name} uses, and connect that "
                  "container to a network of nginx's container. Then run nginx -t and reload nginx")
    return Repair("name-address", "manual", f"write at {where} a name that reaches {endpoint.host}", (), manual=manual)


# A name that no container on nginx's networks has any more, while nginx uses its old address.


def lost_name_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding on a name that vanished: its container was removed, renamed or moved; which is unknown."""
    endpoint, nginx = trouble.endpoint, trouble.nginx
    web = container_of(case.snapshot, nginx.node)
    if nginx.master_pid is None or web is None or web.is_machine or not endpoint.host or is_docker_host(endpoint):
        return None
    if not isinstance(endpoint.addresses, Known) or endpoint.addresses.value or is_uncreated(case, endpoint.host):
        return None
    if configured_owner(case,
                        endpoint) is not None or not any(j.state in ("failing", "slow") for j in trouble.verdicts):
        return None
    same = [t for t in case.failing_addresses if t.nginx is nginx and t.endpoint.host == endpoint.host]
    networks = ", ".join(name for name, _, _ in web.networks) or "none"
    shown = Evidence("probe", endpoint.host, f"no address is known for it on the networks of {web.name} ({networks})")
    return Finding(
        cause="dns-unresolved", variant="docker-alias-lost", role="root", confidence="likely",
        summary=f"the name {endpoint.host} (for {endpoint_text(endpoint)}) no longer resolves: nginx hands "
                f"{routes_text(trouble)} to the address that it had when nginx started, where nothing answers",
        detail=("docker ps -a shows whether its container was removed, renamed, or created on another network",),
        routes=tuple(dict.fromkeys(route for t in same for route in t.route_ids)), service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            shown, config_evidence(case.snapshot, nginx, endpoint),
            *symptom_evidence(case, trouble),
        ))),
        repairs=(other_address_repair(case, same),),
        effects=("nothing-listens", "address-lost", "stale-config"),
    )
