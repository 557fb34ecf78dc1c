"""The service that configuration or topology assigns to an address: configured to listen there, or named by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import address_text, bindings_of, find_node, listener_at, listeners_on, pids_of
from fixer.analysis.ownership.container_network import (
    configured_in_shared_network,
    configured_on_host_network,
    is_only_by_elimination,
    is_wrong_container_address,
    nodes_in_same_network,
)
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import state_evidence
from fixer.formats.addresses import DOCKER_RESOLVER
from fixer.lazy.dataclass import replace
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import Finding, Need
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import Binding, Endpoint, Process, Service, Snapshot

_SUPERVISORS = frozenset({"runsv", "s6-supervise", "supervise"})


def configured_owner(case: Case, endpoint: Endpoint) -> PortOwner | None:
    """Return the service that configuration or topology assigns to an address; any user's process has no claim."""
    known = case.configured_owner_cache.get(id(endpoint))
    if known is None:       # kept with the endpoint, so that its id is not reused
        known = case.configured_owner_cache[id(endpoint)] = (endpoint, _find_configured_owner(case, endpoint))
    return known[1]


def holding_service(case: Case, endpoint: Endpoint) -> Service | None:
    """Return the service that holds the socket. If no process is seen to hold it, or it accepted a connection after the
    sockets were read, that is the configured one, which may run in a container that shares the network."""
    held = listener_at(endpoint)
    is_new = held is None and isinstance(endpoint.listener, Known) and is_closed(endpoint) is False
    if endpoint.listening_service is None and (is_new or (held is not None and not pids_of(held))):
        owner = configured_owner(case, endpoint)
        return case.service(endpoint.configured_service) or (None if owner is None else owner.service)
    return case.service(endpoint.listening_service)


def endpoints_of(case: Case, service: Service) -> tuple[Endpoint, ...]:
    """Return the endpoints that lead to a service: nginx's files may write its address in several places, and it may
    run in a container that shares the network."""
    led = case.service_endpoint_cache
    if not led:
        for endpoint in case.snapshot.endpoints:
            names = {endpoint.configured_service, endpoint.listening_service}
            if endpoint.configured_service is None and (found := holding_service(case, endpoint)) is not None:
                names.add(found.id)
            for name in filter(None, names):
                led.setdefault(name, []).append(endpoint)
    return tuple(led.get(service.id, ()))


def _find_configured_owner(case: Case, endpoint: Endpoint) -> PortOwner | None:
    service = case.service(endpoint.configured_service)
    if is_wrong_container_address(case.snapshot, endpoint) or is_only_by_elimination(case, endpoint, service):
        return None
    if service is not None and (is_unused_instance(case.snapshot, service) or (
            service.id != endpoint.listening_service and is_unmanaged_user_process(case.snapshot, service))):
        service = None
    if service is not None and (service.is_app_server or service.id != endpoint.listening_service
                                or is_configured_at(service, endpoint)):
        return PortOwner(service, "placed", endpoint.service_evidence or (state_evidence(service),))
    nodes = nodes_in_same_network(case, endpoint.node)
    told = [s for s in case.snapshot.services
            if s.node in nodes and is_configured_at(s, endpoint) and not is_unmanaged_user_process(case.snapshot, s)
            and not is_unused_instance(case.snapshot, s)]
    told = told or configured_on_host_network(case.snapshot, endpoint) or configured_in_shared_network(case.snapshot,
                                                                                                       endpoint)
    if told:
        best = _best_configured(told)
        return PortOwner(best, "placed", binding_evidence(best, endpoint) or (state_evidence(best),))
    named = _container_named(case.snapshot, endpoint)
    if named is not None:
        return PortOwner(named, "placed", (state_evidence(named),))
    coded = services_with_port_in_code(case.snapshot, endpoint)
    return PortOwner(coded[0][0], "placed", (coded[0][1],)) if len(coded) == 1 else None


def _best_configured(told: list[Service]) -> Service:
    """Return the best of several services with one port: application servers, then managed, then running or enabled."""
    def rank(service: Service) -> tuple[bool, bool, bool]:
        enabled = service.unit is None or service.unit.unit_file_state not in ("disabled", "masked")
        return not service.is_app_server, service.manager == "none", not (service.running or enabled)
    return min(told, key=rank)


