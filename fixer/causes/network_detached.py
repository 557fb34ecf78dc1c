"""nginx's container and the backend's share no network that carries their packets.
nginx times out while connecting (504), then says `113: No route to host` (502). Put both on one network again.

By hand
  docker inspect -f '{{.HostConfig.NetworkMode}} {{json .NetworkSettings.Networks}}' NGINX CONTAINER
  docker network inspect -f '{{json .Options}}' NETWORK    # enable_icc "false": no packets between containers
  docker network connect --alias SERVICE NETWORK CONTAINER
  docker exec NGINX nginx -s reload                        # nginx ended: docker start NGINX
  docker restart CONTAINER                                 # what is alone in the old network of another container
  docker compose up -d --force-recreate SERVICE            # the same, if that other container was recreated

What it is
  One of the two was taken off the network (`docker network disconnect`), or their service definitions name different
  networks, or the network they share was made with inter-container communication off (enable_icc=false). Or one has
  the network of another container (`network_mode: service:x`, `--network container:x`), and that one was started again
  or recreated: it has a new network then, and whoever shared the old one stays in it, alone.

Why nginx says 504 or 502
  nginx still holds the address that the name had when it started: packets to it get no answer (`upstream timed out
  (110) while connecting`), then `connect() failed (113: No route to host)`. A name of a container on another network
  does not resolve: at its next start nginx ends with `host not found in upstream`. nginx itself without a network logs
  `101: Network is unreachable`. Where nginx asks for a port that Docker publishes on its host, nothing listens there
  while the container is on no network: `connect() failed (111: Connection refused)`. So it is in a network that was
  another container's: 127.0.0.1 leads to nobody there, and what Docker publishes leads past it.

How it is told apart
  The backend's container runs, and Docker's own view of both shows no network in common (or icc off on the one they
  share). A container that is stopped is backend-down, a changed address on a shared network is dns-stale.

The repair and its safety
  connect-network (safe): join the container again to the network that it was made with, or on which its compose files
  put it, under its service's name and the aliases of the files, and reload nginx (start it, where it ended for want of
  the name). Nothing that runs is stopped, and compose makes it so at the next re-creation as well.
  join-network (manual): where the files themselves put the two on different networks, they must name one in common:
  which of the two moves is a decision about who may talk to whom.

  renew-network (disruptive): what is alone in the network of another container is restarted, or, where that container
  was recreated, is recreated itself by its compose file (which differs from what runs in that container's id alone). Of
  one that compose did not make it is said how. In the files, `depends_on: {x: {condition: service_started, restart:
  true}}` lets compose do so with every restart of x.

Variants
  docker-network-detached   one of the two was taken off their network
  docker-different-network  their definitions name different networks
  docker-icc-disabled       their network lets no container reach another (enable_icc=false)
  shared-network-gone       it shares the network of a container that was restarted or recreated since
"""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import bindings_of, config_evidence, container_of, endpoint_text, listeners_on
from fixer.analysis.nginx_errors import events_for, routes_text, symptom_evidence
from fixer.analysis.nginx_process import (
    addresses_of_stopped_nginx,
    is_ip_address,
    logged_address,
    route_ids_of,
    unresolved_upstream_name,
)
from fixer.analysis.ownership.configured import configured_owner
from fixer.analysis.ownership.container_network import (
    LostSharedNetwork,
    is_disconnected,
    is_docker_address,
    lost_shared_network,
)
from fixer.analysis.ownership.intended_container import misnamed_container
from fixer.analysis.packet_filter.matching_rules import FilterMatch, certain_filter_matches, filter_match_evidence
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import state_evidence
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.plan import ContainerAction, Step
from fixer.model.snapshot import ComposeNetwork, Container, Nginx
from fixer.nginx.error_kinds import CONNECTING
from fixer.repairs.file_edits import NotEditable, check_and_reload_steps
from fixer.repairs.on_demand import (
    compose_networks_of,
    compose_up_step,
    join_network_step,
    start_nginx_steps,
    wait_for_listener_step,
    wait_for_nginx_steps,
)


