"""The backend listens on the right port of another address than the one nginx asks for.
nginx logs `111: Connection refused` (502). Correct the address in nginx, or the --host of the backend.

By hand
  ss -ltnp 'sport = :PORT'; ip -brief address     # on which address is the socket?
  docker inspect -f '{{.State.Pid}}' CONTAINER    # PID, for the next line
  nsenter -t PID -n ss -ltnp                      # where does it listen in its container?
  proxy_pass http://127.0.0.1:PORT;               # or [::1], on one machine; then: nginx -t && nginx -s reload
  docker compose up -d SERVICE                    # after --host 0.0.0.0 (gunicorn: --bind 0.0.0.0:PORT) in its command

What it is
  A listening socket belongs to an address. A server that is told 127.0.0.1 answers only on its own machine, or only
  inside its own container; one on ::1 or :: answers IPv6 only (uvicorn and asyncio always ask for that); and an address
  that the machine does not have cannot be listened on at all: the program ends at once.

Why nginx says 502
  The kernel finds no socket for that very address: `connect() failed (111: Connection refused)`.

How it is told apart
  wrong-port: there the service holds another port. Here the port is right, and the kernel's table shows the service's
  own socket on another address. firewall-reject: there a socket for that address is there. backend-down: there is no
  socket at all. In a container the backend answers itself and nobody else: the classic of a missing --host 0.0.0.0;
  where nginx asks for another port too, this comes first: nginx could not reach a socket inside the container at any
  port.
  An address that the machine does not have: the backend's log ends in `[Errno 99] … cannot assign requested address`.

The repair and its safety
  point-route-at-socket (safe): nginx on the same machine is pointed at the address where the socket is; nothing that
  runs is stopped, and nothing is opened to the network. If nothing proves that this service is intended, fixer asks
  (`--set upstream=…`): any user of the machine may listen there.
  listen-where-nginx-asks (disruptive): from another container the socket cannot be reached, so the backend's own
  command is told another address, and it is restarted. Undo puts both back.

Variants
  bound-other-interface           it listens on another address of the machine
  bound-ipv6-only                 it listens on IPv6, and nginx asks IPv4
  start-bind-address-unavailable  it cannot start: its --host is no address of the machine
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    config_evidence,
    endpoint_text,
    find_node,
    listener_evidence,
    listeners_on,
    log_evidence,
    no_listener_evidence,
    pids_of,
)
from fixer.analysis.exits.failed_run import FailedRun, failed_runs
from fixer.analysis.exits.hand_started_run import for_person, hand_started_runs
from fixer.analysis.nginx_errors import connect_symptoms, refused_evidence, routes_text
from fixer.analysis.ownership.container_network import has_host_network, nodes_in_same_network
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import holds_socket, state_evidence
from fixer.findings.configured_address import (
    configured_elsewhere,
    configured_elsewhere_finding,
    host_evidence,
    is_address_met_first,
    is_unconnectable,
)
from fixer.formats.addresses import ANY_IPV4, ANY_IPV6, is_loopback, reached_at
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Unknown
from fixer.model.snapshot import Endpoint, Listener, Service, Snapshot
from fixer.repairs.upstream_address import UPSTREAM_KEY, point_at_address_repair

with lazy_imports():  # not needed in most looks
    from fixer.analysis.exits.exit_reason import address_unavailable_line
    from fixer.analysis.ownership.resolve import candidate_owners, only_owner
    from fixer.repairs.listen_address import listen_address_repair
    from fixer.repairs.start_service import start_again_repairs


def judge(case: Case) -> Verdict:
    """Judge each closed address: does its service listen on that port elsewhere, or fail to bind it?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    for crash in (*failed_runs(case).found, *hand_started_runs(case)):
        line = address_unavailable_line(crash.end)
        if line is not None:
            findings.append(for_person(crash, _unavailable_finding(case, crash, log_evidence(line.text, line.where))))
        elif isinstance(crash.service.log, Unknown):
            missing.append(f"log of {crash.service.name}: {crash.service.log.reason}")
    return conclude(findings, missing, ruled)


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint = trouble.endpoint
    text = endpoint_text(endpoint)
    if endpoint.unix is not None or endpoint.container_port:       # wrong-port judges published ports
        return config_evidence(case.snapshot, trouble.nginx, endpoint)
    closed, owner = is_closed(endpoint), only_owner(case, trouble)
    # a container that ends again and again is not there for most connects: its command tells where it would listen
    if closed is not False and owner is not None and (
            binding := configured_elsewhere(case, trouble, owner, "host")) is not None:
        return configured_elsewhere_finding(case, trouble, owner, binding, (CAUSE.id, "bound-other-interface"))
    if closed is None:
        return f"whether anything listens at {text}"
    owner = owner or _unproven_owner(case, trouble)
    if not closed or owner is None or owner.rule == "elsewhere" or is_unconnectable(case, trouble, owner.service):
        return config_evidence(case.snapshot, trouble.nginx, endpoint)
    held = tuple(x for x in listeners_on(case.snapshot, owner.service.node)
                 if _is_own_listener(x, owner.service, endpoint))
    if not held:
        alone = _private_listener(case, trouble, owner.service)
        return state_evidence(owner.service) if alone is None else _wrong_address_finding(case, trouble, owner, alone)
    if any(_can_receive(x, endpoint) for x in held):
        return listener_evidence(case.snapshot, held[0], owner.service)     # a listener can receive it: another cause
    return _wrong_address_finding(case, trouble, owner, held[0])


