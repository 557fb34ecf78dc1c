"""The owner of an address: the configured service, or the only one that is left."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    file_line_text,
    find_node,
    listener_at,
    listener_evidence,
    listeners_on,
    pids_of,
)
from fixer.analysis.ownership.configured import (
    boot_entries_at,
    configured_owner,
    has_other_port_in_code,
    is_managed,
    is_supervised,
    is_unused_instance,
    services_wanted_elsewhere,
    services_with_port_in_code,
)
from fixer.analysis.ownership.container_network import (
    is_sole_network_candidate,
    is_wrong_container_address,
    nodes_in_same_network,
)
from fixer.analysis.ownership.tie_break import best_by_name, is_named_after_other_address
from fixer.analysis.route_verdict import RouteVerdict
from fixer.analysis.service_state import state_evidence
from fixer.formats.application_servers import server_of
from fixer.formats.launchers import CRON_DAEMONS
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Evidence, Unknown
from fixer.model.nginx_config import UnloadedSite
from fixer.model.snapshot import Endpoint, Nginx, Process, Service, Snapshot

with lazy_imports():  # not needed in most looks
    from fixer.analysis.nginx_errors import is_hanging_up
    from fixer.analysis.ownership.intended_container import intended_containers, misnamed_container
    from fixer.analysis.ownership.shared_folder import shared_folder_owners
    from fixer.analysis.service_names import (
        count_shared_names,
        is_named_after_other_site,
        is_named_after_site,
        is_path_named_after_site,
    )


def candidate_owners(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    """Return the owner; several if they are equal, none if no service is known to belong there."""
    known = case.candidate_owner_cache.get(id(trouble))
    if known is None:       # cached: most causes ask
        placed = configured_owner(case, trouble.endpoint)
        found = _owner_of_occupied_port(case, trouble) if placed is not None else ()
        found = found or _misnamed_owner(case, trouble, placed)
        found = found or ((placed,) if placed is not None else (
            _owners_by_code(case, trouble) or _listening_owner(case, trouble) or _left_over_owners(case, trouble)
            or _unused_socket_owners(case, trouble) or _owners_in_other_containers(case, trouble)
            or _same_site_owners(case, trouble)))
        known = case.candidate_owner_cache[id(trouble)] = (trouble, found)
    return known[1]


def _listening_owner(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    """Return the managed service that holds the listener, whatever its program is called, unless it hangs up on nginx:
    no other service is configured there, and root decided that this one runs."""
    holder, held = case.service(trouble.endpoint.listening_service), listener_at(trouble.endpoint)
    if holder is None or held is None or not is_managed(holder) or holder.gateway or is_hanging_up(case, trouble):
        return ()
    return (PortOwner(holder, "placed", (listener_evidence(case.snapshot, held, holder),)),)


def _left_over_owners(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    """Return the unclaimed services; if each is in doubt, the one that shares the folder of nginx's socket before
    them."""
    if is_wrong_container_address(case.snapshot, trouble.endpoint):
        return ()
    found = unclaimed_candidates(case, trouble)
    if found and all(owner.needs_choice for owner in found):
        sharing = shared_folder_owners(case, trouble)
        return sharing if len(sharing) == 1 and not sharing[0].needs_choice else found
    return found


def unclaimed_candidates(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    """Return application servers of the node that no route relies on; several only if they are equal. One whose name
    speaks more for another failing address is left to that, if the site has other applications to choose from."""
    pool = [s for s in _unclaimed_services(case, trouble) if not is_named_after_other_site(case, trouble, s)]
    own = [service for service in pool if not is_named_after_other_address(case, trouble, service)]
    pool = own if own or _same_site_owners(case, trouble) else pool
    # a boot entry starts a server there: else only a service with the site's name can be intended
    if boot_entries_at(case, trouble):
        pool = [s for s in pool if s.running and is_named_after_site(trouble, s)]
    return mark_contested(case, trouble, best_by_name(case, trouble, pool)) if pool else ()


def _owners_by_code(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    """Return the stopped services whose code listens there: the operator chooses one."""
    return tuple(PortOwner(s, "alone", (why,)) for s,
                 why in services_with_port_in_code(case.snapshot, trouble.endpoint))


def _owner_of_occupied_port(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    """Return the stopped owner of the route if nginx uses the port of a foreign program instead."""
    if not is_occupied_by_stranger(case, trouble):
        return ()
    found = unclaimed_candidates(case, trouble)
    return found if len(found) == 1 and not found[0].needs_choice and is_stopped_site_backend(case, trouble,
                                                                                              found[0].service) else ()


def _misnamed_owner(case: Case, trouble: FailingAddress, placed: PortOwner | None) -> tuple[PortOwner, ...]:
    if placed is None or placed.service.container is None:
        return ()
    other = misnamed_container(case, trouble)
    return () if other is None else (other,)


def _owners_in_other_containers(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    if all(service.container is None for service in case.snapshot.services):
        return ()
    return shared_folder_owners(case, trouble) or intended_containers(case, trouble)


def only_owner(case: Case, trouble: FailingAddress) -> PortOwner | None:
    """Return the owner if there is exactly one and the operator need not choose."""
    found = candidate_owners(case, trouble)
    return found[0] if len(found) == 1 and not found[0].needs_choice else None


def is_started_at_boot(case: Case, trouble: FailingAddress) -> bool:
    """Return whether a boot entry or an entry point starts a server at that address, and nothing listens there."""
    return bool(boot_entries_at(case, trouble))


def _is_started_by_cron_or_user(ours: list[Process], every: tuple[Process, ...]) -> bool:
    """Return whether cron or a user's own systemd started it and is still its parent, without a login shell between."""
    pids = {process.pid for process in ours}
    above = {process.ppid for process in ours} - pids
    parents = [p for p in every if p.pid in above and p.argv and (
        (p.uid == 0 and p.comm.lower() in CRON_DAEMONS)
        or (p.comm == "systemd" and p.ppid == 1 and "--user" in p.argv))]
    return bool(above) and len(parents) == len(above)


