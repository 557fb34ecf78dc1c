"""The state of an nginx process: addresses of a stopped nginx, an unresolved upstream name, a stale configuration."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from fixer.analysis.case import Case, FailingAddress, is_answering, unique_route_id
from fixer.analysis.evidence import (
    container_of,
    listener_at,
    listener_evidence,
    listeners_on,
    pids_of,
    replaced_mount_file,
)
from fixer.analysis.route_verdict import has_unloaded_config
from fixer.analysis.run_log import has_just_restarted, lines_of, message_of
from fixer.formats.numbers import is_number
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import Listen, Route
from fixer.model.snapshot import (
    Container,
    Endpoint,
    ErrorEvent,
    Listener,
    Nginx,
    RouteFacts,
    Snapshot,
)
from fixer.nginx.error_kinds import HOST_NOT_FOUND

with lazy_imports():  # not needed in most looks
    from fixer.nginx.logged_server import known_names, logged_names, may_have_logged

_HOST_NOT_FOUND = regex(HOST_NOT_FOUND + r" \"(?P<name>[^\"]+)\"(?: in (?P<file>/[^\s:]+):(?P<line>\d+))?")


def addresses_of_stopped_nginx(case: Case, nginx: Nginx) -> tuple[FailingAddress, ...]:
    """Return one failing address for each endpoint of an nginx without a master; empty while it runs."""
    if nginx.master_pid is not None:
        return ()
    found: dict[str, tuple[Endpoint, list[RouteFacts]]] = {}
    for facts in filter(nginx.serves, case.snapshot.routes):
        for endpoint in case.reached(facts):
            found.setdefault(endpoint.id, (endpoint, []))[1].append(facts)
    return tuple(
        FailingAddress(nginx, (endpoint,), tuple(routes),
                       tuple(case.verdicts[unique_route_id(facts)] for facts in routes))
        for endpoint, routes in found.values()
    )


def unresolved_upstream_name(nginx: Nginx) -> tuple[str, Evidence] | None:
    """Return the name that nginx could not resolve at its last start, with the evidence; None if it ended otherwise."""
    if isinstance(nginx.test, Known):
        match = _HOST_NOT_FOUND.search(nginx.test.value[1]) if nginx.test.value[0] != 0 else None
        if match is not None:
            return _host_without_port(match["name"]), Evidence("nginx-test", nginx.conf_path, match[0])
        return None
    for line in reversed(lines_of(nginx.service)[-10:] if nginx.service is not None else ()):
        match = _HOST_NOT_FOUND.search(message_of(line))
        if match is not None:
            return _host_without_port(match["name"]), Evidence("nginx-log", line.where, message_of(line).strip())
    return None


def parse_unresolved_name(said: str) -> str:
    """Return the name that nginx reports as not found; empty for any other message."""
    match = _HOST_NOT_FOUND.search(said)
    return _host_without_port(match["name"]) if match is not None else ""


def is_uncreated(case: Case, name: str) -> bool:
    """Return whether a service of the compose project has this name and no container."""
    compose = case.snapshot.compose
    return compose is not None and any(name in service.names for service in compose.uncreated)


def _host_without_port(name: str) -> str:
    """Return the host without the port."""
    host, colon, port = name.rpartition(":")
    return host if colon and is_number(port) else name


# Holders of a socket that no process of its own container has: another container that shares the network.


def is_held_by_others(snapshot: Snapshot, line: Listener, mine: AbstractSet[int | None]) -> bool:
    """Return whether none of `mine` holds it: its holder was seen, or `mine` were seen with other sockets only."""
    held = set(pids_of(line))
    if held:
        return not held & mine
    return any(set(pids_of(other)) & mine for other in listeners_on(snapshot, line.node))


def container_of_socket(snapshot: Snapshot, line: Listener) -> tuple[Container, Listener] | None:
    """Return the container in which a process was seen with the very same socket, and the socket as seen there."""
    if not line.inode or pids_of(line):
        return None
    for service in snapshot.services:
        if service.container is None or service.container.is_machine or service.node == line.node:
            continue
        seen = next((other for other in listeners_on(snapshot, service.node)
                     if other.inode == line.inode and pids_of(other)), None)
        if seen is not None:
            return service.container, seen
    return None


def holder_evidence(snapshot: Snapshot, line: Listener) -> Evidence:
    """Return a listening socket with its holder and the holder's container."""
    found = container_of_socket(snapshot, line)
    if found is None:
        return listener_evidence(snapshot, line)
    box, seen = found
    shown = listener_evidence(snapshot, seen)
    return replace(shown, text=f"{shown.text}, in container {box.name}")


# Replicas that stopped after nginx resolved their name: nginx still connects to them.
_UPSTREAM = regex(r"^(?:\w+://)?(?:\[([0-9a-fA-F:]+)\]|(\d{1,3}(?:\.\d{1,3}){3}))(?::\d+)?(?:/|$)")
_ADDRESS = regex(r"^[\d.]+$|^\[?[0-9a-fA-F]*:[0-9a-fA-F:.]*\]?$")


