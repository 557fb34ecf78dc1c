"""The choice between several services that are left over for an address, by their names."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress, OwnershipRule, PortOwner
from fixer.analysis.evidence import bindings_of, find_node, listeners_on, pids_of, supervisor_name_of
from fixer.analysis.ownership.configured import boot_entries_at, configured_owner, is_unmanaged_user_process
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_state import state_evidence
from fixer.formats.application_servers import APPLICATION_SERVERS
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import Service

with lazy_imports():  # not needed in most looks
    from fixer.analysis.service_names import (
        count_shared_names,
        has_only_name_of,
        has_unrelated_name,
        has_unrelated_unit_name,
        is_auxiliary_service,
        is_of_other_stage,
    )

SERVERS = frozenset({"node", *(name for name, server in APPLICATION_SERVERS.items()
                               if server.is_program and "http" in server.protocols)})
_MOST_COMPARED = 50      # failing addresses of which each is compared with each: among more no name decides
_SCRIPT_RUNTIMES = frozenset({"python", "binary"})


def best_by_name(case: Case, trouble: FailingAddress, pool: list[Service]) -> tuple[PortOwner, ...]:
    """Return the only service that is left; of several, the one that shares names with the site, else all as equals."""
    if len(pool) == 1:
        return (PortOwner(pool[0], _rule_of(case, trouble, pool[0]), (state_evidence(pool[0]),)),)
    scores = {s.id: count_shared_names(trouble, s) for s in pool}
    best = max(scores.values())
    top = [s for s in pool if scores[s.id] == best]
    if best and len(top) == 1 and not is_unmanaged_user_process(case.snapshot, top[0]) and not is_of_other_stage(
            trouble, top[0]):
        return (PortOwner(top[0], "related", (state_evidence(top[0]),)),)
    equals = _plausible_services(top)
    if len(equals) > 1 and all(has_unrelated_name(trouble, s) for s in equals):
        return ()       # applications of other sites: none of them is as likely as one
    return tuple(
        PortOwner(s, "contested" if is_unmanaged_user_process(case.snapshot, s) else "alone", (state_evidence(s),))
        for s in equals)


def _rule_of(case: Case, trouble: FailingAddress, sole: Service) -> OwnershipRule:
    if (is_unmanaged_user_process(case.snapshot, sole) or is_auxiliary_service(trouble, sole)
            or is_of_other_stage(trouble, sole) or _is_wanted_twice(case, trouble, sole)
            or _is_of_other_site(trouble, sole) or can_lead_elsewhere(case, trouble, sole)
            or boot_entries_at(case, trouble) or _is_named_after_used_one(case, trouble, sole)
            or moved_services(case, trouble, sole)
            or any(facts.route.asked_first for facts in trouble.routes)):       # it guards other pages
        return "contested"
    known = sole.manager != "none" or (sole.boot_entry is not None and sole.boot_entry.is_run_at_boot)
    return "alone" if known else "bare"


def _is_named_after_used_one(case: Case, trouble: FailingAddress, sole: Service) -> bool:
    """Return whether only the site's name speaks for what runs, and another location of the site has a service of that
    name: the one that is meant here may be missing."""
    if not sole.running:
        return False
    servers = {(facts.node, facts.conf, facts.route.server_index) for facts in trouble.routes}
    used = (case.service(name) for name, facts in case.services_in_use.items()
            if (facts.node, facts.conf, facts.route.server_index) in servers)
    return any(other is not None and has_only_name_of(trouble, sole, other) for other in used)


def moved_services(case: Case, trouble: FailingAddress, sole: Service) -> tuple[Service, ...]:
    """Return running services that no route uses, listen only on the other kind of socket (a path, a port), and are
    named after the site as well as this one: the one that is meant may have moved there."""
    by_path = trouble.endpoint.unix is not None
    return tuple(
        other for other in case.snapshot.services
        if other.id != sole.id and other.node == sole.node and other.running and other.is_app_server
        and other.id not in case.services_in_use and bindings_of(other)
        and all((b.unix is not None) is not by_path for b in bindings_of(other))
        and count_shared_names(trouble, other) >= max(1, count_shared_names(trouble, sole)))


def _is_of_other_site(trouble: FailingAddress, service: Service) -> bool:
    """Return whether it is named after something other than the site, and is configured elsewhere or disabled. The
    intended service may be missing."""
    unit = service.unit
    at_rest = unit is not None and not service.running and unit.unit_file_state == "disabled" \
        and unit.active_state != "failed"
    return (at_rest or bool(bindings_of(service))) and (
        has_unrelated_name(trouble, service) or has_unrelated_unit_name(trouble, service))


def _is_wanted_twice(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether another closed address of the node has no service either, and no name decides between them. The
    same port number on another address does decide."""
    return not _has_same_port(case, trouble, service) and any(
        count_shared_names(other, service) >= count_shared_names(trouble, service)
        for other in _other_closed_addresses(case, trouble))


def is_named_after_other_address(case: Case, trouble: FailingAddress, service: Service) -> bool:
    """Return whether the service shares more names with another closed address of the node that has no service."""
    if len(case.failing_addresses) > _MOST_COMPARED:
        return False
    others = list(_other_closed_addresses(case, trouble))
    return bool(others) and not _has_same_port(case, trouble, service) and any(
        count_shared_names(other, service) > count_shared_names(trouble, service) for other in others)


def _has_same_port(case: Case, trouble: FailingAddress, service: Service) -> bool:
    mine = trouble.endpoint
    return mine.unix is None and any(x.port == mine.port and set(service.pids) & set(pids_of(x))
                                     for x in listeners_on(case.snapshot, service.node))