def is_unused_instance(snapshot: Snapshot, service: Service) -> bool:
    """Return whether the template instance for the port was never used. It is disabled and has no log, while another
    instance runs whose port no route names. Then nginx's number is more likely wrong than that instance missing."""
    unit = service.unit
    template, at, _ = (unit.name if unit is not None else "").partition("@")
    if unit is None or not at or service.running or unit.unit_file_state != "disabled" or unit.active_enter or \
            unit.active_state != "inactive" or isinstance(service.log, Unknown) or service.log.value:
        return False
    return any(
        other.unit is not None and other.unit.name.startswith(f"{template}@") and other.running
        and other.node == service.node and other.is_app_server and bindings_of(other)
        and not any(is_configured_at(other, endpoint) for endpoint in snapshot.endpoints)
        for other in snapshot.services
    )


def is_managed(service: Service) -> bool:
    """Return whether a service manager runs it, or it is a container: a user's own process is neither."""
    return service.manager != "none" or service.unit is not None or service.container is not None


def is_unmanaged_user_process(snapshot: Snapshot, service: Service) -> bool:
    """Return whether it is a user's process without a manager: that user chooses its command line, name and folder. Of
    one that a boot entry or start script of root starts, root chose them."""
    if is_managed(service) or service.boot_entry is not None or not service.pids:
        return False
    node = find_node(snapshot, service.node)
    if node is None or node.kind != "machine" or isinstance(node.processes, Unknown):
        return False
    ours = [process for process in node.processes.value if process.pid in service.pids]
    return any(process.uid != 0 for process in ours) and not is_supervised(ours, node.processes.value)


def is_supervised(ours: list[Process], every: tuple[Process, ...]) -> bool:
    """Return whether a supervisor of root started it: runit, s6, daemontools."""
    pids = {process.pid for process in ours}
    parents = {process.ppid for process in ours} - pids
    watchers = [p for p in every if p.pid in parents and p.uid == 0 and p.argv
                and p.argv[0].rpartition("/")[2] in _SUPERVISORS]
    return bool(parents) and len(watchers) == len(parents)


def is_configured_at(service: Service, endpoint: Endpoint) -> bool:
    """Return whether it is configured to listen at this port (or socket path)."""
    return bool(binding_evidence(service, endpoint)) or _has_published_port(service, endpoint)


def binding_evidence(service: Service, endpoint: Endpoint) -> tuple[Evidence, ...]:
    """Return the lines that configure it to listen at this port (or socket path)."""
    return tuple(b.source for b in bindings_of(service) if _is_binding_of(b, endpoint))


def _is_binding_of(binding: Binding, endpoint: Endpoint) -> bool:
    if endpoint.unix is not None or binding.unix is not None:
        return binding.unix == endpoint.unix
    return binding.port == endpoint.port_on_node


def _has_published_port(service: Service, endpoint: Endpoint) -> bool:
    return service.container is not None and any(port == endpoint.port for _, port, _ in service.container.published)


def _container_named(snapshot: Snapshot, endpoint: Endpoint) -> Service | None:
    """Return the container that a name or an address leads to; a stopped container's name no longer resolves."""
    addresses = endpoint.addresses.or_else(())
    for service in snapshot.services:
        box = service.container
        if box is None:
            continue
        aliases = {name for _, _, names in box.networks for name in names}
        known = {box.name, *([box.service] if box.service else []), *aliases}
        if endpoint.host in known | box.addresses or box.addresses.intersection(addresses):
            return service
    return None


def services_wanted_elsewhere(case: Case, trouble: FailingAddress) -> set[str]:
    """Return the ids of services that belong at another address than this one."""
    mine = id(trouble.endpoint)
    return {name for name, places in _wanted_addresses(case).items() if len(places) > (mine in places)}


def _wanted_addresses(case: Case) -> Mapping[str, set[int]]:
    """Return service id -> the addresses that it is wanted at. It belongs at a failing address, or at one that accepts
    connections."""
    if not case.wanted_address_cache:
        for other in case.failing_addresses:
            owner = configured_owner(case, other.endpoint)
            if owner is not None:
                case.wanted_address_cache.setdefault(owner.service.id, set()).add(id(other.endpoint))
        for endpoint in case.listening_endpoints:
            for name in (endpoint.configured_service, endpoint.listening_service):
                if name is not None:
                    case.wanted_address_cache.setdefault(name, set()).add(0)       # 0: not a failing address
        for endpoint in _bypassed_endpoints(case):
            owner = configured_owner(case, endpoint)
            if owner is not None:
                case.wanted_address_cache.setdefault(owner.service.id, set()).add(0)
        case.wanted_address_cache.setdefault("", set())       # computed, even if nothing is wanted
    return case.wanted_address_cache