def _unclaimed_services(case: Case, trouble: FailingAddress) -> list[Service]:
    """Return application servers of the node that no route relies on, and those of its shared network: the running
    ones, else the stopped ones."""
    node, nodes = trouble.endpoint.node, nodes_in_same_network(case, trouble.endpoint.node)
    away = services_wanted_elsewhere(case, trouble)
    free = [
        s for s in case.snapshot.services
        if s.node in nodes and (s.node == node or not _is_port_answered(case, s, nodes))
        and s.is_app_server and _may_speak_grpc(trouble, s)
        and s.id not in case.services_in_use and s.id not in away
        and not (s.unit is not None and s.unit.load_state == "not-found") and not is_unused_instance(case.snapshot, s)
    ]
    mates = [s for s in free if s.node != node]
    if any(s.running for s in mates):
        free = [s for s in free if s.node == node or s.running]
    managed = [s for s in free if (s.manager != "none" or (s.boot_entry is not None and s.boot_entry.is_run_at_boot))
               and _can_be_intended(case, trouble, s)]
    return managed or [s for s in free if s.pids and _is_orphan(case.snapshot, s)] or [
        s for s in free if s.is_hand_started and is_named_after_site(trouble, s)
        and _can_be_intended(case, trouble, s)]


def _is_port_answered(case: Case, service: Service, nodes: Collection[str | None]) -> bool:
    """Return whether a route uses a configured port of the service in that network and something accepts there. The
    kernel does not show which container it is."""
    told = {b.port for b in bindings_of(service) if b.unix is None}
    return any(e.node in nodes and e.unix is None and e.port in told for e in case.listening_endpoints)


def _may_speak_grpc(trouble: FailingAddress, service: Service) -> bool:
    """Return whether the service may speak gRPC, or nginx does not ask for it. What a program of its own kind speaks is
    not known."""
    spoken = server_of(service.runtime).protocols
    return not spoken or "grpc" in spoken or any(facts.route.kind != "grpc_pass" for facts in trouble.routes)


