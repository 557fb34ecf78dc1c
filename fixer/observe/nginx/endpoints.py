"""Endpoints: where each address of a route leads, its listener, its configured service, and its probe result."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from fixer.formats.addresses import (
    ANY_IPV4,
    ANY_IPV6,
    is_loopback,
    is_own_host,
    is_wildcard,
    normalize_address,
    reached_at,
)
from fixer.formats.docker_conventions import path_on_engine
from fixer.formats.name_files import hosts_line_of
from fixer.lazy.dataclass import replace
from fixer.lazy.parse_cache import parse_once
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.nginx_config import Route, UpstreamServer
from fixer.model.query import Answer, Command, Probe
from fixer.model.snapshot import Binding, Container, Endpoint, Listener, ProbeResult, Service
from fixer.nginx.listen import host_header
from fixer.observe.view.node_view import View, container_of, known_pids, node_of, target_machine

_IP = regex(r"^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F.]*:[0-9a-fA-F:.]*)$")
_ERROR_NAMES = {"timeout": "slow"}
_REDIRECT_STATUSES = (301, 302, 303, 307, 308)
_LOCATION_HEADER = regex(r"(?im)^location:[ \t]*(.*?)\r?$")
_SERVER_HEADER = regex(r"^server:[ \t]*(.*?)\r?$", re.MULTILINE | re.IGNORECASE)
_NOT_ASKED = Unknown("not asked")
_FIRST_BYTES = 24
_BAD_REQUEST = 400
MOST_REPLICAS = 8       # addresses of one name that are each probed


def resolve(server: UpstreamServer, view: View, containers: tuple[Container, ...]) -> Fact[tuple[str, ...]]:
    """Return an upstream server's addresses as its nginx would get them; Known(()) if the name does not resolve."""
    if server.variable and not server.host:
        return Unknown(f"the address is in the variable ${server.variable.lstrip('$')}")
    if server.unix is not None:
        return Known(())
    host = server.host.strip("[]")
    if _IP.match(host):
        return Known((normalize_address(host),))
    if host in view.resolved:
        return Known(view.resolved[host], (Evidence("file", "resolver", f"{host}: {' '.join(view.resolved[host])}"),))
    if host.lower() in view.hosts:
        found = view.hosts[host.lower()]
        line = hosts_line_of(view.data("/etc/hosts") or b"", host)
        return Known(found, (Evidence("file", f"/etc/hosts:{line}", f"{' '.join(found)} {host}"),))
    named = tuple(_alias_addresses(host, view, containers))
    if named:
        return Known(named, (Evidence("container", "docker network", f"{host}: {' '.join(named)}"),))
    return Known(("127.0.0.1",)) if host == "localhost" else Unknown(f"{host} was not resolved")


def replica_addresses(server: UpstreamServer, resolved: Fact[tuple[str, ...]], view: View,
              containers: tuple[Container, ...]) -> tuple[str, ...]:
    """Return the addresses of replicas that nginx balances over.

    One empty text if the name has one address, leads to this machine, or leads to different programs.
    Ignore addresses of the second family (IPv4 or IPv6): one program listens on both.
    """
    found = resolved.or_else(())
    if len(found) < 2 or server.variable or any(is_loopback(a) or a in view.addresses for a in found):
        return ("",)
    alike = tuple(a for a in dict.fromkeys(found) if (":" in a) is (":" in found[0]))[:MOST_REPLICAS]
    held = [c for a in alike for c in containers if a in c.addresses]
    if len(alike) < 2 or len({(c.project, c.service) if c.service else c.id for c in held}) > 1:
        return ("",)
    return alike if not held or len({c.id for c in held}) == len(alike) else ("",)


def name_to_resolve(server: UpstreamServer, view: View) -> str | None:
    """Return the name to ask the node's resolver for; None if files already resolve it."""
    host = server.host
    known = not host or _IP.match(host.strip("[]")) or host in view.resolved or host.lower() in view.hosts
    return None if known or server.unix is not None else host


def _alias_addresses(host: str, view: View, containers: tuple[Container, ...]) -> Iterator[str]:
    """Yield addresses that Docker's DNS returns for a name on the networks of this node's container."""
    own = container_of(view.name, containers)
    networks = {name for name, _, _ in own.networks} if own is not None else set()
    for container in containers:
        for network, address, names in container.networks:
            if network in networks and address and (host in names or host == container.name):
                yield address


