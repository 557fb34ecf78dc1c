"""Sites: every nginx of a target with its routes and addresses, with ids that are unique in the target."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

from fixer.formats.dependency_systems import BY_PROGRAM
from fixer.formats.launchers import shell_text_index
from fixer.formats.server_names import STARTS_NO_NGINX, is_nginx, runtime_of, script_of
from fixer.formats.shell_words import shell_words
from fixer.formats.wrapper_scripts import simple_commands
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.parse_cache import parse_once
from fixer.lazy.regex import regex
from fixer.model.facts import Fact, Known
from fixer.model.nginx_config import NginxConfig, Route, UpstreamServer
from fixer.model.snapshot import Container
from fixer.observe.nginx.endpoints import replica_addresses, resolve
from fixer.observe.nginx.nginx_masters import config_of, find_nginxes, is_idle
from fixer.observe.nginx.nginx_place import NginxInstance
from fixer.observe.view.node_view import ENGINE, View, container_of, is_outside_target

_Name: TypeAlias = tuple[str, str]       # of a server: its host, and its socket or its variable


@dataclass(frozen=True, slots=True)
class Address:
    """One address that some route of a site may connect to, with its id in the snapshot."""

    id: str
    route: Route
    server: UpstreamServer
    resolved: Fact[tuple[str, ...]]
    replica_ip: str = ""        # this replica's address, if the name leads to several
    # the container of a replica that restarts repeatedly and has no address now
    missing_replica: str = ""

    @property
    def ips(self) -> tuple[str, ...]:
        """Return the addresses, empty if they are unknown."""
        if self.replica_ip:
            return (self.replica_ip,)
        return self.resolved.or_else(())


@dataclass(frozen=True, slots=True)
class Site:
    """One nginx with its configuration, routes and addresses."""

    view: View
    nginx: NginxInstance
    config: Fact[NginxConfig]
    routes: tuple[Route, ...]
    addresses: tuple[Address, ...]
    by_route: Mapping[str, tuple[str, ...]]


def sites_of(views: Mapping[str, View], containers: tuple[Container, ...]) -> tuple[Site, ...]:
    """Return every nginx of every node, in the order of nodes."""
    found: list[Site] = []
    routes = addresses = 0
    for view, place in _intended_nginxes(views, containers):
        config = config_of(place, view)
        if isinstance(config, Known) and routes:
            config = Known(parse_once(partial(_renamed, config.value, routes), "renamed", config.value, routes),
                           config.evidence)
        site = _make_site(view, place, config, containers, addresses)
        routes += len(site.routes)
        addresses += len(site.addresses)
        found.append(site)
    return tuple(found)


def _renamed(config: NginxConfig, count: int) -> NginxConfig:
    """Return the configuration with other ids of its routes: other sites have `count` of them."""
    return replace(config, routes=tuple(replace(r, id=f"r{count + i}") for i, r in enumerate(config.routes, 1)))


def places_of(site: Site) -> tuple[Address, ...]:
    """Return the first address of each place to connect to: thousands of locations may lead to one."""
    return parse_once(partial(_places, site.addresses), "places", site.addresses)


def _places(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    found: dict[tuple[object, ...], Address] = {}
    for address in addresses:
        server = address.server
        found.setdefault((server.host, server.port, server.unix, address.ips), address)
    return tuple(found.values())


def _intended_nginxes(views: Mapping[str, View], containers: tuple[Container, ...]) -> list[tuple[View, NginxInstance]]:
    """Return every nginx that should run.
    Leave out an idle one of a machine while another one runs in a container of that machine.
    Leave out one in the image of an application's container, unless that container is the target.
    Leave out one in another program's container if another nginx runs or has a container created for it."""
    every = [(view, place) for view in views.values() if not is_outside_target(view, views)
             for place in find_nginxes(view)]
    if any(view.is_inside_target and place.master is not None for view, place in every):
        every = [(view, place) for view, place in every if not (view.is_target_machine and is_idle(place, view))]
    if sum(view.name != ENGINE for view in views.values()) <= 1:
        return every
    meant = [(view, place) for view, place in every if place.master is not None or not _runs_application(view)]
    if not any(place.master is not None or _was_made_for_nginx(view, containers) for view, place in meant):
        return meant
    return [(view, place) for view, place in meant
            if place.master is not None or not _runs_other_program(view, container_of(view.name, containers))]


def _was_made_for_nginx(view: View, containers: tuple[Container, ...]) -> bool:
    box = container_of(view.name, containers)
    return box is not None and any(is_nginx(word) for word in box.argv)


def _runs_other_program(view: View, box: Container | None) -> bool:
    """Return whether the container's own command runs as its first process and never starts nginx.
    A shell or script could have started nginx first and then become that process."""
    main = view.by_pid.get(1)
    if box is None or main is None or not main.argv or view.node.kind != "container":
        return False
    if posixpath.basename(main.argv[0].partition(" ")[0].rstrip(":")) in BY_PROGRAM:      # redis puts its port there
        return True
    scripts = {word: data for word in (script_of(main.argv) or "", *box.argv) if (data := view.data(word)) is not None}
    if script_of(main.argv) in scripts:
        others = (word for word in box.argv if word not in scripts)
        return not any(map(_MAY_START_NGINX.search, (*(data.decode("latin-1") for data in scripts.values()), *others)))
    asked = _only_command(box.argv)
    return asked[-len(main.argv):] == main.argv and posixpath.basename(main.argv[0]) in STARTS_NO_NGINX


