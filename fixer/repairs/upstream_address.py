"""Pointing a route at its backend's real socket: which sockets qualify, and the edit of the port's digits."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    endpoint_text,
    listeners_on,
    pids_of,
    processes_of,
    supervisor_name_of,
)
from fixer.analysis.nginx_errors import routes_text
from fixer.analysis.service_state import is_socket_activated, state_evidence
from fixer.formats.addresses import is_loopback
from fixer.formats.application_servers import server_of
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Span
from fixer.model.plan import Step
from fixer.model.snapshot import Endpoint, Listener, Service
from fixer.nginx.span_edit import EditRefused
from fixer.repairs.file_edits import (
    EditableFile,
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    edit_spans,
    locate_editable_file,
    overwriters_text,
)

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.intended_container import services_with_same_port
    from fixer.repairs.docker_follower import port_variable_repair

POINT_ID = "point-route-at-listener"
LISTENER_KEY = "upstream"



@dataclass(frozen=True, slots=True)
class ReachableListener:
    """A socket that may be intended: its owner, and the address as the configuration would name it."""

    owner: PortOwner
    listener: Listener
    text: str
    is_configured: bool      # the service is configured to listen exactly there


def reachable_listeners(case: Case, trouble: FailingAddress, owner: PortOwner) -> tuple[ReachableListener, ...]:
    """Return the service's own sockets on other ports that nginx can reach; of several, the configured one."""
    options = all_reachable_listeners(case, trouble, owner)
    if len(options) > 1:
        by_port = {option.listener.port: option for option in options}
        for binding in bindings_of(owner.service):
            if binding.unix is None and binding.port in by_port:
                return (by_port[binding.port],)
    return options


def all_reachable_listeners(case: Case, trouble: FailingAddress, owner: PortOwner) -> tuple[ReachableListener, ...]:
    """Return all of them, in the order of its configuration."""
    service, endpoint = owner.service, trouble.endpoint
    told, ours = [b.port for b in bindings_of(service) if b.unix is None], set(service.pids)
    if endpoint.container_port:      # no other port of the host is the container's own
        return ()
    if not service.running and not is_socket_activated(service):
        return ()
    controls = {p.pid for p in processes_of(case.snapshot, service.node, service.pids)
                if supervisor_name_of(p) == "circusd"}
    found: dict[int, ReachableListener] = {}
    for line in listeners_on(case.snapshot, service.node):
        if line.family == "unix" or line.port == endpoint.port or line.port in found:
            continue
        if line.port not in told and ours.isdisjoint(pids_of(line)):
            continue
        if is_own_listener(trouble, line, service.node):
            continue       # nginx would ask itself
        if pids_of(line) and controls.issuperset(pids_of(line)):
            continue       # circusd's control socket: a program holds its own socket too
        if _is_held_by_service(line, service, told) and _is_reachable(line, endpoint, service):
            found[line.port] = ReachableListener(owner, line, address_text(endpoint.host, line.port), line.port in told)
    return tuple(sorted(found.values(), key=lambda o: told.index(o.listener.port) if o.is_configured else len(told)))


def is_own_listener(trouble: FailingAddress, line: Listener, node: str) -> bool:
    """Return whether the socket is one of the nginx that asks: in one container with it, an application shares them."""
    nginx = trouble.nginx
    return node == nginx.node and nginx.master_pid is not None and nginx.master_pid in pids_of(line)


def same_port_listeners(case: Case, trouble: FailingAddress, owner: PortOwner) -> tuple[ReachableListener, ...]:
    """Return other containers' listeners on the port: nginx may name the wrong application with the right port."""
    if owner.service.container is None or owner.rule != "placed":
        return ()
    port = trouble.endpoint.port
    return tuple(
        ReachableListener(PortOwner(other, "contested", (state_evidence(other),)), line, address_text(name, port),
                          is_configured=True)
        for other, name in services_with_same_port(case, trouble, owner.service)
        for line in [x for x in listeners_on(case.snapshot, other.node) if x.port == port and x.family != "unix"
                     and not is_loopback(x.address)][:1]
    )


def _is_held_by_service(line: Listener, service: Service, told: list[int]) -> bool:
    """Return whether the service holds it: by its processes, or by the configured port if these are unknown or systemd
    holds the socket."""
    if is_socket_activated(service) and 1 in pids_of(line):
        return line.port in told
    if isinstance(line.pids, Unknown) or not line.pids.value:
        return line.port in told
    return bool(set(pids_of(line)) & set(service.pids))


def _is_reachable(line: Listener, endpoint: Endpoint, service: Service) -> bool:
    addresses = endpoint.addresses.or_else(())
    wanted = set(addresses) or {"127.0.0.1" if endpoint.host == "localhost" else endpoint.host}
    v4 = any(":" not in address for address in wanted)
    if line.address in ("0.0.0.0", "*"):   # noqa: S104  an address that was read
        return v4
    if line.address == "::":
        return any(":" in address for address in wanted) or not server_of(service.runtime).is_ipv6_only
    return line.address.removeprefix("::ffff:") in wanted       # an address of IPv4, by a socket of both


