"""Edits of nginx's configuration for names that do not resolve: another address, another resolver."""

from __future__ import annotations

import re

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import container_of, find_node, listeners_on
from fixer.analysis.evidence import file_line_text as place_text
from fixer.formats.addresses import DOCKER_RESOLVER, is_loopback
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Known
from fixer.model.plan import Step
from fixer.model.snapshot import Endpoint, Nginx, Service
from fixer.nginx.lexer import tokenize
from fixer.nginx.span_edit import EditRefused
from fixer.repairs.file_edits import (
    EditableFile,
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    edit_spans,
    locate_editable_file,
)

with lazy_imports():
    from difflib import SequenceMatcher  # only for a name that may be a typing error

    from fixer.repairs.start_nginx import start_nginx_steps
    from fixer.repairs.start_service import start_steps

ADDRESS_KEY = "address"
_MIN_SIMILARITY = 0.8              # of two names' letters in the same order: a typing error
_UPSTREAM_NAME = regex(r"[A-Za-z0-9_.-]{1,100}")
_VARIABLE = regex(r"\$\{?(\w{1,100})\}?")
_HOST_PATTERN = r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9a-fA-F:.]+\]"


def other_address_repair(case: Case, troubles: list[FailingAddress], known: str = "") -> Repair:
    """Return a repair that replaces the name with the operator's address, or with the name `known` to lead there."""
    nginx, host = troubles[0].nginx, troubles[0].endpoint.host
    where = ", ".join(place_text(case.snapshot, nginx.node, t.endpoint.file, t.endpoint.line) for t in troubles[:8])
    meant = _similar_upstreams(case, troubles)
    known = known or _renamed_container(case, troubles)
    near = "".join(f"; the upstream {name} is defined at {at}" for name, at in meant)
    near += "".join(f"; a container on nginx's networks is called {name}"
                    for name in _similar_container_names(case, nginx, host))
    near += "".join(f"; {name}, which no route leads to, listens on that port"
                    for name in _idle_listeners(case, troubles))
    pattern = "|".join((_HOST_PATTERN, *(re.escape(name) for name, _ in meant)))
    need = Need(ADDRESS_KEY, "value", f"the address or name to use instead of {host} at {where}{near}",
                pattern=pattern)
    summary = f"write the intended address instead of {host} at {where}, and make nginx load it"
    manual = (f"make {host} resolve (its DNS record, or /etc/hosts), or correct {where}{near}; then run nginx -t and "
              "reload nginx")
    if known:
        summary = f"write {known} instead of {host} at {where}, and make nginx load it"
        manual = f"write {known} instead of {host} at {where}; then run nginx -t and reload nginx"
    new = known or case.inputs.get(ADDRESS_KEY, "")
    spans: dict[str, dict[tuple[int, int], bytes]] = {}
    for endpoint in (endpoint for trouble in troubles for endpoint in trouble.endpoints):
        path, start = _locate_name(case, nginx, endpoint)
        spans.setdefault(path, {})[start, start + len(endpoint.host.encode())] = new.encode()
    steps: list[Step] = []
    places: list[EditableFile] = []
    for path, wanted in spans.items():
        file = locate_editable_file(case.snapshot, nginx.node, path)
        if isinstance(file, NotEditable):
            return Repair("name-address", "manual", summary, (), manual=f"{manual}; {file.reason}")
        places += [file] if file.is_generated else []
        if {file.data[start:end] for start, end in wanted} != {host.encode()}:
            return Repair("name-address", "manual", summary, (), manual=manual)
        try:
            steps += [edit_spans(file, wanted, f"{new} instead of {host}")] if new else []
        except EditRefused as refused:
            return Repair("name-address", "manual", summary, (), manual=f"{manual}; {refused}")
    asleep = _stopped_container(case, nginx, new)
    if asleep is not None:
        summary = f"start {asleep.name}, because {new} resolves only while it runs; {summary}"
        steps = [*start_steps(case.snapshot, asleep, None), *steps]
    needs = () if known else (need,)
    return Repair("name-address", edit_risk(tuple(places), "safe"), summary,
                  (*steps, *_reload_or_start_steps(case, nginx)) if new else (), needs)


def _locate_name(case: Case, nginx: Nginx, endpoint: Endpoint) -> tuple[str, int]:
    """Return the file that holds the name, and its offset; for a variable, those of the only `set` that defines it."""
    variable = _VARIABLE.match(endpoint.written)
    if variable is None:
        return endpoint.file, endpoint.start
    name, wanted = f"${variable[1]}".encode(), endpoint.host.encode()
    found: list[tuple[str, int]] = []
    for path in nginx.config.value.files if isinstance(nginx.config, Known) else ():
        place = locate_editable_file(case.snapshot, nginx.node, path)
        data = place.data if isinstance(place, EditableFile) else b""
        tokens = tokenize(data)[0] if name in data else []
        for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
            if before.value == b"set" and token.value == name:
                at = data.find(wanted, after.start, after.end)
                found.append((path, at if after.value.partition(b":")[0] == wanted else -1))
    return found[0] if len(found) == 1 and found[0][1] >= 0 else (endpoint.file, endpoint.start)


