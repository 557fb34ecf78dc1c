"""What fixer asks where nginx leads to a port or a socket without a listener: who could listen there."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.systemctl_show import packaged_unit_path, startable_services
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Known
from fixer.model.query import Command, Probe, Query, ReadFile
from fixer.model.service import Service
from fixer.model.snapshot import HANG_UPS, ProbeResult
from fixer.nginx.error_kinds import RACE_KINDS
from fixer.observe.boot.boot_entries import START_SCRIPTS, boot_entry_queries
from fixer.observe.commands.python_programs import (
    code_queries,
    has_service_for_each_port,
    has_service_for_each_socket,
)
from fixer.observe.files.log_files import unmanaged_log_queries
from fixer.observe.look import Look
from fixer.observe.nginx.endpoints import connect_result, listener_at, probe_result
from fixer.observe.nginx.other_proxies import gateway_queries
from fixer.observe.nginx.probes import recent_failures
from fixer.observe.nginx.sites import Site, places_of
from fixer.observe.nginx.unloaded_sites import ports_without_listener, sockets_without_listener
from fixer.observe.supervisord.supervisord_config import USUAL_FILES, find_supervisords
from fixer.observe.unit_queries import MOST_UNLOADED, SERVICE_FILE_LIMIT
from fixer.observe.view.node_view import View, container_of, known_pids

with lazy_imports():
    from fixer.observe.systemd.template_instances import instance_queries


SYSTEMD_UNITS = ("systemd-", "getty", "console-getty", "container-getty", "serial-getty")   # often masked, never an app


def missing_listener_queries(look: Look) -> Iterator[tuple[str, Query]]:
    """Yield what is asked of nodes whose nginx leads to a port or a socket without a listener."""
    for site in look.sites:
        yield from ((site.view.name, query) for query in _queries_of_node(site, look))


def _queries_of_node(site: Site, look: Look) -> Iterator[Query]:
    """Yield queries for stopped packaged units that systemd has unloaded: nginx's own and applications'.

    The list of all units is long, so it is queried only if no known service can be the application.
    """
    view = site.view
    serves = any(s.is_app_server and s.node == view.name for s in _known_services(look))
    if _is_hung_up_on(site, look):       # a server that a boot entry or somebody starts may want that port
        yield from boot_entry_queries(view, container_of(view.name, look.containers))
        if not serves or _names_every_server(site, look):
            yield from _hand_started_queries(view)
    if view.init != "systemd":
        if ports_without_listener(site) or sockets_without_listener(site):
            yield from (USUAL_FILES for _ in find_supervisords(view)[:1])
            yield from boot_entry_queries(view, container_of(view.name, look.containers))
            yield from _hand_started_queries(view)
        return
    if "nginx.service" not in view.units and site.nginx.master is None:
        yield Command("systemctl-show", ("nginx.service",))
    empty, unheard = ports_without_listener(site), sockets_without_listener(site)
    if not empty and not unheard:
        return
    yield from gateway_queries(view)
    yield from (USUAL_FILES for _ in find_supervisords(view)[:1])
    yield from boot_entry_queries(view)
    known = _known_services(look)
    if any(path.endswith("@.service") for path in view.files):
        # a unit that names the port is meant, not an instance that perhaps never was
        free = [port for port in empty if not has_service_for_each_port((port,), known, view)]
        yield from instance_queries(view, free, unheard, is_served=serves)
    masked = sorted(u.name for u in dict.fromkeys(view.units.values()) if u.load_state == "masked")
    names = [n for n in masked if n.endswith(".service") and not n.startswith(SYSTEMD_UNITS)][:MOST_UNLOADED]
    yield from (ReadFile(packaged_unit_path(name), SERVICE_FILE_LIMIT) for name in names)
    has_service = has_service_for_each_port(empty, known, view)
    if not serves or (_names_every_server(site, look) and not (
            has_service and has_service_for_each_socket(unheard, known, view))):
        yield from _hand_started_queries(view)
    if serves and has_service:
        return
    listing = Command("systemctl-units")
    yield listing
    listed = startable_services(view.node.answers.get(listing))
    unknown = tuple(n for n in listed if n not in view.units and not n.startswith("systemd-"))
    if unknown:
        yield Command("systemctl-show", unknown[:MOST_UNLOADED])
    yield from code_queries(view)


def _known_services(look: Look) -> tuple[Service, ...]:
    """Return the services but those of which only a script is known: they end no search for another one."""
    return tuple(service for service in look.services if not service.is_hand_started)


def _hand_started_queries(view: View) -> Iterator[Query]:
    """Yield the queries for what somebody starts by hand: logs, and on a machine the scripts that start a server."""
    yield from unmanaged_log_queries(view)
    if view.node.kind == "machine":
        yield START_SCRIPTS


def _names_every_server(site: Site, look: Look) -> bool:
    """Return whether nginx names an address of each application server of the node: none of them is left for an address
    without a service."""
    named = {at.server.unix or at.server.port for at in places_of(site)}
    return all(any((b.unix or b.port) in named for b in s.bindings.or_else(()))
               for s in _known_services(look) if s.is_app_server and s.node == site.view.name)


def _is_hung_up_on(site: Site, look: Look) -> bool:
    """Return whether something accepts a connection at an address of nginx and ends it without an answer, and it is no
    application server."""
    answers, plan, view = site.view.node.answers, look.plan(site).by_address, site.view
    servers = {pid for s in look.services if s.is_app_server and s.node == view.name for pid in s.pids}
    well: set[int] = set()       # thousands of addresses can share one probe
    for address in site.addresses:
        probe = plan.get(address.id)
        if probe is None or id(probe) in well:
            continue
        heard = probe_result(answers[probe]) if probe in answers else None
        if not isinstance(heard, Known) or not _hung_up(heard.value, probe, site):
            well.add(id(probe))
        else:
            held = listener_at(address.ips, address.server, view, connect_result(heard)).or_else(None)
            if held is None or servers.isdisjoint(known_pids(held.pids)):
                return True
    return False


def _hung_up(heard: ProbeResult, probe: Probe, site: Site) -> bool:
    """Return whether the address accepted the connection and ended it without an answer. What was only connected to
    was not asked: there nginx's own lines say it."""
    if heard.error is not None or heard.status is not None:
        return heard.error in HANG_UPS and heard.phase != "connect"
    place = f"unix:{probe.unix}:" if probe.unix is not None else f":{probe.port}/"
    return any(event.kind in RACE_KINDS and place in f"{event.upstream}/" for event in recent_failures(site))