# what starts nginx, and what may: supervisors, and scripts that were not read
_MAY_START_NGINX = regex(r"(?i)nginx|openresty|angie|tengine|supervis|circus|s6|runit|runsv|honcho|foreman|systemd"
                         r"|\.sh\b|run-parts")


def _only_command(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command, or the one in the text of its shell: a shell becomes its only command."""
    at = next((text for i in range(len(argv)) if (text := shell_text_index(argv, i)) is not None), None)
    commands = simple_commands(argv[at]) if at is not None else []
    if len(commands) != 1:
        return argv
    words = tuple(word.text for word in shell_words(commands[0][0]))
    return words[1:] if words[:1] == ("exec",) else words


def _runs_application(view: View) -> bool:
    main = view.by_pid.get(1)
    return view.node.kind == "container" and main is not None and bool(runtime_of(main.argv))


def _make_site(view: View, place: NginxInstance, config: Fact[NginxConfig], containers: tuple[Container, ...],
          count: int) -> Site:
    routes = config.value.routes if isinstance(config, Known) else ()
    resolved: dict[_Name, Fact[tuple[str, ...]]] = {}
    copies: dict[_Name, list[tuple[str, str]]] = {}
    for name, server in parse_once(partial(_named_servers, routes), "named-servers", routes).items():
        resolved[name] = resolve(server, view, containers)
        copies[name] = _replicas(server, resolved[name], view, containers)
    # between two rounds hardly a name gets another address: what is made of them then stays the same, too
    addresses, by_route = parse_once(partial(_addresses, routes, resolved, copies, count), "addresses", routes, count,
                                     repr((resolved, copies)))
    return Site(view, place, config, routes, addresses, by_route)


def _name_of(server: UpstreamServer) -> _Name:
    return server.host, server.unix or server.variable


def _named_servers(routes: tuple[Route, ...]) -> dict[_Name, UpstreamServer]:
    """Return the first server of each name."""
    found: dict[_Name, UpstreamServer] = {}
    for route in routes:
        for server in route.servers:
            found.setdefault(_name_of(server), server)
    return found


def _addresses(routes: tuple[Route, ...], resolved: Mapping[_Name, Fact[tuple[str, ...]]],
               copies: Mapping[_Name, list[tuple[str, str]]], count: int,
               ) -> tuple[tuple[Address, ...], dict[str, tuple[str, ...]]]:
    """Return the addresses of all routes, and the ids of those of each route."""
    by_key: dict[tuple[object, ...], Address] = {}
    by_route: dict[str, tuple[str, ...]] = {}
    for route in routes:
        ids: list[str] = []
        for server in route.servers:
            name = _name_of(server)
            # one upstream line can stand for several addresses: a port in a variable
            key = (route.scheme, server.span.file, server.span.start, server.written, route.kind, server.host,
                   server.port, server.unix)
            for at, copy in copies[name]:
                each = (*key, at, copy)
                if each not in by_key:
                    there = Known(()) if copy else resolved[name]
                    by_key[each] = Address(f"e{count + len(by_key) + 1}", route, server, there, at, copy)
                ids.append(by_key[each].id)
        by_route[route.id] = tuple(dict.fromkeys(ids))
    return tuple(by_key.values()), by_route


def _replicas(server: UpstreamServer, resolved: Fact[tuple[str, ...]], view: View,
            containers: tuple[Container, ...]) -> list[tuple[str, str]]:
    """Return (address, container id) for each replica of a name; a stopped replica has only the container id.
    One empty address if it leads to one address."""
    found = replica_addresses(server, resolved, view, containers)
    gone = missing_replicas(server, resolved, view, containers) if containers else ()
    if gone and found == ("",) and isinstance(resolved, Known):      # the address found is one of several replicas
        found = resolved.value[:1]
    return [*((at, "") for at in found), *(("", copy) for copy in gone)]


# Replicas that restart repeatedly: Docker's DNS omits them while they are down, but nginx keeps the old address.
_STOPPED_EXIT_CODES = (0, 137, 143)      # exit codes of a stopped container


def missing_replicas(server: UpstreamServer, resolved: Fact[tuple[str, ...]], view: View,
                  containers: tuple[Container, ...]) -> tuple[str, ...]:
    """Return the container ids of such replicas of the service that the name leads to.
    None if another container may have one of its addresses: it may be a replica now."""
    found = resolved.or_else(())
    own = container_of(view.name, containers)
    if not found or server.variable or server.unix is not None or own is None or own.is_machine:
        return ()
    held = {c.id: c for c in containers if c.addresses.intersection(found)}
    services = {(c.project, c.service) for c in held.values()}
    places = {a for a in found if ":" not in a} or set(found)
    of = next(iter(held.values()), None)
    if of is None or not of.service or len(services) != 1 or len(held) != len(places):
        return ()
    mine = {name for name, _, _ in own.networks}
    return tuple(
        c.id for c in containers if c.id not in held and (c.project, c.service) == (of.project, of.service)
        and _ends_repeatedly(c) and any(name in mine for name, _, _ in c.networks)
        and (server.host == c.service or any(server.host in names for name, _, names in c.networks if name in mine))
    )


def _ends_repeatedly(box: Container) -> bool:
    """Return whether it is restarting, or failed after several starts."""
    return box.status == "restarting" or (
        box.status == "exited" and box.restart_count > 0 and box.exit_code not in _STOPPED_EXIT_CODES)