def _similar_container_names(case: Case, nginx: Nginx, host: str) -> tuple[str, ...]:
    """Return the names of containers on nginx's networks that are nearly the same: a typing error."""
    box = container_of(case.snapshot, nginx.node)
    if box is None or box.is_machine:
        return ()
    mine = {network for network, _, _ in box.networks} | {box.network_mode}
    names = (name for s in case.snapshot.services if s.container is not None and s.container.id != box.id
             and any(network in mine for network, _, _ in s.container.networks)
             for name in (s.container.service, s.container.name) if name)
    return tuple(dict.fromkeys(n for n in names if SequenceMatcher(None, n, host).ratio() >= _MIN_SIMILARITY))[:3]


def _idle_listeners(case: Case, troubles: list[FailingAddress]) -> tuple[str, ...]:
    """Return the containers on nginx's networks that listen on that port and that no route relies on, and whose name is
    another one: their service may have been renamed."""
    nginx, host, ports = troubles[0].nginx, troubles[0].endpoint.host, {t.endpoint.port for t in troubles}
    web, similar = container_of(case.snapshot, nginx.node), _similar_container_names(case, nginx, host)
    if web is None or web.is_machine or len(ports) != 1:
        return ()
    mine = {network for network, _, _ in web.networks} | {web.network_mode}
    found = [s.container for s in case.snapshot.services if s.container is not None and s.running
             and s.id not in case.services_in_use and s.is_app_server
             and any(network in mine for network, _, _ in s.container.networks)
             and ports <= {x.port for x in listeners_on(case.snapshot, s.node) if not is_loopback(x.address)}]
    names = (box.service or box.name for box in found if not {box.service, box.name}.intersection(similar))
    return tuple(dict.fromkeys(names))[:3]


def _renamed_container(case: Case, troubles: list[FailingAddress]) -> str:
    """Return the one container on nginx's networks that has a similar name, listens on that port, and that no route
    relies on: by the name of its service, which each of its containers has. Empty if there is none, or several."""
    nginx, host, ports = troubles[0].nginx, troubles[0].endpoint.host, {t.endpoint.port for t in troubles}
    names = _similar_container_names(case, nginx, host)
    meant = [s for s in case.snapshot.services if s.container is not None and s.running
             and s.id not in case.services_in_use
             and s.is_app_server and {s.container.service, s.container.name}.intersection(names)]
    others = [n for n in names if not meant or meant[0].container is None or n not in (
        meant[0].container.service, meant[0].container.name)]
    if len(meant) != 1 or others or len(ports) != 1:
        return ""
    held = {x.port for x in listeners_on(case.snapshot, meant[0].node) if not is_loopback(x.address)}
    if not ports <= held:
        return ""
    box, web = meant[0].container, container_of(case.snapshot, nginx.node)
    mine = {network for network, _, _ in web.networks} | {web.network_mode} if web is not None else set()
    if box is None or not box.service or names[0] != box.name or not re.fullmatch(
            rf"{re.escape(box.project or '')}[-_]{re.escape(box.service)}[-_]\d+", box.name):
        return names[0]
    known = any(network in mine and box.service in aliases for network, _, aliases in box.networks)
    return box.service if known else names[0]


def _stopped_container(case: Case, nginx: Nginx, new: str) -> Service | None:
    """Return the stopped container on nginx's networks that has the given name: it does not resolve then."""
    box = container_of(case.snapshot, nginx.node)
    if not new or box is None or box.is_machine:
        return None
    mine = {network for network, _, _ in box.networks} | {box.network_mode}
    return next((
        s for s in case.snapshot.services if s.container is not None and s.container.status in ("exited", "created")
        and any(network in mine and new in (*names, s.container.service, s.container.name)
                for network, _, names in s.container.networks)
    ), None)


def _reload_or_start_steps(case: Case, nginx: Nginx) -> tuple[Step, ...]:
    return start_nginx_steps(case, nginx) if nginx.master_pid is None else check_and_reload_steps(case.snapshot, nginx)