def _bypassed_endpoints(case: Case) -> Iterator[Endpoint]:
    """Yield the closed addresses of routes that answer without them (a maintenance page). A service that is configured
    there belongs there all the same."""
    named = {endpoint.id for trouble in case.failing_addresses for endpoint in trouble.endpoints}
    for endpoint in case.snapshot.endpoints:
        if endpoint.configured_service is not None and endpoint.id not in named and is_closed(endpoint) is True:
            yield endpoint


# Stopped units whose listen address only their own code shows.
BACKEND_KEY = "backend"
MAX_CANDIDATES = 6


def services_with_port_in_code(snapshot: Snapshot, endpoint: Endpoint) -> tuple[tuple[Service, Evidence], ...]:
    """Return the units of the node whose code listens at that port, each with the line; no masked ones, no jobs."""
    if endpoint.unix is not None or not endpoint.port_on_node:
        return ()
    lines = ((s, b) for s in snapshot.services if s.node == endpoint.node and s.code_bindings for b in s.code_bindings)
    return tuple((service, binding.source) for service, binding in lines if binding.port == endpoint.port_on_node)


def has_other_port_in_code(service: Service, endpoint: Endpoint) -> bool:
    """Return whether it is disabled and its code has another port: it is not the missing service."""
    unit = service.unit
    return bool(service.code_bindings) and unit is not None and unit.unit_file_state == "disabled" and (
        unit.active_state != "failed") and not _has_port_in_code(service, endpoint)


def _has_port_in_code(service: Service, endpoint: Endpoint) -> bool:
    return endpoint.unix is None and any(b.port == endpoint.port_on_node for b in service.code_bindings)


def code_choice_finding(
    case: Case, endpoint: Endpoint, owners: Sequence[PortOwner], findings: Sequence[Finding],
) -> Finding | None:
    """Return the findings about all owners as one question, if they are equal by their code; else None."""
    if not all(_has_port_in_code(owner.service, endpoint) for owner in owners):
        return None
    names = tuple(owner.service.name for owner in owners[:MAX_CANDIDATES])
    given = case.inputs.get(BACKEND_KEY)
    found = findings[names.index(given) if given in names else 0]
    both = " and ".join(names)
    why = f"the code of {both} listens there, and none of them runs: choose the intended one"
    need = Need(BACKEND_KEY, "choice", why, names)
    first, lines = found.repairs[0], [owner.evidence[0] for owner in owners[:MAX_CANDIDATES]]
    if given not in names:
        first = replace(first, summary=f"start {' or '.join(names)}", steps=())
    return replace(
        found, confidence="possible", repairs=(replace(first, needs=(need,)),),
        summary=found.summary if given in names else (
            f"{both} are stopped; the code of each listens where nginx connects"),
        evidence=tuple(dict.fromkeys((*found.evidence[:1], *lines, *found.evidence[1:]))),
    )


# Start entries besides the service managers: cron, rc.local, runit and the like, a container's own script.


def boot_entries_at(case: Case, trouble: FailingAddress) -> tuple[BootEntry, ...]:
    """Return what would start a server at that address, if nothing listens there; else a script that somebody runs."""
    endpoint = trouble.endpoint
    if is_closed(endpoint) is not True or endpoint.container_port:
        return ()
    found = tuple(s for s in case.snapshot.boot_entries if s.node == endpoint.node and (
        s.unix == endpoint.unix if endpoint.unix is not None or s.unix is not None else s.port == endpoint.port))
    return found or tuple(s.boot_entry for s in case.snapshot.services if s.is_hand_started and s.boot_entry is not None
                          and s.node == endpoint.node and is_configured_at(s, endpoint))


def unseen_socket_text(case: Case, service: Service) -> str:
    """Return a listener of unknown owner (no SYS_PTRACE, not root) that is not configured for nginx or another service.
    It may be this service's, on another port."""
    snapshot = case.snapshot
    configured = {b.port for other in snapshot.services if other.node == service.node and other.id != service.id
                  for b in bindings_of(other)}
    configured |= {listen.port for facts in snapshot.routes for listen in facts.route.listens}
    return next((address_text(line.address, line.port) for line in listeners_on(snapshot, service.node)
                 if line.family != "unix" and not pids_of(line) and line.port not in configured
                 and line.address != DOCKER_RESOLVER), "")
