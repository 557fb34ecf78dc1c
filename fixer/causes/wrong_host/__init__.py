"""nginx hands requests to an address at which the backend is not: no machine has it, or it is nginx's own container.
nginx logs `113: No route to host`, or `111: Connection refused` at once (502). Write the backend's name or address.

By hand
  ip neigh; ip -brief address; docker compose ps    # who has which address?
  grep -RnE 'proxy_pass|server [^{]' /etc/nginx/    # what does nginx ask for?
  docker exec NGINX getent ahosts SERVICE           # does nginx's container know the name?
  proxy_pass http://SERVICE:PORT;                   # then: nginx -t && nginx -s reload

What it is
  The port may be right and the host is not: an address that no machine of the network has (any more), 127.0.0.1 inside
  nginx's own container, where nothing but nginx runs, or host.docker.internal, which a container knows only where it is
  told. Typical after an address changed, or after a configuration moved from a host into a container.

Why nginx says 502
  An address that nobody has: the kernel asks its neighbours for about three seconds, then `connect() failed (113: No
  route to host)`; with a shorter proxy_connect_timeout a 504. The own container: `(111: Connection refused)` at once.

How it is told apart
  container-stopped: there the name or address belongs to a container that does not run. wrong-port: there the service
  listens on another port of the same place. firewall-drop: there the host is there and swallows packets. Here no node
  that could be seen has the address, and an application listens on that very port elsewhere, used by no other route. Of
  the containers beside nginx's the one that is told that port is meant, whether it runs or not: where it does not, its
  start comes first (backend-down, or why it ends), then the address. That another one runs does not make it the
  intended one.

  Where nginx names the container of another route, which does not have that port, and one that no route uses has it,
  that one is meant. The same if nginx's own compose service depends on that one (`depends_on`) and not on the named.

  A name that a line of /etc/hosts leads to such an address: the line is wrong, not nginx's file, and is named.

The repair and its safety
  correct-hosts-line (disruptive): where a container of that name is on a network of nginx's, the entry of
  `extra_hosts:` that hides it is taken out and nginx's container recreated; else the line is told (manual).
  point-route-at-service (safe): the address is replaced by the name of the container (names survive a re-creation,
  addresses do not), then `nginx -t` and a reload. Where the address may belong to another machine that is switched off,
  fixer cannot see that from here; then a person must say that the local service is meant (`--set upstream=…`).
  An address that nginx's container has from a template or a variable is changed there (disruptive).
  reach-docker-host (disruptive): the container is given the name host.docker.internal (`extra_hosts:`) in its compose
  file and recreated; where nothing listens on the Docker host for containers, a person must change that. A
  container that has the host's network, or publishes that port, is what belongs there: then its own fault is told.

Variants
  wrong-ip-unassigned            no machine has the address
  nginx-container-uses-loopback  127.0.0.1 in nginx's container is that container itself
  host-gateway                   nginx's container does not know the name of the Docker host, or finds no listener there
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    config_evidence,
    container_of,
    endpoint_text,
    find_node,
    listener_evidence,
    listeners_on,
    no_listener_evidence,
    pids_of,
)
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.nginx_process import addresses_of_stopped_nginx
from fixer.analysis.ownership.configured import configured_owner
from fixer.analysis.ownership.container_network import (
    database_named,
    is_docker_host,
    no_application_text,
    service_at_address,
)
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import state_evidence
from fixer.formats.addresses import is_loopback, is_wildcard, reached_at
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Need, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Container, Listener, Service
from fixer.repairs.upstream_address import UPSTREAM_KEY, point_after_start_repair, point_at_address_repair

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.intended_container import (
        arp_silence_evidence,
        has_no_listener,
        intended_containers,
        is_own_loopback,
        is_refused_docker_address,
        misnamed_container,
        name_on_network,
        reachable_ip_and_name,
    )
    from fixer.causes.wrong_host.docker_gateway import gateway_finding
    from fixer.causes.wrong_host.hosts_line import hosts_line_finding
    from fixer.findings.configured_address import uncreated_elsewhere_findings

_REPAIR_ID = "point-route-at-service"


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A service that may be intended: its port, its address as nginx would name it, and the evidence."""

    service: Service
    port: int
    text: str
    evidence: Evidence


