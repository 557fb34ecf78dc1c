"""What fixer asks where packets of nginx do not arrive: packet filters, routes, neighbours, security policies."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.docker_conventions import is_docker_host
from fixer.model.facts import Known
from fixer.model.query import Query
from fixer.nginx.error_kinds import CONNECT_FAILED, READ_TIMEOUT
from fixer.observe.kernel.network_tables import ARP, FIB, LOCAL_PORTS, LOOPBACK
from fixer.observe.kernel.packet_filters import BRIDGE_FILTERING, firewall_queries
from fixer.observe.kernel.security_modules import policy_queries
from fixer.observe.look import Look
from fixer.observe.nginx.endpoints import node_at_addresses, probe_result
from fixer.observe.nginx.probes import is_socket_denied, recent_failures
from fixer.observe.nginx.sites import Address, Site, places_of
from fixer.observe.view.node_view import ENGINE

_BLOCKED_ERRORS = frozenset({"slow", "refused", "unreachable", "permission", "Invalid argument"})
_BLOCKED_KINDS = (CONNECT_FAILED | READ_TIMEOUT) - {
    "local-address-exhausted", "socket-missing", "backlog-full", "connect-reset", "connect-failed",
}


def packet_queries(look: Look) -> Iterator[tuple[str, Query]]:
    """Yield what decides on packets of a site that may be blocked, where they pass: on its node, in the containers that
    its addresses lead to, and on the engine's machine."""
    for site in look.sites:
        blocked = _is_blocked(site, look)
        if any(event.kind == "local-address-exhausted" for event in recent_failures(site)[-20:]):
            yield site.view.name, LOCAL_PORTS
        if blocked or is_socket_denied(site) or _has_failed_unit(site, look):
            yield from ((site.view.name, q) for q in policy_queries(worker.pid for worker in site.nginx.workers))
        if blocked:
            yield from ((site.view.name, query) for query in (*firewall_queries(), FIB, ARP, LOOPBACK))
            yield from ((node, query) for node in _containers_led_to(site, look) for query in firewall_queries())
            if ENGINE in look.views:
                yield from ((ENGINE, query) for query in (*firewall_queries(), BRIDGE_FILTERING))


def _has_failed_unit(site: Site, look: Look) -> bool:
    """Return whether nginx's own unit failed to start: a policy of the kernel may be the reason."""
    units = (service.unit for service in look.services if service.node == site.view.name and service.unit is not None)
    return site.nginx.master is None and any(
        unit.active_state == "failed" and site.nginx.binary in unit.exec_start[:1] for unit in units)


def _is_blocked(site: Site, look: Look) -> bool:
    """Return whether packets to an address may be blocked: it fails, and not because nothing listens. Which programs of
    the Docker host listen is unknown if nginx is in a container: there a refusal may come from a filter, too."""
    plan = look.plan(site)
    for address, probe in plan.asked_places(site.addresses):
        heard = site.view.node.answers.get(probe) if address.server.unix is None and address.ips else None
        result = probe_result(heard)
        if isinstance(result, Known) and result.value.error in _BLOCKED_ERRORS and (
                result.value.error != "refused" or _has_listener(address, site, look)
                or (ENGINE in look.views and is_docker_host(address.server.host, address.ips, look.containers))):
            return True
    logged = any(event.kind in _BLOCKED_KINDS for event in recent_failures(site)[-20:])
    places = [a for a in places_of(site) if a.server.unix is None and a.ips] if logged else []
    return bool(places) and all(_has_listener(a, site, look) for a in places)


def _containers_led_to(site: Site, look: Look) -> tuple[str, ...]:
    """Return the containers that its addresses lead to: packets also pass their network's filter."""
    led = (node_at_addresses(address.ips, site.view, look.views, look.containers)
           for address in places_of(site) if address.ips)
    asked = {name for name, view in look.views.items() if view.node.kind == "container"}   # no stopped ones
    return tuple(dict.fromkeys(name for name in led if name in asked and name != site.view.name))


def _has_listener(address: Address, site: Site, look: Look) -> bool:
    """Return whether something listens on the port of an address on its node; False if the node was not observed."""
    view = look.views.get(node_at_addresses(address.ips, site.view, look.views, look.containers) or "")
    return view is not None and isinstance(view.listeners, Known) and any(
        x.port == address.server.port for x in view.listeners.value)