def _unproven_owner(case: Case, trouble: FailingAddress) -> PortOwner | None:
    """Return the only service that may belong there, if an operator must confirm it and it has the network of nginx:
    then only nginx's address would change."""
    found = candidate_owners(case, trouble)
    return found[0] if len(found) == 1 and _has_network_of_nginx(case, trouble, found[0].service) else None


def _has_network_of_nginx(case: Case, trouble: FailingAddress, service: Service) -> bool:
    return trouble.endpoint.node == trouble.nginx.node and service.node in nodes_in_same_network(
        case, trouble.nginx.node)


def _private_listener(case: Case, trouble: FailingAddress, service: Service) -> Listener | None:
    """Return the only listener of a service in another network: configured, and on loopback. A wrong port of nginx
    comes next round: no repair reaches a loopback socket there."""
    if service.node in nodes_in_same_network(case, trouble.nginx.node) or has_host_network(service):
        return None
    told = {(b.port, b.host) for b in bindings_of(service) if b.unix is None}
    own = [x for x in listeners_on(case.snapshot, service.node) if x.family != "unix" and (
        set(pids_of(x)) & set(service.pids) if pids_of(x) else (x.port, x.address) in told)]
    within = len(own) == 1 and is_loopback(own[0].address)
    return own[0] if within and own[0].port in {port for port, _ in told} else None


def _is_own_listener(line: Listener, service: Service, endpoint: Endpoint) -> bool:
    """Return whether the service listens there on that port; if the owner is unknown, by its configured address."""
    if line.family == "unix" or line.port != endpoint.port:
        return False
    if not pids_of(line):
        return any(b.port == line.port and b.host == line.address for b in bindings_of(service))
    return holds_socket(service, line)


def _can_receive(line: Listener, endpoint: Endpoint) -> bool:
    """Return whether a connection to the endpoint's address reaches this socket. `::` may exclude IPv4, and the
    connection was refused."""
    addresses = endpoint.addresses.or_else(())
    if line.address in (ANY_IPV4, "*"):
        return any(":" not in a for a in addresses)
    if line.address == ANY_IPV6:
        return any(":" in a for a in addresses)
    return line.address.removeprefix("::ffff:") in addresses