def judge(case: Case) -> Verdict:
    """Judge each address of a failing route: does nothing exist there while its service is elsewhere?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    for nginx in case.snapshot.nginxes:
        if nginx.master_pid is None:
            down = [t for t in addresses_of_stopped_nginx(case, nginx) if is_docker_host(t.endpoint)]
            findings += [found for t in down[:1] if (found := gateway_finding(case, t)) is not None]
    return conclude([*findings, *uncreated_elsewhere_findings(case, "host", (CAUSE.id, ""))], missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint = trouble.endpoint
    said = config_evidence(case.snapshot, trouble.nginx, endpoint)
    if endpoint.unix is not None:
        return said
    box = container_of(case.snapshot, trouble.nginx.node)
    inside = box is not None and not box.is_machine
    if is_docker_host(endpoint) and inside:
        return gateway_finding(case, trouble) or said
    from_file = isinstance(endpoint.addresses, Known) and endpoint.addresses.evidence and endpoint.host
    if from_file and (wrong := hosts_line_finding(case, trouble)) is not None:
        return wrong
    if inside and box is not None and (meant := misnamed_container(case, trouble)) is not None:
        return _misnamed_finding(case, trouble, box, meant) or said
    if configured_owner(case, endpoint) is not None:
        return said
    if inside and box is not None and box.network_mode == "host":
        return said       # its loopback is the Docker host's: wrong-port judges published ports there
    if inside and box is not None and is_own_loopback(trouble):
        words = f"{endpoint_text(endpoint)}, its own container, where nothing listens"
        return _judge_containers(case, trouble, box, ("nginx-container-uses-loopback", words))
    if has_no_listener(case, trouble):
        words = f"{endpoint_text(endpoint)}, an address that no machine has"
        variant = "wrong-ip-unassigned"
        return _judge_containers(case, trouble, box,
                                 (variant, words)) if inside and box is not None else _judge_local_services(
            case, trouble, (variant, words))
    if inside and box is not None and is_refused_docker_address(case, trouble):
        holder = service_at_address(case.snapshot, endpoint)
        whose, system = holder.name if holder is not None else "another container", database_named(
            case.snapshot, endpoint)
        words = f"{endpoint_text(endpoint)}, now the address of {whose}"
        if system is not None:
            words = f"{endpoint_text(endpoint)}, the address of {no_application_text(system)}"
        return _judge_containers(case, trouble, box, ("" if system is not None else "wrong-ip-unassigned", words))
    return said


def _misnamed_finding(case: Case, trouble: FailingAddress, box: Container, meant: PortOwner) -> Finding | None:
    """Return the finding if nginx names the wrong container, while one that nobody asks has that port."""
    options, host = _container_candidates(case, trouble, meant.service, box), trouble.endpoint.host
    named = configured_owner(case, trouble.endpoint)
    used = named is not None and named.service.id in case.services_in_use
    why = f"{host} serves another route" if used else f"{box.service} depends on {meant.service.name}, not on {host}"
    words = f"{endpoint_text(trouble.endpoint)}, where nothing listens: {why}"
    if not meant.service.running or reachable_ip_and_name(meant.service, box) is None:
        return _after_start_finding(case, trouble, meant, ("", words))
    found = _wrong_host_finding(case, trouble, ("", words), options, proven=True) if options else None
    if found is None:
        return None
    shown = () if used else meant.evidence[:1]
    return replace(found, confidence="likely", evidence=tuple(dict.fromkeys((*found.evidence, *shown))))


def _judge_containers(case: Case, trouble: FailingAddress, box: Container, words: tuple[str, str]) -> Finding | str:
    """Find the intended container on a network of nginx, with a listener that nginx can reach."""
    found, said = intended_containers(case, trouble), words[1]
    options = tuple(option for owner in found for option in _container_candidates(case, trouble, owner.service, box))
    names = ", ".join(owner.service.name for owner in found)
    sure = len(found) == 1 and not found[0].needs_choice
    if options:
        return _wrong_host_finding(case, trouble, words, options, proven=sure)
    if sure and not found[0].service.running:
        return _after_start_finding(case, trouble, found[0], words) or f"where {names} would listen"
    return f"which container belongs behind {said}{f': {names}?' if names else ''}"


def _container_candidates(case: Case, trouble: FailingAddress, service: Service,
                          box: Container) -> tuple[_Candidate, ...]:
    """Return the container's listeners that nginx can reach; those on the same port take precedence."""
    reached = reachable_ip_and_name(service, box)
    if reached is None or not service.running:
        return ()
    ip, name = reached
    found = [
        _Candidate(service, line.port, address_text(name, line.port), listener_evidence(case.snapshot, line, service))
        for line in listeners_on(case.snapshot, service.node)
        if line.family != "unix" and _is_own_listener(line, service) and (
            is_wildcard(line.address) or line.address == ip)
    ]
    return tuple(option for option in found if option.port == trouble.endpoint.port) or tuple(found)


