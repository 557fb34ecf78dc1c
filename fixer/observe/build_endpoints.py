"""The endpoints of a snapshot: for each address that nginx names, who listens there and what it answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.nginx_config import UpstreamServer
from fixer.model.query import Probe
from fixer.model.snapshot import AddressCandidate, Container, Endpoint, Listener, Nginx, Service
from fixer.observe.look import Look
from fixer.observe.nginx.endpoints import (
    answer_of,
    connect_result,
    container_at,
    container_by_alias,
    listener_at,
    listener_evidence,
    node_at_addresses,
    probe_result,
    with_services,
)
from fixer.observe.nginx.nginx_masters import change_times
from fixer.observe.nginx.probe_follow_ups import proxy_header_result, swapped_tls_result, tls_name_results
from fixer.observe.nginx.probes import ProbePlan
from fixer.observe.nginx.sites import Address, Site
from fixer.observe.view.node_view import ENGINE, View, container_of, node_of

with lazy_imports():
    from fixer.observe.docker.published_ports import PublishedPort, find_published_port  # only needed with containers
    from fixer.observe.docker.shared_resources import container_sharing_network, service_of_shared_socket, with_callers
    from fixer.observe.nginx.unlisted_containers import unlisted_containers_of  # only needed with containers


def build_endpoints(site: Site, plan: ProbePlan, look: Look) -> Iterator[Endpoint]:
    """Yield an endpoint for each written address; equal addresses are built once."""
    same: dict[tuple[object, ...], Endpoint] = {}
    for address in site.addresses:
        server, probe = address.server, plan.by_address.get(address.id)
        key = (server.written, server.host, server.port, server.unix, server.variable, id(address.resolved), id(probe),
               address.replica_ip, address.missing_replica)
        if key not in same:
            same[key] = _build_endpoint(address, probe, site, look)
        yield replace(
            same[key], id=address.id, file=server.span.file, line=server.span.line, start=server.span.start,
            end=server.span.end, down=server.down, backup=server.backup,
            tls_names=tls_name_results(address, site, plan),
        )


# Seconds within which a file and a worker cannot be ordered: an edit right before its own reload is normal.
_CLOCK_GRAIN = 0.5


def with_loaded_marks(endpoints: Iterable[Endpoint], site: Site, nginx: Nginx) -> Iterator[Endpoint]:
    """Yield the endpoints as the running nginx takes them: a mark `down` that it has not loaded leaves no server out.
    It has not if the file changed after the load, and nginx has logged a request to that server since."""
    for endpoint in endpoints:
        loaded = not endpoint.down or _has_loaded(endpoint.file, site, nginx) or not _is_asked(endpoint, site, nginx)
        yield endpoint if loaded else replace(endpoint, down=False)


def _has_loaded(path: str, site: Site, nginx: Nginx) -> bool:
    return isinstance(nginx.loaded_at, Unknown) or all(
        at <= nginx.loaded_at.value + _CLOCK_GRAIN for at in change_times(site.view.conf_files.get(path)))


def _is_asked(endpoint: Endpoint, site: Site, nginx: Nginx) -> bool:
    """Return whether a line since the load names the address. The files' name of an unresolved one says the port only:
    then no other server may have that port."""
    hosts = {endpoint.host, *endpoint.addresses.or_else(())}
    if endpoint.unix is None and not endpoint.addresses.or_else(()) and all(
            at.server.host == endpoint.host for at in site.addresses if at.server.port == endpoint.port):
        hosts.clear()
    since = nginx.loaded_at.or_else(0.0)
    return any(event.at > since and event.upstream and _names(event.upstream, endpoint, hosts)
               for event in nginx.errors.or_else(()))


def _names(upstream: str, endpoint: Endpoint, hosts: Collection[str]) -> bool:
    """Return whether `http://HOST:PORT/PATH` or `http://unix:SOCKET:/PATH` is that address; without hosts any of the
    port is."""
    place = upstream.partition("://")[2]
    if endpoint.unix is not None:
        return place.startswith(f"unix:{endpoint.unix}:")
    host, _, port = place.partition("/")[0].rpartition(":")
    return port == str(endpoint.port) and (not hosts or host.strip("[]") in hosts)


def _build_endpoint(address: Address, probe: Probe | None, site: Site, look: Look) -> Endpoint:
    services, views, containers = look.services, look.views, look.containers
    own = container_of(site.view.name, containers)
    server = address.server
    behind = find_published_port(server, address.ips, site.view, views, containers) if containers else None
    container = container_at(server, address.ips, containers, own) if behind is None else behind.container
    container = container or container_by_alias(server, services, own)
    if address.missing_replica:
        container = next((box for box in containers if box.id == address.missing_replica), container)
    node = _node_of_address(address, site, views, containers) if behind is None else node_of(behind.container, views)
    if container is not None and len(container.addresses.intersection(address.ips)) < len(address.ips):
        node = _prefer_container_node(address, container, node, views)
    within = container_sharing_network(container, server.port if behind is None else behind.port,
                                       services) if container else None
    if within is not None:
        container, node = within, node_of(within, views)
    answered = probe_result(site.view.node.answers.get(probe)) if probe is not None else Unknown("not asked")
    is_get = probe is not None and probe.path is not None
    tcp = connect_result(answered) if is_get else answered
    view = views.get(node) if node else None
    held = listener_at(address.ips, server, view, tcp)
    if behind is not None:
        held = _listener_inside(behind, server, view)
    shared = _shared_socket(server, own, site.view, (services, views))
    if shared is not None:
        theirs, path = shared
        container, node = theirs.container, theirs.node
        held = _with_local_callers(listener_at((), replace(server, unix=path), views.get(node), tcp), site.view)
    made = Endpoint(
        id=address.id, written=server.written, host=server.host, port=server.port, unix=server.unix,
        addresses=address.resolved, single_address=address.replica_ip, node=node, file=server.span.file,
        line=server.span.line,
        start=server.span.start, end=server.span.end,
        listener=held, tcp=tcp, container_port=behind.port if behind is not None else 0,
        http=answer_of(probe, answered),
        down=server.down, backup=server.backup, path=probe.path if probe is not None and probe.path else "/",
        protocol="uwsgi" if probe is not None and probe.uwsgi else "http",
        other_scheme_probe=swapped_tls_result(probe, site.view),
        proxy_header_probe=proxy_header_result(probe, site.view),
    )
    return with_services(made, services, container)


def _shared_socket(server: UpstreamServer, own: Container | None, view: View,
            around: tuple[tuple[Service, ...], Mapping[str, View]]) -> tuple[Service, str] | None:
    services, views = around
    beside = view.is_target_machine and ENGINE in views if own is None else not own.is_machine
    if server.unix is None or not beside:
        return None
    return service_of_shared_socket(server.unix, own, view, services)


def _with_local_callers(held: Fact[Listener | None], view: View) -> Fact[Listener | None]:
    if isinstance(held, Unknown) or held.value is None or held.value.node == view.name:
        return held
    found = with_callers(held.value, view)
    return Known(found, listener_evidence(found, found.address))


def _listener_inside(behind: PublishedPort, server: UpstreamServer, view: View | None) -> Fact[Listener | None]:
    """Return the listener at the container address that Docker forwards connections to."""
    addresses = tuple(ip for _, ip, _ in behind.container.networks if ip)
    if not addresses:
        return Unknown(f"container {behind.container.name} has no address")
    return listener_at(addresses, replace(server, port=behind.port), view, Unknown("not probed there"))


def _node_of_address(address: Address, site: Site, views: Mapping[str, View],
                     containers: tuple[Container, ...]) -> str | None:
    if address.server.unix is not None:
        return site.view.name
    return node_at_addresses(address.ips, site.view, views, containers)


def _prefer_container_node(address: Address, container: Container, node: str | None,
                           views: Mapping[str, View]) -> str | None:
    """Return the node of the container that the name belongs to, if the name leads to several nodes."""
    return node_of(container, views) if container.addresses.intersection(address.ips) else node


def address_candidates(look: Look) -> tuple[AddressCandidate, ...]:
    """Return the containers without a project that may be meant by an address of nginx."""
    if not look.containers:
        return ()
    return unlisted_containers_of(look.sites, look.options, look.views, look.containers)