def point_at_listener_repair(case: Case, trouble: FailingAddress, options: tuple[ReachableListener, ...], *,
                             ask: bool) -> Repair:
    """Return the repair, complete with the only option or, if `ask`, with the one that the operator named."""
    needs: tuple[Need, ...] = ()
    chosen: ReachableListener | None = options[0]
    if ask:
        needs = (_listener_need(trouble, options),)
        chosen = next((o for o in options if o.text == case.inputs.get(LISTENER_KEY)), None)
    target = chosen if chosen is not None else options[0]
    aim = target.text if chosen is not None else "the intended listener"
    summary = f"point {routes_text(trouble)} at {aim} instead of {endpoint_text(trouble.endpoint)}"
    digits = port_spans_of(trouble)
    places = editable_files_of(case, trouble, digits)
    if isinstance(places, NotEditable):
        moved = None if chosen is None else port_variable_repair(
            case.snapshot, trouble.nginx, trouble.endpoint, [facts.route for facts in trouble.routes],
            (target.owner.service, target.listener.port))
        return moved or _manual_repair(trouble, target, places.reason, needs)
    broken = trouble.nginx.test
    if isinstance(broken, Known) and broken.value[0] != 0:
        return _manual_repair(trouble, target, "nginx -t rejects the present configuration: repair that first", needs)
    try:
        writes = _port_edit_steps(trouble, places, digits, target.listener.port)
    except EditRefused as refused:
        return _manual_repair(trouble, target, str(refused), needs)
    found = tuple(places.values())
    steps = (*writes, *check_and_reload_steps(case.snapshot, trouble.nginx)) if chosen is not None else ()
    return Repair(POINT_ID, edit_risk(found, "safe"), summary + overwriters_text(found), steps, needs)


def _listener_need(trouble: FailingAddress, options: tuple[ReachableListener, ...]) -> Need:
    names = " or ".join(f"{o.owner.service.name} ({o.text})" for o in options)
    why = f"nothing listens at {endpoint_text(trouble.endpoint)}; the intended listener is unknown: {names}"
    return Need(LISTENER_KEY, "choice", why, tuple(o.text for o in options))


def editable_files_of(case: Case, trouble: FailingAddress,
                      digits: Mapping[str, Span]) -> dict[str, EditableFile] | NotEditable:
    """Return every file to edit, by the path that the configuration names."""
    places: dict[str, EditableFile] = {}
    for endpoint in trouble.endpoints:
        span = digits.get(endpoint.id)
        path = endpoint.file if span is None else span.file
        if path in places:
            continue
        place = locate_editable_file(case.snapshot, trouble.nginx.node, path)
        if isinstance(place, NotEditable):
            return place
        places[path] = place
    return places


def port_spans_of(trouble: FailingAddress) -> dict[str, Span]:
    """Return the span of each port's digits, by endpoint; it may be in a `set` far from the address."""
    by_span = {
        (server.span.file, server.span.start, server.span.end): server.port_span
        for facts in trouble.routes for server in facts.route.servers if server.port_span is not None
    }
    found = {e.id: by_span.get((e.file, e.start, e.end)) for e in trouble.endpoints}
    return {name: span for name, span in found.items() if span is not None}


def _port_edit_steps(trouble: FailingAddress, places: dict[str, EditableFile], digits: Mapping[str, Span],
                     port: int) -> tuple[Step, ...]:
    return tuple(edit_spans(place, wanted, f"port {port} instead of {trouble.endpoint.port}")
                 for place, wanted in port_edits(trouble, places, digits, port).values())


def port_edits(
    trouble: FailingAddress, places: dict[str, EditableFile], digits: Mapping[str, Span], port: int,
) -> dict[tuple[str, str], tuple[EditableFile, dict[tuple[int, int], bytes]]]:
    """Return the bytes to replace in each file."""
    spans: dict[tuple[str, str], tuple[EditableFile, dict[tuple[int, int], bytes]]] = {}
    for endpoint in trouble.endpoints:
        span = digits.get(endpoint.id)
        place = places[endpoint.file if span is None else span.file]
        if span is None:
            start, end, new = _port_span(place.data, endpoint, port)
        else:
            start, end, new = span.start, span.end, str(port).encode()
            if place.data[start:end] != str(endpoint.port).encode():
                raise EditRefused(f"{span.file}:{span.line} does not contain {endpoint.port}")
        spans.setdefault((place.node, place.path), (place, {}))[1][(start, end)] = new
    return spans