def judge(case: Case) -> Verdict:
    """Judge each address of a running container: is it on a network of nginx?"""
    findings: dict[str, Finding] = {}
    ruled = list(case.observed)
    for trouble in (*case.failing_addresses, *_unresolved_addresses(case)):
        web, box = container_of(case.snapshot, trouble.nginx.node), _backend_container(case, trouble)
        off = _lost_network(case, box) if box is not None and trouble.endpoint.container_port else None
        if box is not None and off is not None:
            _merge_finding(findings, box.id, _no_network_finding(case, trouble, box, off))
        elif web is None or box is None or web.is_machine or web.id == box.id:
            ruled.append(config_evidence(case.snapshot, trouble.nginx, trouble.endpoint))
        elif box.status != "running" or _has_shared_network(web,
                                                            box) or web.has_shared_network or box.has_shared_network:
            muted = _icc_block(case, trouble)
            if muted is None:
                ruled.append(_networks_evidence(box))
            else:
                _merge_finding(findings, muted.hit.where, _icc_finding(case, trouble, box, muted))
        else:
            _merge_finding(findings, box.id, _finding(case, trouble, web, box))
    lent: list[Finding] = []
    if any(s.container.has_shared_network for s in case.snapshot.services if s.container is not None):

        lent += shared_network_findings(case)
    return conclude((*lent, *findings.values()), (), ruled)


def _unresolved_addresses(case: Case) -> tuple[FailingAddress, ...]:
    """Return addresses whose unresolved name ended nginx: on another network the name does not exist."""
    found: list[FailingAddress] = []
    for nginx in case.snapshot.nginxes:
        unresolved = unresolved_upstream_name(nginx) if nginx.master_pid is None else None
        if unresolved is not None:
            found += [t for t in addresses_of_stopped_nginx(case, nginx)
                      if t.endpoint.host.lower() == unresolved[0].lower()]
    return tuple(found)


def _merge_finding(findings: dict[str, Finding], key: str, new: Finding) -> None:
    """Keep one finding for each fault, with all routes that it stops."""
    old = findings.get(key)
    findings[key] = new if old is None else old.joined_with(new)


def _icc_block(case: Case, trouble: FailingAddress) -> FilterMatch | None:
    """Return Docker's rule that drops traffic between containers of their network (icc=false)."""
    return next((block for block in certain_filter_matches(case, trouble)[0] if block.is_icc), None)


def _icc_finding(case: Case, trouble: FailingAddress, box: Container, block: FilterMatch) -> Finding:
    names = ", ".join(name for name, _, _ in box.networks)
    files = box.label("com.docker.compose.project.config_files") or "the command that created it"
    manual = (
        f"recreate the network without com.docker.network.bridge.enable_icc=false (see {files}); this recreates every "
        f"container on it. Or connect both to another network: {names} isolates its containers on purpose"
    )
    evidence = (
        *filter_match_evidence(block), _networks_evidence(box),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
        *symptom_evidence(case, trouble, CONNECTING),
    )
    return Finding(
        cause=CAUSE.id, variant="docker-icc-disabled", role="root", confidence="certain",
        summary=f"network {names} blocks traffic between its containers (enable_icc=false)",
        detail=(f"needed by {routes_text(trouble)}",), routes=trouble.route_ids, service=box.name,
        node=trouble.nginx.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(Repair("allow-containers", "manual", f"allow traffic between the containers of {names}", (),
                        manual=manual),),
    )


def _backend_container(case: Case, trouble: FailingAddress) -> Container | None:
    """Return the container that is meant there: the one that is named, or the one whose port nginx uses with that name.
    """
    owner = configured_owner(case, trouble.endpoint)
    if owner is None or owner.service.container is None:
        return None
    meant = misnamed_container(case, trouble)
    return (owner if meant is None else meant).service.container


def _has_shared_network(web: Container, box: Container) -> bool:
    """Return whether they share a network. A stopped container returns to the network it was created with."""
    mine = {name for name, _, _ in web.networks} | ({web.network_mode} if web.status != "running" else set())
    return bool(mine & {name for name, _, _ in box.networks})