def _wrong_address_finding(case: Case, trouble: FailingAddress, owner: PortOwner, held: Listener) -> Finding:
    endpoint, service = trouble.endpoint, owner.service
    addresses = endpoint.addresses.or_else(())
    six = ":" in held.address and not held.address.startswith("::ffff:")
    only_six = six and all(":" not in a for a in addresses)
    there = address_text(held.address, held.port)
    led = f" ({', '.join(addresses)})" if addresses and endpoint.host not in addresses else ""   # addresses of a name
    asked = f"{endpoint_text(endpoint)}{led}"
    manner = "for IPv6 only" if held.address == ANY_IPV6 and only_six else "and nowhere else"
    aim = address_text(reached_at(held.address), held.port)
    everywhere = ANY_IPV6 if addresses and all(":" in a for a in addresses) else ANY_IPV4
    everywhere = addresses[0] if addresses and has_host_network(service) else everywhere     # in its own network
    repair = (
        _point_at_socket_repair(case, trouble, owner, aim) if _has_network_of_nginx(case, trouble, service)
        else listen_address_repair(case, service, endpoint, everywhere)
    )
    told = next((b for b in bindings_of(service) if b.unix is None and b.port == held.port), None)
    written = None if told is None else host_evidence(case, service, told)
    shown = [e for e in owner.evidence[:1] if written is None or told is None or e != told.source]
    return Finding(
        cause=CAUSE.id, variant="bound-ipv6-only" if only_six else "bound-other-interface", role="root",
        confidence=("possible" if owner.needs_choice else "certain" if owner.certain or owner.rule == "related"
                    else "likely"),
        summary=(
            f"nginx hands {routes_text(trouble)} to {asked}, but {service.name} listens on {there} "
            f"{manner}"
        ),
        detail=(), routes=trouble.route_ids, service=None if owner.needs_choice else service.name,
        node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((
            config_evidence(case.snapshot, trouble.nginx, endpoint), listener_evidence(case.snapshot, held, service),
            *((written,) if written is not None else ()), *shown, *no_listener_evidence(endpoint),
            *connect_symptoms(case, trouble),
        ))),
        repairs=(repair,), is_met_first=is_address_met_first(case, trouble, owner),
    )


def _point_at_socket_repair(case: Case, trouble: FailingAddress, owner: PortOwner, aim: str) -> Repair:
    """Return the repair, which waits for the operator's word if nothing proves that the service is intended."""
    if not owner.needs_choice:
        return point_at_address_repair(case, trouble, "point-route-at-socket", aim)
    why = (f"nothing listens at {endpoint_text(trouble.endpoint)}; nothing proves that {owner.service.name} ({aim}) is "
           "intended")
    chosen = aim if case.inputs.get(UPSTREAM_KEY) == aim else None
    return point_at_address_repair(case, trouble, "point-route-at-socket", chosen,
                                   Need(UPSTREAM_KEY, "choice", why, (aim,)))


def _unavailable_finding(case: Case, crash: FailedRun, said: Evidence) -> Finding:
    """Return the finding on a program that ended because the machine lacks its configured address."""
    service, trouble = crash.service, crash.failing_addresses[0]
    told = next((b for b in bindings_of(service) if b.unix is None), None)
    aim = _own_address(case.snapshot, trouble.endpoint, service)
    where = "an address" if told is None else address_text(told.host, told.port)
    node = find_node(case.snapshot, service.node)
    has = () if node is None or not node.addresses else (
        Evidence("kernel", f"addresses of {node.name}", ", ".join(node.addresses[:12])),)
    back = told is not None and node is not None and told.host in node.addresses
    again = start_again_repairs(case, crash) if back else ()
    summary = f"{service.name} cannot listen on {where}: the machine does not have that address"
    if back:
        summary = f"{service.name} ended because the machine did not have the address of {where}; it has it now, but " \
                  "the service was not started again"
    return Finding(
        cause=CAUSE.id, variant="start-bind-address-unavailable", role="root",
        confidence="likely" if back else "certain", summary=summary,
        detail=("nothing listens while it does not run",), routes=crash.routes, service=service.name, node=service.node,
        evidence=tuple(dict.fromkeys((
            said, *(() if told is None else (host_evidence(case, service, told) or told.source,)), *has,
            state_evidence(service), *refused_evidence(case, trouble),
        ))),
        repairs=again or (listen_address_repair(case, service, trouble.endpoint, aim),),
        effects=("run-ends", "nothing-listens"),
    )


def _own_address(snapshot: Snapshot, endpoint: Endpoint, service: Service) -> str:
    """Return the address that nginx uses if it belongs to the machine, else every address of the container."""
    if service.container is not None and not has_host_network(service):
        return ANY_IPV4
    addresses = endpoint.addresses.or_else(())
    node = find_node(snapshot, service.node)
    own = node.addresses if node is not None else ()
    return next((a for a in addresses if a in own or is_loopback(a)), "127.0.0.1")


CAUSE = Cause(
    id="wrong-bind-address",
    title="the backend listens on another address than the one nginx asks for",
    family="running but not listening",
    variants=("bound-other-interface", "bound-ipv6-only", "start-bind-address-unavailable"),
    verdict=judge,
    page=__doc__,
)