def _can_be_intended(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether the service can be intended. It cannot if it speaks FastCGI and not HTTP, listens on the other
    kind of socket, or was disabled while another application runs."""
    told, unit = bindings_of(service), service.unit
    if has_other_port_in_code(service, trouble.endpoint):
        return False
    if unit is not None and (unit.active_state, unit.sub_state) == ("active", "exited") and not (service.pids or told):
        return False      # it has started what it had to, perhaps nothing; where that would listen is unknown
    if "fastcgi" in server_of(service.runtime).protocols and all(
            facts.route.kind != "fastcgi_pass" for facts in trouble.routes):
        return False
    if told and all((b.unix is None) is not (trouble.endpoint.unix is None) for b in told):
        return False
    program = service.program
    if program is not None and program.missing_include is not None:
        return False      # only its own address speaks for it: it may be a leftover
    if program is not None and program.state == "DOWN" and program.unit is not None and \
            program.unit.unit_file_state == "disabled":
        return False      # supervisord itself is disabled: only a program configured for this address is missing
    if unit is None or service.running or unit.unit_file_state != "disabled" or unit.active_state == "failed":
        return True
    awake = [s for s in case.snapshot.services if s.is_app_server and s.running and s.node == service.node]
    mine = count_shared_names(trouble, service)
    return all(count_shared_names(trouble, s) < mine for s in awake)


def _is_orphan(snapshot: Snapshot, service: Service) -> bool:
    """Return whether it runs in the background as a child of process 1, as after a deployment by hand, or supervised. A
    process of a developer's shell does neither."""
    node = find_node(snapshot, service.node)
    if node is None or isinstance(node.processes, Unknown):
        return False
    ours = [p for p in node.processes.value if p.pid in service.pids]
    tops = [p for p in ours if p.ppid not in service.pids]
    left = all(p.ppid <= 1 for p in tops) or is_supervised(ours, node.processes.value) or (
        _is_started_by_cron_or_user(ours, node.processes.value))
    return bool(tops) and left and all("--reload" not in p.argv for p in tops)


def _unused_socket_owners(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    """Return the service of other addresses, such as uWSGI's emperor, that holds the only socket in the folder of
    nginx's which no route names and which is named after the site."""
    path, node = trouble.endpoint.unix, trouble.endpoint.node
    if path is None or node is None:
        return ()
    used = {endpoint.unix for endpoint in case.snapshot.endpoints if endpoint.node == node}
    lines = [line for line in listeners_on(case.snapshot, node) if line.family == "unix" and line.address not in used
             and posixpath.dirname(line.address) == posixpath.dirname(path)
             and is_path_named_after_site(trouble, posixpath.basename(line.address))]
    holders = [service for service in map(case.service, case.services_in_use) if service is not None and lines
               and service.is_app_server and service.node == node and set(service.pids) & set(pids_of(lines[0]))]
    return (PortOwner(holders[0], "related", (state_evidence(holders[0]),)),) if len(lines) == len(holders) == 1 else ()


def _same_site_owners(case: Case, trouble: FailingAddress) -> tuple[PortOwner, ...]:
    """Return services of other locations of the same server, if nothing is left over. The operator must confirm one.
    None for a group of which another server listens: what is missing is a copy of that one."""
    accepting = {endpoint.id for endpoint in case.listening_endpoints}
    if not accepting or any(name in accepting for facts in trouble.routes for name in facts.endpoints):
        return ()
    servers = {(facts.node, facts.conf, facts.route.server_index) for facts in trouble.routes}
    ours = {facts.route.id for facts in trouble.routes}
    found: dict[str, PortOwner] = {}
    for judged, held in (entry for server in servers for entry in _listening_routes_by_server(case).get(server, ())):
        if judged.facts.route.id in ours:
            continue
        for name in dict.fromkeys(name for e in held for name in (e.configured_service, e.listening_service)):
            service = case.service(name)
            if service is not None and service.is_app_server and service.node == trouble.endpoint.node:
                found.setdefault(service.id,
                                 PortOwner(service, "same-site", judged.evidence or (state_evidence(service),)))
    return tuple(found.values())


def _listening_routes_by_server(case: Case) -> Mapping[tuple[str, str, int], list[tuple[RouteVerdict, list[Endpoint]]]]:
    """Return server -> its routes that have a listener, with their open endpoints."""
    if not case.listening_route_cache:
        accepting = {e.id: e for e in case.listening_endpoints}
        for judged in case.verdicts.values():
            held = [accepting[name] for name in judged.facts.endpoints if name in accepting]
            if held:
                server = judged.facts.node, judged.facts.conf, judged.facts.route.server_index
                case.listening_route_cache.setdefault(server, []).append((judged, held))
    return case.listening_route_cache


# A foreign program at nginx's address while the intended backend is down: nginx uses another program's port.


def is_occupied_by_stranger(case: Case, trouble: FailingAddress) -> bool:
    """Return whether something other than an application listens there, gives no answer, and no service is configured
    there but by a script that somebody runs. nginx does not count: its `stream` block passes connections on. Nor does
    another forwarder (systemd-socket-proxyd, haproxy): it hangs up while its backend is down, and may be what starts
    that backend."""
    endpoint = trouble.endpoint
    holder = case.service(endpoint.listening_service)
    if holder is None or holder.is_app_server or holder.gateway:
        return False
    meant = case.service(endpoint.configured_service)
    if meant is not None and meant.id != holder.id and not meant.is_hand_started:
        return False
    if any(nginx.node == endpoint.node and nginx.master_pid in holder.pids for nginx in case.snapshot.nginxes):
        return False
    return is_hanging_up(case, trouble)


def is_stopped_site_backend(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether it is stopped and the site is named after it, and not after the foreign program."""
    holder = case.service(trouble.endpoint.listening_service)
    return (holder is not None and not service.running and is_named_after_site(trouble, service)
            and not is_named_after_site(trouble, holder))


# Sites that nginx does not load: their running backends belong to no other site.
_NO_NAME = frozenset(("", "_"))


def mark_contested(case: Case, trouble: FailingAddress, found: tuple[PortOwner, ...]) -> tuple[PortOwner, ...]:
    """Mark owners as contested if only a shared network speaks for them, if an unloaded site names their address and is
    another site, or if the look was cut: then another service may be there that was not seen."""
    if case.snapshot.is_cut:
        return tuple(replace(owner, rule="contested") for owner in found)
    found = tuple(replace(o, rule="contested") if is_sole_network_candidate(case, trouble, o.service) else o
                  for o in found)
    if not trouble.nginx.unloaded_sites:
        return found
    made = []
    for owner in found:
        left = _unloaded_other_site(trouble, owner.service)
        made.append(owner if left is None else replace(
            owner, rule="contested", evidence=(_unloaded_site_evidence(case, trouble.nginx, left), *owner.evidence)))
    return tuple(made)


def _unloaded_other_site(trouble: FailingAddress, service: Service) -> UnloadedSite | None:
    ours = _site_names(tuple(name for facts in trouble.routes for name in facts.route.server_names))
    told = service.bindings.or_else(())
    places = {(b.unix, 0 if b.unix else b.port) for b in told}
    here = [left for left in trouble.nginx.unloaded_sites if (left.unix, 0 if left.unix else left.port) in places]
    if any(_site_names(left.names) & ours or _site_names(left.names) == ours for left in here):
        return None       # a copy of this very site: its address is reused on purpose
    return here[0] if here else None


def _site_names(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names) - _NO_NAME


def _unloaded_site_evidence(case: Case, nginx: Nginx, left: UnloadedSite) -> Evidence:
    where = file_line_text(case.snapshot, nginx.node, left.file, left.line)
    return Evidence("nginx-config", where, f"not loaded: {unloaded_site_text(left)}")


def unloaded_site_text(left: UnloadedSite) -> str:
    """Return which names an unloaded site passes to which address."""
    names = " ".join(left.names) or "the default server"
    return f"it would pass {names} to {address_text(left.host, left.port, left.unix)}"