def _lost_network(case: Case, box: Container) -> ComposeNetwork | None:
    """Return the network that a running container should be on, if it is on none."""
    if box.status != "running" or box.networks or box.has_shared_network:
        return None
    configured = compose_networks_of(case.snapshot, box)
    made = next((own for own in configured if own.name == box.network_mode), None)
    if made is None and is_disconnected(box):
        made = ComposeNetwork(box.network_mode, (), _networks_evidence(box))
    return made or (configured[0] if configured else None)


def _no_network_finding(case: Case, trouble: FailingAddress, box: Container, network: ComposeNetwork) -> Finding:
    """Return the finding: Docker's published ports lead nowhere while the container has no network."""
    connect = join_network_step(case.snapshot, box, network.name)
    text = endpoint_text(trouble.endpoint)
    evidence = (
        _networks_evidence(box), network.source, config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
        *symptom_evidence(case, trouble, CONNECTING),
    )
    return Finding(
        cause=CAUSE.id, variant="docker-network-detached", role="root", confidence="certain",
        summary=(f"container {box.name} was disconnected from network {network.name}: {text}, which Docker publishes "
                 "for it, does not reach it"),
        detail=(f"needed by {routes_text(trouble)}",), routes=trouble.route_ids, service=box.name,
        node=trouble.nginx.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(Repair("connect-network", "safe", f"connect container {box.name} to network {network.name} again",
                        (connect,)),),
    )


def _networks_evidence(box: Container) -> Evidence:
    names = ", ".join(f"{name} ({ip})" if ip else name for name, ip, _ in box.networks) or "no network"
    return Evidence("container", box.name, f"on {names}; created with network {box.network_mode or 'unknown'}")


def _find_disconnected(case: Case, boxes: tuple[Container, Container]) -> tuple[Container, str, Evidence | None] | None:
    """Return which of the two lacks a network that it was created with, or that its files share with the other."""
    for box, other in (boxes, boxes[::-1]):
        joined = {name for name, _, _ in box.networks}
        if is_disconnected(box):
            return box, box.network_mode, None
        theirs = {name for name, _, _ in other.networks} | {n.name for n in compose_networks_of(case.snapshot, other)}
        for wanted in compose_networks_of(case.snapshot, box):
            if wanted.name not in joined and wanted.name in theirs:
                return box, wanted.name, wanted.source
    return None


def _finding(case: Case, trouble: FailingAddress, web: Container, box: Container) -> Finding:
    left = _find_disconnected(case, (box, web))
    file_evidence: tuple[Evidence, ...] = ()
    if left is not None:
        detached, network, source = left
        file_evidence = () if source is None else (source,)
        variant = "docker-network-detached"
        summary = f"container {detached.name} was disconnected from network {network}" if source is None else (
            f"container {detached.name} is not on network {network}, which its Compose files name")
        repair = _connect_repair(case, trouble, detached, network)
    else:
        variant = "docker-different-network"
        summary = f"containers {web.name} and {box.name} are on different networks"
        repair = _join_repair(case, trouble, web, box)
    owner = configured_owner(case, trouble.endpoint)
    is_named = owner is not None and owner.service.container is box
    name = next((s.name for s in case.snapshot.services if s.container is box), box.name)
    evidence = (
        _networks_evidence(box), _networks_evidence(web), *file_evidence,
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
        *(symptom_evidence(case, trouble, CONNECTING | {"name-not-resolved"}) if is_named else ()),
    )
    return Finding(
        cause=CAUSE.id, variant=variant, role="root", confidence="certain",
        summary=f"{summary}: nginx cannot reach {endpoint_text(trouble.endpoint) if is_named else 'it'}",
        detail=(f"needed by {routes_text(trouble)}",), routes=trouble.route_ids, service=name,
        node=trouble.nginx.node, evidence=tuple(dict.fromkeys(evidence)), repairs=(repair,),
    )