def other_resolver_repair(case: Case, trouble: FailingAddress) -> Repair:
    """Return the network's own resolver if nginx is in a container on a user-defined network and names only one server.
    It is Docker's, unless the container's resolv.conf names another one (Podman)."""
    nginx = trouble.nginx
    found = _resolver_directives(case, nginx)
    where = ", ".join(f"{path}:{line}" for path, line, _, _ in found) or nginx.conf_path
    own = name_servers_of(case, nginx)
    server = own[0] if own and DOCKER_RESOLVER not in own else DOCKER_RESOLVER
    manual = (f"the server that `resolver` names at {where} does not answer, or does not resolve "
              f"{trouble.endpoint.host}: name a server that does{at_hand_text(own)}, then reload nginx")
    whose = "Docker's own resolver" if server == DOCKER_RESOLVER else "the resolver of its network"
    summary = f"use {whose} ({server}) instead of the one at {where}"
    if not _is_on_own_network(case, nginx) or len(found) != 1 or _is_server(found[0][3], server):
        title = f"make nginx's resolver find {trouble.endpoint.host}"
        return Repair("point-resolver", "manual", title, (), manual=manual)
    path, _, (start, end), _ = found[0]
    file = locate_editable_file(case.snapshot, nginx.node, path)
    if isinstance(file, NotEditable):
        return Repair("point-resolver", "manual", summary, (), manual=f"{manual}; {file.reason}")
    try:
        edit = edit_spans(file, {(start, end): _with_brackets(server).encode()}, "another resolver")
    except EditRefused as refused:
        return Repair("point-resolver", "manual", summary, (), manual=f"{manual}; {refused}")
    return Repair("point-resolver", "safe", summary, (edit, *check_and_reload_steps(case.snapshot, nginx)))


def _is_on_own_network(case: Case, nginx: Nginx) -> bool:
    """Return whether nginx is in a container on a network that a user defined: it has a resolver of its own."""
    box = container_of(case.snapshot, nginx.node)
    networks = () if box is None or box.is_machine else box.networks
    return any(name not in ("bridge", "host", "podman") for name, _, _ in networks)


def _is_server(text: str, server: str) -> bool:
    """Return whether the text of a `resolver` is that server, with or without a port."""
    return text == _with_brackets(server) or text.startswith(f"{_with_brackets(server)}:")


def _with_brackets(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def name_servers_of(case: Case, nginx: Nginx) -> tuple[str, ...]:
    """Return the name servers in the resolv.conf of nginx's machine or container; empty if it was not read."""
    node = find_node(case.snapshot, nginx.node)
    return node.name_servers if node is not None else ()


def at_hand_text(servers: tuple[str, ...]) -> str:
    """Return which servers nginx's machine or container asks itself, to follow a clause."""
    return f" (its /etc/resolv.conf names {', '.join(servers[:3])})" if servers else ""


def foreign_resolver_text(case: Case, nginx: Nginx) -> str:
    """Return what is wrong with Docker's address in a `resolver`, if nginx is where Docker has none; else empty."""
    named = next((f"{path}:{line}" for path, line, _, text in _resolver_directives(case, nginx)
                  if _is_server(text, DOCKER_RESOLVER)), "")
    own = name_servers_of(case, nginx)
    if not named or DOCKER_RESOLVER in own or (not own and _may_have_dockers(case, nginx)):
        return ""
    return (f"{DOCKER_RESOLVER} (at {named}) is Docker's own resolver: it exists only in Docker's containers on a "
            f"network that a user defined{', not under Podman and not on a host' if own else ''}")


def _may_have_dockers(case: Case, nginx: Nginx) -> bool:
    box = container_of(case.snapshot, nginx.node)
    return box is not None and (box.is_machine or _is_on_own_network(case, nginx))


def _resolver_directives(case: Case, nginx: Nginx) -> list[tuple[str, int, tuple[int, int], str]]:
    """Return (file, line, bytes of the first address, its text) of every `resolver` in the configuration."""
    return _first_arguments(case, nginx, b"resolver")


def _first_arguments(case: Case, nginx: Nginx, name: bytes) -> list[tuple[str, int, tuple[int, int], str]]:
    """Return (file, line, bytes, text) of the first argument of every directive of that name."""
    found: list[tuple[str, int, tuple[int, int], str]] = []
    for path in nginx.config.value.files if isinstance(nginx.config, Known) else ():
        place = locate_editable_file(case.snapshot, nginx.node, path)
        data = place.data if isinstance(place, EditableFile) else b""
        tokens = tokenize(data)[0] if name in data else []
        for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False):
            begins = before is None or before.value in (b";", b"{", b"}")
            if begins and token.value == name and token.kind == "word":
                line = data.count(b"\n", 0, token.start) + 1
                found.append((path, line, (after.start, after.end), after.value.decode("latin-1")))
    return found


def _similar_upstreams(case: Case, troubles: list[FailingAddress]) -> tuple[tuple[str, str], ...]:
    """Return (name, file:line) of the `upstream` blocks whose name is similar to a host without dots or port."""
    host, nginx = troubles[0].endpoint.host, troubles[0].nginx
    if "." in host or any(endpoint.written != host for trouble in troubles for endpoint in trouble.endpoints):
        return ()
    return tuple((name, place_text(case.snapshot, nginx.node, path, line))
                 for path, line, _, name in _first_arguments(case, nginx, b"upstream")
                 if _UPSTREAM_NAME.fullmatch(name) and SequenceMatcher(None, name, host).ratio() >= _MIN_SIMILARITY)