def node_at_addresses(addresses: Sequence[str], view: View, views: Mapping[str, View],
             containers: tuple[Container, ...]) -> str | None:
    """Return the node that has the address: nginx's own, the container that has it on a shared network, or the machine
    on which nginx's container runs."""
    home = target_machine(views) if view.is_inside_target else None
    for address in addresses:
        if is_loopback(address) or address in view.addresses:
            return view.name
        for container in containers:
            if address in container.addresses:
                return node_of(container, views)
        if home is not None and address in home.addresses:
            return home.name
    return None


def container_at(server: UpstreamServer, addresses: Sequence[str], containers: tuple[Container, ...],
                 own: Container | None) -> Container | None:
    """Return the container that an upstream names or reaches, even if it is stopped and has no address now.
    None if several services have that name and none is in nginx's own project.
    If it reaches several, a name match comes before an alias."""
    reached = [c for c in containers if c.addresses.intersection(addresses)]
    if reached:
        called = [c for c in reached if server.host in (c.name, c.service)] if len(reached) > 1 else []
        ours = [c for c in called if own is not None and own.project and c.project == own.project]
        return (ours or called or reached)[0]
    linked = {target for target, name in own.links if name == server.host} if own is not None else set()
    if linked:
        return next((c for c in containers if c.name in linked), None)
    mine = {name for name, _, _ in own.networks} if own is not None else set()
    named: list[Container] = []
    for container in containers if server.host else ():       # a socket's path names no container
        names = {container.name, container.service or ""}
        shared = {name for name, _, _ in container.networks} & mine
        if server.host in names or any(server.host in aliases for n, _, aliases in container.networks if n in shared):
            named.append(container)
    ours = [c for c in named if own is not None and own.project and c.project == own.project]
    return _container_of_one_service(ours or named)


def _container_of_one_service(named: Sequence[Container]) -> Container | None:
    return named[0] if len({(c.project, c.service) if c.service else (None, c.id) for c in named}) == 1 else None


def container_by_alias(server: UpstreamServer, services: Sequence[Service], own: Container | None) -> Container | None:
    """Return the container with that alias in its compose files on a network of nginx's, if it lacks the alias now.
    None if several services have that alias."""
    mine = {name for name, _, _ in own.networks} if own is not None else set()
    for service in services:
        if own is not None and service.container is not None and service.container.id == own.id:
            mine |= {network.name for network in service.compose_networks}
    told = [s for s in services if any(server.host in n.aliases and n.name in mine for n in s.compose_networks)]
    return told[0].container if len({s.name for s in told}) == 1 else None


def listener_at(addresses: Sequence[str], server: UpstreamServer, view: View | None,
                tcp: Fact[ProbeResult]) -> Fact[Listener | None]:
    """Return the listener at the first of these addresses that has one; `server.port` is the node's own port."""
    if view is None:
        return Unknown("the address is outside the observed nodes")
    if isinstance(view.listeners, Unknown):
        return view.listeners
    refused = isinstance(tcp, Known) and tcp.value.error == "refused"
    listeners = view.listeners.value
    if server.unix is not None:
        found = next((x for x in listeners if x.family == "unix" and x.address == server.unix), None)
        return Known(found, listener_evidence(found, server.unix))
    for address in addresses:
        for match in (_is_exact_match, _is_wildcard_match, _is_dual_stack_match):
            found = next((x for x in listeners if x.port == server.port and match(x, address)), None)
            if found is not None and not (match is _is_dual_stack_match and refused):
                return Known(found, listener_evidence(found, address))
    return Known(None, (Evidence("socket", f"{view.name} /proc/net/tcp", f"nothing listens on port {server.port} "
                                 f"of {', '.join(addresses) or server.host}"),))


def listener_evidence(listener: Listener | None, path: str) -> tuple[Evidence, ...]:
    """Return evidence of the listener's pids and queue, or that nothing listens."""
    if listener is None:
        return (Evidence("socket", path, "nothing listens on this socket"),)
    place = listener.address if listener.family == "unix" else f"{listener.address}:{listener.port}"
    pids = ", ".join(map(str, known_pids(listener.pids))) or "unknown"
    return (Evidence("socket", place, f"LISTEN, {listener.queued} waiting, pid {pids}"),)