def _connect_repair(case: Case, trouble: FailingAddress, detached: Container, network: str) -> Repair:
    steps: list[Step] = [join_network_step(case.snapshot, detached, network)]
    nginx = trouble.nginx
    steps += start_nginx_steps(case, nginx) if nginx.master_pid is None else check_and_reload_steps(case.snapshot,
                                                                                                    nginx)
    then = "start nginx" if nginx.master_pid is None else "reload nginx so that it resolves the name again"
    summary = f"connect container {detached.name} to network {network} again, then {then}"
    return Repair("connect-network", "safe", summary, tuple(steps))


def _join_repair(case: Case, trouble: FailingAddress, web: Container, box: Container) -> Repair:
    asked, networks = trouble.endpoint.host, _networks_to_join(case, trouble, web)
    theirs = " or ".join(networks) or "none"
    files = box.label("com.docker.compose.project.config_files") or ""
    name = box.service or box.name
    own = asked in (box.service, box.name) or is_ip_address(asked)
    alias, known = (name, "") if own else (asked, f", with the alias {asked}")
    command = f"docker network connect --alias {alias} {next(iter(networks), 'none')} {box.name}"
    then = _lookup_again(trouble, web)
    enough = f"these commands are enough: {command}; then {then}" if then else f"this command is enough: {command}"
    manual = (
        f"let {name} and {web.service or web.name} share a network: add a network of nginx ({theirs}) to the "
        f"networks of service {name}{f' in {files}' if files else ''}{known}. Until {name} is recreated, {enough}"
    )
    return Repair("join-network", "manual", f"connect {box.name} to a network of nginx", (), manual=manual)


def _networks_to_join(case: Case, trouble: FailingAddress, web: Container) -> tuple[str, ...]:
    """Return the networks of nginx: first the one in which the backend was when nginx resolved its name."""
    old = [found for event in events_for(case, trouble, CONNECTING) if (found := logged_address(event))]
    former = {pair[0] for pair in web.subnets
              if any(is_docker_address(replace(web, subnets=(pair,)), address) for address in old)}
    return tuple(sorted((name for name, _, _ in web.networks), key=lambda name: name not in former))


def _lookup_again(trouble: FailingAddress, web: Container) -> str:
    """Return the command after which nginx has the new address: until then it keeps what it resolved as it started."""
    host = trouble.endpoint.host
    if trouble.nginx.master_pid is None:
        return f"docker {'restart' if web.status == 'running' else 'start'} {web.name}"
    fixed = any(facts.route.is_resolved_at_start and not any(server.resolves for server in facts.route.servers)
                for facts in trouble.routes)
    if is_ip_address(host) or not fixed:
        return ""
    return f"docker exec {web.name} nginx -s reload (until then nginx keeps the old address of {host})"


CAUSE = Cause(
    id="network-detached",
    title="nginx and the backend share no Docker network",
    family="network, firewall, SELinux",
    variants=("docker-network-detached", "docker-different-network", "docker-icc-disabled", "shared-network-gone"),
    verdict=judge,
    page=__doc__,
)

# Containers in the network of another one (`network_mode: service:x`). If that one was restarted or recreated, they
# stay in the old network, where nothing else is.
SHARED_NETWORK_VARIANT = "shared-network-gone"
REPAIR_ID = "renew-network"
_LOST_NETWORK_TEXT = " (its present network, where it is alone, cannot be restored)"


def shared_network_findings(case: Case) -> Iterator[Finding]:
    """Return findings on nginx's own container and on application containers whose port nginx cannot reach."""
    done: set[str] = set()
    for nginx in case.snapshot.nginxes:
        web = container_of(case.snapshot, nginx.node)
        own = next((s for s in case.snapshot.services if web is not None and s.container is not None
                    and s.container.id == web.id), None)
        cut = lost_shared_network(case.snapshot, own)
        troubles = [t for t in case.failing_addresses if t.nginx is nginx and t.endpoint.unix is None]
        if cut is not None and (troubles or nginx.master_pid is None):
            done.add(nginx.node)
            yield _shared_network_finding(case, nginx, troubles, cut)
    others = [cut for s in case.snapshot.services if s.node not in done
              and (cut := lost_shared_network(case.snapshot, s))]
    for trouble in case.failing_addresses if others else ():
        candidates = [cut for cut in others if _is_intended(case, trouble, cut)]
        if len(candidates) == 1 and trouble.nginx.node not in done and (
                candidates[0].container.status == "running" or not candidates[0].sure):
            yield _shared_network_finding(case, trouble.nginx, [trouble], candidates[0])