def _other_closed_addresses(case: Case, trouble: FailingAddress) -> Iterator[FailingAddress]:
    mine = trouble.endpoint
    yield from (other for other in case.failing_addresses
                if other.endpoint.node == mine.node and is_closed(other.endpoint) is True
                and (other.endpoint.port, other.endpoint.unix) != (mine.port, mine.unix)
                and configured_owner(case, other.endpoint) is None)


def _plausible_services(top: list[Service]) -> list[Service]:
    """Return running or enabled services if any runs, and only real servers if the others are bare scripts."""
    if any(s.running for s in top):
        top = [s for s in top if s.running or manager_of(s).is_expected()
               or (s.manager != "none" and isinstance(s.bindings, Unknown))]
    servers = [s for s in top if s.runtime in SERVERS]
    scripts = [s for s in top if s.runtime in _SCRIPT_RUNTIMES]
    return servers if servers and len(servers) + len(scripts) == len(top) else top


# Other owners of a closed address than the only application: a gateway, or a supervisor's program.
_FRONT_PORTS = (80, 443)      # a listener on these ports is in front of nginx


def can_lead_elsewhere(case: Case, trouble: FailingAddress, sole: Service) -> bool:
    """Return whether another owner is possible. nginx may be in front of another gateway: a stopped one that should
    run, with an unknown address, or a running one that no route names. Or the missing service is a program of a
    supervisor that was not queried."""
    return (sole.unit is not None and _has_other_supervisor(case, sole.node)) or any(
        _is_unused(case, s) if s.running else isinstance(s.bindings, Unknown) and _is_expected_to_run(s)
        for s in case.snapshot.services if s.gateway and s.node == trouble.endpoint.node
    )


def _has_other_supervisor(case: Case, name: str) -> bool:
    """Return whether another supervisor than systemd, supervisord or Docker runs there: it hides stopped programs."""
    node = find_node(case.snapshot, name)
    if node is None or isinstance(node.processes, Unknown):
        return False
    return any(supervisor_name_of(process) for process in node.processes.value)


def _is_expected_to_run(service: Service) -> bool:
    """Return whether it is enabled, failed, was in use since the boot, or is defined by this machine itself."""
    unit = service.unit
    return manager_of(service).is_expected() or (unit is not None and (
        bool(unit.inactive_enter) or unit.fragment_path.startswith("/etc/")))


def _is_unused(case: Case, gateway: Service) -> bool:
    """Return whether it listens, at no address that a route names, and at no port where visitors enter."""
    node, ours = find_node(case.snapshot, gateway.node), set(gateway.pids)
    if node is None or isinstance(node.listeners, Unknown) or any(
            n.service is not None and n.service.id == gateway.id for n in case.snapshot.nginxes):
        return False
    held = [line for line in node.listeners.value if line.family != "unix" and ours.intersection(pids_of(line))]
    named = {endpoint.port_on_node for endpoint in case.snapshot.endpoints if endpoint.node == gateway.node}
    return bool(held) and not {line.port for line in held} & {*named, *_FRONT_PORTS}


# Supervisors whose programs no file maps to ports (PM2, circusd): the operator asks them which one is intended.


def pm2_circus_notes(case: Case, name: str | None = None) -> Iterator[str]:
    """Yield notes about those that run on that node, or on any."""
    for node in case.snapshot.nodes:
        if name is not None and node.name != name:
            continue
        for process in node.processes.or_else(()):
            if process.argv and process.argv[0].startswith("PM2 v") and "God Daemon" in process.argv[0]:
                yield (f"PM2 manages programs on {node.name} (pid {process.pid}, uid {process.uid}): run pm2 list as "
                       "that user to see which of them it stopped or gave up, and pm2 logs to see why")
            elif supervisor_name_of(process) == "circusd":
                yield (f"circusd manages programs on {node.name} (pid {process.pid}, uid {process.uid}): run circusctl "
                       "status to see which of them it stopped; its configuration shows where their output goes")


def pm2_unit_notes(case: Case, name: str) -> Iterator[str]:
    """Yield notes about stopped units that would restore PM2's programs."""
    for service in case.snapshot.services:
        if service.node == name and not service.running and _is_pm2_resurrect_unit(service):
            off = service.unit is not None and service.unit.unit_file_state == "disabled"
            yield (f"{service.name} restores PM2's programs (pm2 resurrect), and is stopped"
                   f"{' and disabled at boot' if off else ''}: if the backend is one of them, run systemctl "
                   f"{'enable --now' if off else 'start'} {service.name}")


def _is_pm2_resurrect_unit(service: Service) -> bool:
    words = service.unit.exec_start if service.unit is not None else ()
    return "resurrect" in words and any(word.rpartition("/")[2] == "pm2" for word in words)


_PACKAGED_UNIT_FOLDERS = ("/usr/lib/systemd/", "/lib/systemd/")     # podman's own maintenance units


def podman_services(case: Case, node: str) -> Iterator[str]:
    """Yield what starts or runs containers of podman there that are no nodes: units, then containers that were started
    by hand."""
    theirs: set[int] = set()
    seen = {service.container.id for service in case.snapshot.services if service.container is not None}
    for service in case.snapshot.services:
        unit = service.unit
        if service.node == node and unit is not None and unit.exec_start[:1] and (
                unit.exec_start[0].rpartition("/")[2] == "podman"
                and not unit.fragment_path.startswith(_PACKAGED_UNIT_FOLDERS)):
            theirs |= set(service.pids)
            yield f"{service.name} ({unit.active_state})"
    found = find_node(case.snapshot, node)
    for process in found.processes.value if found is not None and isinstance(found.processes, Known) else ():
        words = process.argv
        if process.comm == "conmon" and process.pid not in theirs and not seen.intersection(words):
            yield f"container {words[words.index('-n') + 1] if '-n' in words[:-1] else '?'} (pid {process.pid})"