def _port_span(data: bytes, endpoint: Endpoint, port: int) -> tuple[int, int, bytes]:
    """Return the span of the digits; if the port is not written, the end of the host."""
    written = data[endpoint.start:endpoint.end]
    if written != endpoint.written.encode("utf-8", "surrogateescape"):
        raise EditRefused(f"{endpoint.file}:{endpoint.line} does not contain {endpoint.written} literally")
    digits = str(endpoint.port).encode()
    if written.endswith(b":" + digits):
        return endpoint.end - len(digits), endpoint.end, str(port).encode()
    if b"$" in written or (b":" in written and not written.endswith(b"]")):
        raise EditRefused(f"the port of {endpoint.written} at {endpoint.file}:{endpoint.line} is not written there")
    return endpoint.end, endpoint.end, b":" + str(port).encode()


def _manual_repair(trouble: FailingAddress, target: ReachableListener, why: str, needs: tuple[Need, ...]) -> Repair:
    places = ", ".join(f"{e.file}:{e.line}" for e in trouble.endpoints[:8])
    text = f"change port {trouble.endpoint.port} to {target.listener.port} at {places}, then run nginx -t and reload"
    title = f"point {routes_text(trouble)} at {target.text}"
    return Repair(POINT_ID, "manual", title, (), needs, manual=f"{text}; {why}")


def point_after_start_repair(trouble: FailingAddress, name: str, where: str, repair_id: str = POINT_ID) -> Repair:
    """Return what comes next while the service does not run: no socket of its own proves yet where it listens."""
    manual = f"when {name} listens on {where}, fixer points {routes_text(trouble)} there"
    return Repair(repair_id, "manual", f"point {routes_text(trouble)} at {where}", (), manual=manual, after=name)


# Another address in nginx's configuration: the complete `host:port` of every line that names the old one.
UPSTREAM_KEY = "upstream"
_UNIX_PREFIX = b"unix:"


def point_at_address_repair(case: Case, trouble: FailingAddress, repair_id: str, text: str | None,
                            need: Need | None = None) -> Repair:
    """Return a repair that points the routes at `text`; None if the operator has still to choose."""
    needs = () if need is None else (need,)
    old = endpoint_text(trouble.endpoint)
    summary = f"point {routes_text(trouble)} at {text or 'the intended address'} instead of {old}"
    places = _editable_files(case, trouble)
    at = ", ".join(f"{e.file}:{e.line}" for e in trouble.endpoints[:8])
    by_hand = f"write {text or 'the right address'} instead of {old} at {at}, then run nginx -t and reload"
    if isinstance(places, NotEditable):
        return Repair(repair_id, "manual", summary, (), needs, f"{by_hand}; {places.reason}")
    if isinstance(trouble.nginx.test, Known) and trouble.nginx.test.value[0] != 0:
        why = "nginx -t rejects the present configuration: repair that first"
        return Repair(repair_id, "manual", summary, (), needs, f"{by_hand}; {why}")
    found = tuple(places.values())
    if text is None:
        return Repair(repair_id, edit_risk(found, "safe"), summary + overwriters_text(found), (), needs)
    try:
        writes = tuple(
            edit_spans(place, _address_spans(trouble, place, path, text), f"{text} instead of {old}")
            for path, place in places.items()
        )
    except EditRefused as refused:
        return Repair(repair_id, "manual", summary, (), needs, f"{by_hand}; {refused}")
    steps = (*writes, *check_and_reload_steps(case.snapshot, trouble.nginx))
    return Repair(repair_id, edit_risk(found, "safe"), summary + overwriters_text(found), steps, needs)


def _editable_files(case: Case, trouble: FailingAddress) -> dict[str, EditableFile] | NotEditable:
    """Return every file to edit, by the path that the configuration names."""
    places: dict[str, EditableFile] = {}
    for endpoint in trouble.endpoints:
        place = places.get(endpoint.file) or locate_editable_file(case.snapshot, trouble.nginx.node, endpoint.file)
        if isinstance(place, NotEditable):
            return place
        written = place.data[endpoint.start:endpoint.end]
        if written != endpoint.written.encode("utf-8", "surrogateescape") or b"$" in written:
            return NotEditable(f"{endpoint.file}:{endpoint.line} does not contain {endpoint.written} literally")
        places[endpoint.file] = place
    return places


def _address_spans(trouble: FailingAddress, place: EditableFile, path: str, text: str) -> dict[tuple[int, int], bytes]:
    """Return the bytes to replace. A socket's path ends with a colon if a URI follows it. If a port replaces the path,
    that colon and the prefix `unix:` are removed."""
    found: dict[tuple[int, int], bytes] = {}
    for e in (e for e in trouble.endpoints if e.file == path):
        start, end, after = e.start, e.end, ""
        if text.startswith("unix:"):
            after = ":" if place.data[end:end + 1] == b"/" else ""
        elif e.unix is not None and not text.startswith("/"):
            start -= len(_UNIX_PREFIX)
            if place.data[start:e.start] != _UNIX_PREFIX:
                raise EditRefused(f"{e.file}:{e.line} does not contain unix: before {e.written}")
            end += place.data[end:end + 1] == b":"
        found[start, end] = (text + after).encode()
    return found