def _is_intended(case: Case, trouble: FailingAddress, cut: LostSharedNetwork) -> bool:
    """Return whether the address is closed and this service listens on that port in the old network. The address is the
    lender's, or nginx's if there is no lender any more."""
    endpoint = trouble.endpoint
    if endpoint.unix is not None or is_closed(endpoint) is not True:
        return False
    there = {s.node for s in case.snapshot.services
             if cut.lender is not None and s.container is not None and s.container.id == cut.lender.id}
    if cut.lender is not None and endpoint.node not in there:
        return False
    held = any(x.port == endpoint.port for x in listeners_on(case.snapshot, cut.service.node) if x.family != "unix")
    return held or any(b.port == endpoint.port for b in bindings_of(cut.service))


def _shared_network_finding(case: Case, nginx: Nginx, troubles: list[FailingAddress],
                            cut: LostSharedNetwork) -> Finding:
    box, lender = cut.container, cut.lender
    how = (f"container {lender.name}, whose network it shared, was restarted after it" if lender is not None
           else "the container whose network it shared no longer exists")
    effect = "it cannot start" if box.status != "running" else "it can reach neither visitors nor backends"
    if cut.service.node != nginx.node:
        effect = f"nothing reaches it at {endpoint_text(troubles[0].endpoint)}"
    routes = tuple(dict.fromkeys(name for t in troubles for name in t.route_ids)) or route_ids_of(case, nginx)
    evidence = (*cut.evidence, state_evidence(cut.service), *(e for t in troubles[:2] for e in (
        config_evidence(case.snapshot, nginx, t.endpoint),
        *symptom_evidence(case, t, CONNECTING))))
    return Finding(
        cause="network-detached", variant=SHARED_NETWORK_VARIANT, role="root",
        confidence="certain" if cut.sure else "likely",
        summary=f"container {box.name} is alone in its network: {how}, so {effect}", detail=(), routes=routes,
        service=cut.service.name, node=nginx.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(_renew_network_repair(case, nginx, troubles, cut),),
        effects=("nginx-stops", "wrong-place", "looks-busy", "stale-config"),
    )


def _renew_network_repair(case: Case, nginx: Nginx, troubles: list[FailingAddress], cut: LostSharedNetwork) -> Repair:
    box, snapshot = cut.container, case.snapshot
    after: tuple[Step, ...] = wait_for_nginx_steps(nginx) if cut.service.node == nginx.node else wait_for_listener_step(
        snapshot, cut.service, troubles[0].endpoint)
    if cut.lender is not None:
        restart = ContainerAction(box.id, box.name, "restart", box.status, "cut off from every network")
        return Repair(REPAIR_ID, "disruptive",
                      f"restart {box.name}, which then joins the network of {cut.lender.name}{_LOST_NETWORK_TEXT}",
                      (restart, *after))
    step = compose_up_step(snapshot, box)
    if not isinstance(step, NotEditable):
        summary = f"recreate {box.service} in the network of the container that exists now{_LOST_NETWORK_TEXT}"
        return Repair(REPAIR_ID, "disruptive", summary, (step, *after))
    how = f"docker compose up -d --force-recreate --no-deps {box.service}" if box.service and box.project else (
        f"remove {box.name} and run it again with --network container:NAME (the container that exists now)")
    return Repair(REPAIR_ID, "manual", f"recreate {box.name}", (),
                  manual=f"{how}; a restart does not help: {step.reason}")