def logged_address(event: ErrorEvent) -> str:
    """Return the address that nginx asked, by the line. A visitor can forge a line, so it must decide nothing."""
    match = _UPSTREAM.match(event.upstream)
    return (match[1] or match[2]) if match is not None else ""


def is_ip_address(host: str) -> bool:
    """Return whether the host is an IP address, not a name that could resolve elsewhere."""
    return _ADDRESS.match(host) is not None


def is_about_other_route(case: Case, routes: Sequence[RouteFacts], event: ErrorEvent) -> bool:
    """Return whether another route has a longer location for the line's path: nginx then asked for that route.
    Rewritten paths can break this rule, so the line proves nothing."""
    path = [*event.request.split(" "), ""][1]
    own = max((len(at) for facts in routes if (at := _location_path(facts)) and path.startswith(at)), default=0)
    mine = {unique_route_id(facts) for facts in routes}
    places = {(facts.node, facts.conf) for facts in routes}
    known = {name for nginx in case.snapshot.nginxes if (nginx.node, nginx.conf_path) in places
             for name in known_names(nginx.config)}
    return any(
        len(at) > own and path.startswith(at) for facts in case.snapshot.routes
        if (facts.node, facts.conf) in places and unique_route_id(facts) not in mine
        and may_have_logged(event, logged_names(facts.route.server_names), known)
        and (at := _location_path(facts))
    )


def _location_path(facts: RouteFacts) -> str:
    """Return the path of its location; empty if that is a pattern."""
    return facts.route.location.split(" ")[-1] if facts.route.path is not None else ""


def route_ids_of(case: Case, nginx: Nginx) -> tuple[str, ...]:
    """Return the ids of all routes of an nginx."""
    return tuple(facts.route.id for facts in case.snapshot.routes if nginx.serves(facts))


def listen_addresses_of(nginx: Nginx) -> tuple[Listen, ...]:
    """Return the addresses that its configuration listens on."""
    if not isinstance(nginx.config, Known):
        return ()
    return tuple(dict.fromkeys(listen for route in nginx.config.value.routes for listen in route.listens))


def is_held_by_nginx(snapshot: Snapshot, endpoint: Endpoint) -> bool:
    """Return whether an nginx that is diagnosed itself listens at the address: an inner server of nginx."""
    held = listener_at(endpoint)
    return held is not None and any(
        nginx.node == endpoint.node and {nginx.master_pid, *nginx.worker_pids}.intersection(pids_of(held))
        for nginx in snapshot.nginxes)


def routes_passing_to(snapshot: Snapshot, inner: RouteFacts) -> tuple[RouteFacts, ...]:
    """Return the routes by which the same node's nginx passes requests on to the inner route's own server, the nearest
    first: what one of them refuses of an answer never reaches a visitor."""
    found = [inner]
    for passed in found:        # it grows
        places = listen_places(passed.route)
        ends = {end.id for end in snapshot.endpoints if end.node == inner.node
                and (end.unix or str(end.port)) in places and is_held_by_nginx(snapshot, end)}
        found += [facts for facts in snapshot.routes
                  if not ends.isdisjoint(facts.endpoints) and all(facts is not one for one in found)]
    return tuple(found[1:])


def listen_places(route: Route) -> frozenset[str]:
    """Return the ports and the sockets that a route's server listens at, as text."""
    return frozenset(str(listen.port) if listen.port else listen.address.removeprefix("unix:")
                     for listen in route.listens)


def has_stale_config(case: Case, trouble: FailingAddress) -> bool:
    """Return whether the file that nginx reads was replaced. Either a single-file mount is in no folder any more, or
    the mounted folder was replaced and its present file does not name this address."""
    file = case.snapshot.file(trouble.nginx.node, trouble.endpoint.file)
    if file is None or file.stat.nlink == 0:
        return file is not None
    present = replaced_mount_file(case.snapshot, file)
    return present is not None and trouble.endpoint.written.encode() not in present.data


def has_container_ended(case: Case, nginx: Nginx) -> bool:
    """Return whether the container of an nginx that does not run has ended, or ends again and again, and with it
    whatever else it ran."""
    box = container_of(case.snapshot, nginx.node)
    if nginx.master_pid is not None or box is None or box.is_machine:
        return False
    own = next((s for s in case.snapshot.services if s.container is not None and s.container.id == box.id), None)
    return box.status != "running" or (own is not None and has_just_restarted(case.snapshot, own))


def is_well_by_the_files(case: Case, nginx: Nginx) -> bool:
    """Return whether a route fails whose address in the files answers, and the files are younger than what runs."""
    return has_unloaded_config(nginx) and any(
        trouble.nginx is nginx and all(map(is_answering, trouble.endpoints)) for trouble in case.failing_addresses)