def _after_start_finding(case: Case, trouble: FailingAddress, owner: PortOwner,
                         words: tuple[str, str]) -> Finding | None:
    """Return the finding on a service with both faults, one that is stopped or on no network of nginx's: the address
    follows after that."""
    service, (variant, said), told = owner.service, words, [b for b in bindings_of(owner.service) if b.port]
    if not told:
        return None
    box = container_of(case.snapshot, trouble.nginx.node)
    name = name_on_network(service, box) if box is not None else ""
    where = address_text(name or service.name, told[0].port)
    return Finding(
        cause=CAUSE.id, variant=variant or None, role="root", confidence="likely",
        summary=f"nginx hands {routes_text(trouble)} to {said}; {service.name} is configured to listen on {where}",
        detail=(), routes=trouble.route_ids, service=service.name, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), told[0].source, state_evidence(service),
            *arp_silence_evidence(case, trouble), *no_listener_evidence(trouble.endpoint),
        ))),
        repairs=(point_after_start_repair(trouble, service.name, where, _REPAIR_ID),), effects=(),
        is_met_first=trouble.nginx.master_pid is not None,
    )


def _judge_local_services(case: Case, trouble: FailingAddress, words: tuple[str, str]) -> Finding | str:
    """Find applications on nginx's machine that listen on that port, or would if they ran. The real owner of the
    address is unknown."""
    node, port = trouble.nginx.node, trouble.endpoint.port
    free = [service for service in case.snapshot.services if service.node == node and _is_free(case, service)]
    options = [
        _Candidate(service, port, address_text(reached_at(x.address), port),
                   listener_evidence(case.snapshot, x, service))
        for service in free for x in listeners_on(case.snapshot, node)
        if x.family != "unix" and x.port == port and _is_own_listener(x, service)
    ]
    options += [
        _Candidate(service, port, address_text(reached_at(b.host), port), b.source)
        for service in free if not service.running
        for b in bindings_of(service) if b.unix is None and b.port == port
    ]
    if options:
        return _wrong_host_finding(case, trouble, words, tuple(options), proven=False)
    return f"which service belongs behind {endpoint_text(trouble.endpoint)}: nothing answers at that address"


def _is_free(case: Case, service: Service) -> bool:
    """Return whether it is an application that no route uses."""
    held = {name for e in case.snapshot.endpoints if is_closed(e) is False
            for name in (e.configured_service, e.listening_service)}
    return (service.is_app_server and not service.is_hand_started and service.id not in case.services_in_use
            and service.id not in held)


def _is_own_listener(line: Listener, service: Service) -> bool:
    if isinstance(line.pids, Unknown) or not line.pids.value:
        return service.container is not None and not is_loopback(line.address)
    return bool(set(pids_of(line)) & set(service.pids))


def _wrong_host_finding(
    case: Case, trouble: FailingAddress, words: tuple[str, str], options: tuple[_Candidate, ...], *, proven: bool,
) -> Finding:
    """Return the finding. `words` are the variant and the fault of the address."""
    endpoint, (variant, said), first = trouble.endpoint, words, options[0]
    need, text = None, first.text if proven and len(options) == 1 else None
    choices = tuple(dict.fromkeys(option.text for option in options))
    if text is None:
        names = " or ".join(f"{o.service.name} ({o.text})" for o in options)
        need = Need(UPSTREAM_KEY, "choice", f"{said}; nothing here proves that {names} is intended", choices)
        text = case.inputs.get(UPSTREAM_KEY) if case.inputs.get(UPSTREAM_KEY) in choices else None
    return Finding(
        cause=CAUSE.id, variant=variant or None, role="root",
        confidence="possible" if need is not None else "certain" if first.port == endpoint.port else "likely",
        summary=f"nginx hands {routes_text(trouble)} to {said}; "
                f"{' or '.join(dict.fromkeys(o.service.name for o in options))} "
                f"{'listens' if first.service.running else 'is configured to listen'} on {' or '.join(choices)}",
        detail=(), routes=trouble.route_ids, service=first.service.name if len(options) == 1 else None,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint),
            *(o.evidence for o in options),
            *(state_evidence(o.service) for o in options), *_address_evidence(case, trouble),
            *arp_silence_evidence(case, trouble),
            *no_listener_evidence(endpoint),
            *connect_symptoms(case, trouble),
        ))),
        repairs=(point_at_address_repair(case, trouble, _REPAIR_ID, text, need),),
        is_met_first=need is None and trouble.nginx.master_pid is not None,
    )


def _address_evidence(case: Case, trouble: FailingAddress) -> tuple[Evidence, ...]:
    """Return evidence of the addresses of nginx's node."""
    node = find_node(case.snapshot, trouble.nginx.node)
    if node is None or not node.addresses:
        return ()
    return (Evidence("kernel", f"addresses of {node.name}", ", ".join(node.addresses[:12])),)


CAUSE = Cause(
    id="wrong-host",
    title="nginx hands requests to an address at which the backend is not",
    family="wrong port",
    variants=("wrong-ip-unassigned", "nginx-container-uses-loopback", "host-gateway"),
    verdict=judge,
    page=__doc__,
)