def _is_exact_match(listener: Listener, address: str) -> bool:
    return listener.address in (address, f"::ffff:{address}")


def _is_wildcard_match(listener: Listener, address: str) -> bool:
    return listener.address == (ANY_IPV6 if ":" in address else ANY_IPV4)


def _is_dual_stack_match(listener: Listener, address: str) -> bool:
    """Return whether it is a v6 wildcard: it accepts v4 too unless IPV6_V6ONLY is set, which the table omits."""
    return listener.address == ANY_IPV6 and ":" not in address


def endpoint_probe(route: Route, server: UpstreamServer, addresses: Sequence[str], path: str,
                   timeout: float) -> Probe | None:
    """Return the probe of an endpoint: a GET if it speaks HTTP or uwsgi, else a connect; None without an address."""
    http, uwsgi = route.kind == "proxy_pass", route.kind == "uwsgi_pass" and route.scheme != "https"
    asked = path if http or uwsgi else None
    if server.unix is not None:
        return Probe("", 0, asked, unix=server.unix, host_header=host_header(route), timeout=timeout, uwsgi=uwsgi)
    if not addresses:
        return None
    tls = route.scheme == "https" and http
    name = host_header(route) if host_header(route) != "localhost" else server.host
    return Probe(addresses[0], server.port, asked, host_header=name, tls=tls, sni=name if tls else "", timeout=timeout,
                 uwsgi=uwsgi)


def route_probe(route: Route, timeout: float) -> Probe | None:
    """Return a request through nginx's own listener; None if the route's path is unknown or it is internal."""
    if route.path is None or route.internal:
        return None
    host = host_header(route)
    for listen in route.listens:
        if listen.address.startswith("unix:"):
            path = listen.address.removeprefix("unix:")
            return Probe("", 0, route.path, unix=path, host_header=host, timeout=timeout)
        address = reached_at(listen.address.strip("[]"))
        return Probe(address, listen.port, route.path, host_header=host, tls=listen.tls,
                     sni=host if listen.tls and host != "localhost" else "", proxy_protocol=listen.proxy_protocol,
                     timeout=timeout)
    return Probe("127.0.0.1", 80, route.path, host_header=host, timeout=timeout)


def probe_result(answer: Answer | None) -> Fact[ProbeResult]:
    """Return the result of a probe; Unknown if it was not made or its answer cannot be read."""
    if answer is None:
        return _NOT_ASKED
    return parse_once(lambda: _parse_outcome(answer), "probe-result", answer)     # many routes share one probe


def _parse_outcome(answer: Answer) -> Fact[ProbeResult]:
    if answer.status != "ok":
        return Unknown(answer.message or answer.status)
    try:
        data = json.loads(answer.data)
    except (ValueError, RecursionError):
        return Unknown("the probe's result could not be parsed")
    if not isinstance(data, dict):
        return Unknown("the probe's result could not be parsed")
    head = str(data.get("head") or "")
    server = _SERVER_HEADER.search(head)
    status, error, number, ms = data.get("status"), data.get("error"), data.get("errno"), data.get("ms")
    word = _ERROR_NAMES.get(error, error) if isinstance(error, str) else None
    goes = _LOCATION_HEADER.search(head) if status in _REDIRECT_STATUSES else None
    return Known(ProbeResult(
        status if isinstance(status, int) else None, word, number if isinstance(number, int) else None,
        str(data.get("phase") or ""), float(ms) if isinstance(ms, int | float) else 0.0,
        server[1] if server else "", str(data.get("body") or ""), *_partial_head(data),
        goes[1] if goes else "", head[:_FIRST_BYTES] if word == "not-http" else "",
        whole=data["whole"] if isinstance(data.get("whole"), bool) else None,
    ))


def _partial_head(data: Mapping[str, object]) -> tuple[int, float | None]:
    """Return (bytes of an unfinished head, the time for which it grew)."""
    arrived, growing = data.get("arrived"), data.get("growing")
    if not isinstance(arrived, int) or arrived <= 0:
        return 0, None
    return arrived, float(growing) if isinstance(growing, int | float) else None


def answer_of(probe: Probe | None, heard: Fact[ProbeResult]) -> Fact[ProbeResult]:
    """Return what the address answered to a request; Unknown if it was only connected to. A server of HTTP answers 400
    to what is uwsgi, and so may an application: that says nothing."""
    if probe is None:
        return Unknown("not asked")
    if probe.path is None:
        return Unknown("the upstream protocol is not HTTP")
    if probe.uwsgi and isinstance(heard, Known):
        if heard.value.status is None and heard.value.error is None:
            return Unknown("the node has no tool that speaks uwsgi")
        if heard.value.status == _BAD_REQUEST:
            return Unknown("it answers 400, which a server of HTTP does to uwsgi")
    return heard


def connect_result(http: Fact[ProbeResult]) -> Fact[ProbeResult]:
    """Return the connect result that a request implies, so that one connection answers both."""
    if isinstance(http, Unknown) or http.value.phase == "connect":
        return http
    return Known(ProbeResult(None, None, None, "done", http.value.ms))


def with_services(endpoint: Endpoint, services: Sequence[Service], container: Container | None) -> Endpoint:
    """Return the endpoint with the service of its listener, its configured service, and the evidence."""
    holder = _listening_service(endpoint, services)
    owner, why = _configured_service(endpoint, services, container, holder)
    return replace(endpoint, listening_service=holder.id if holder else None,
                   configured_service=owner.id if owner else None, service_evidence=why)


def _listening_service(endpoint: Endpoint, services: Sequence[Service]) -> Service | None:
    listener = endpoint.listener.or_else(None)
    if listener is None:
        return None
    pids = set(known_pids(listener.pids))
    held = [s for s in services if s.node == endpoint.node and pids & set(s.pids)]
    return held[0] if held else None


def _configured_service(endpoint: Endpoint, services: Sequence[Service], container: Container | None,
           holder: Service | None) -> tuple[Service | None, tuple[Evidence, ...]]:
    if container is not None:
        for service in services:
            if service.container is not None and service.container.id == container.id:
                return service, (Evidence("container", container.name, f"{endpoint.written} leads to it"),)
    told = [(s, b) for s in services if s.node == endpoint.node for b in _bindings_of(s) if _is_binding_of(b, endpoint)]
    # what a service manager starts there comes before a bare process
    told.sort(key=lambda pair: (not pair[0].is_app_server, pair[1].source.source == "process",
                                pair[0].manager == "none", pair[0] is not holder))
    if told:
        service, binding = told[0]
        return service, (binding.source,)
    if holder is not None:
        return holder, endpoint.listener.evidence if isinstance(endpoint.listener, Known) else ()
    return _service_of_shared_socket(endpoint, services)


def _service_of_shared_socket(endpoint: Endpoint,
                              services: Sequence[Service]) -> tuple[Service | None, tuple[Evidence, ...]]:
    """Return the service of another container that listens at this path of a folder that both have from their engine.
    The kernel names no process to nginx's container, also where both share a network."""
    own = next((s.container for s in services if s.container is not None and s.node == endpoint.node), None)
    if own is None or endpoint.unix is None or endpoint.listener.or_else(None) is None:
        return None, ()
    place = path_on_engine(own, endpoint.unix)
    return next(((s, (b.source,)) for s in services if s.container is not None and place is not None
                 for b in _bindings_of(s) if b.unix is not None and path_on_engine(s.container, b.unix) == place),
                (None, ()))


def _bindings_of(service: Service) -> tuple[Binding, ...]:
    """Return the bindings of a service: those configured for its start first, then those it listens on now."""
    return service.bindings.or_else(())


def _is_binding_of(binding: Binding, endpoint: Endpoint) -> bool:
    if endpoint.unix is not None:
        return binding.unix == endpoint.unix
    if binding.unix is not None or binding.port != endpoint.port:
        return False
    host = binding.host.strip("[]")
    addresses = endpoint.addresses.or_else(())
    local = all(is_loopback(a) for a in addresses) and is_own_host(host)
    return local or is_wildcard(host) or host in (endpoint.host, *addresses)


def resolve_query(name: str) -> Command:
    """Return the query to the node's own resolver for one name."""
    return Command("resolve", (name,))
