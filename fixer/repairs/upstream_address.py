"""Pointing a route at the socket its backend really holds: which sockets qualify, and the edit of the port's digits."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    endpoint_text,
    keeper_of,
    listeners_on,
    pids_of,
    processes_of,
)
from fixer.analysis.nginx_errors import say_routes
from fixer.analysis.service_state import is_activated
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Span
from fixer.model.plan import Step
from fixer.model.snapshot import Endpoint, Listener, Service
from fixer.nginx.span_edit import EditRefused
from fixer.repairs.file_edits import NoPlace, Place, edit_spans, nginx_steps, overwriters, risk_of, writable_place

ID = "point-route-at-listener"
KEY = "upstream"

# asyncio sets IPV6_V6ONLY on every IPv6 socket: these do not take IPv4 on `::`
_V6_ONLY = frozenset({"uvicorn", "hypercorn", "daphne", "granian", "fastapi", "sanic"})


@dataclass(frozen=True, slots=True)
class Option:
    """A socket that could be meant: its owner, and the address as the configuration would name it."""

    owner: Owner
    listener: Listener
    text: str
    is_told: bool      # the service is told to listen exactly there


def reachable_listeners(case: Case, trouble: Trouble, owner: Owner) -> tuple[Option, ...]:
    """The service's own sockets on other ports that nginx can reach; of several, the one it is told to open."""
    options = every_reachable(case, trouble, owner)
    if len(options) > 1:
        by_port = {option.listener.port: option for option in options}
        for binding in bindings_of(owner.service):
            if binding.unix is None and binding.port in by_port:
                return (by_port[binding.port],)
    return options


def every_reachable(case: Case, trouble: Trouble, owner: Owner) -> tuple[Option, ...]:
    """All of them, in the order in which it is told of them."""
    service, endpoint = owner.service, trouble.endpoint
    told = [b.port for b in bindings_of(service) if b.unix is None]
    if endpoint.inner:      # behind a published port no other one of the host is its own
        return ()
    if not service.running and not is_activated(service):
        return ()
    controls = {p.pid for p in processes_of(case.snapshot, service.node, service.pids) if keeper_of(p) == "circusd"}
    found: dict[int, Option] = {}
    for line in listeners_on(case.snapshot, service.node):
        if line.family == "unix" or line.port == endpoint.port or line.port in found:
            continue
        if pids_of(line) and controls.issuperset(pids_of(line)):
            continue       # by which it is told what to do: a socket of its programs they hold too
        if _is_held(line, service, told) and _is_reachable(line, endpoint, service):
            found[line.port] = Option(owner, line, address_text(endpoint.host, line.port), line.port in told)
    return tuple(sorted(found.values(), key=lambda o: told.index(o.listener.port) if o.is_told else len(told)))


def _is_held(line: Listener, service: Service, told: list[int]) -> bool:
    """By its processes; where nobody may see those, or systemd holds the socket for it, by the port it is told to open.
    """
    if is_activated(service) and 1 in pids_of(line):
        return line.port in told
    if isinstance(line.pids, Unknown) or not line.pids.value:
        return line.port in told
    return bool(set(pids_of(line)) & set(service.pids))


def _is_reachable(line: Listener, endpoint: Endpoint, service: Service) -> bool:
    addresses = endpoint.addresses.value if isinstance(endpoint.addresses, Known) else ()
    wanted = set(addresses) or {"127.0.0.1" if endpoint.host == "localhost" else endpoint.host}
    v4 = any(":" not in address for address in wanted)
    if line.address in ("0.0.0.0", "*"):   # noqa: S104  an address that was read
        return v4
    if line.address == "::":
        return any(":" in address for address in wanted) or service.runtime not in _V6_ONLY
    return line.address in wanted


def point_at_listener(case: Case, trouble: Trouble, options: tuple[Option, ...], *, ask: bool) -> Repair:
    """The repair: complete with the one option, or, where a person is to be asked, with the one they have named."""
    needs: tuple[Need, ...] = ()
    chosen: Option | None = options[0]
    if ask:
        needs = (_choice(trouble, options),)
        chosen = next((o for o in options if o.text == case.inputs.get(KEY)), None)
    target = chosen if chosen is not None else options[0]
    aim = target.text if chosen is not None else "the listener that is meant"
    summary = f"point {say_routes(trouble)} at {aim} instead of {endpoint_text(trouble.endpoint)}"
    digits = digits_of(trouble)
    places = places_of(case, trouble, digits)
    if isinstance(places, NoPlace):
        return _manual(trouble, target, places.why, needs)
    broken = trouble.nginx.test
    if isinstance(broken, Known) and broken.value[0] != 0:
        return _manual(trouble, target, "nginx -t refuses the configuration as it is: repair that first", needs)
    try:
        writes = _writes(trouble, places, digits, target.listener.port)
    except EditRefused as refused:
        return _manual(trouble, target, str(refused), needs)
    found = tuple(places.values())
    steps = (*writes, *nginx_steps(case.snapshot, trouble.nginx)) if chosen is not None else ()
    return Repair(ID, risk_of(found, "safe"), summary + overwriters(found), steps, needs)


def _choice(trouble: Trouble, options: tuple[Option, ...]) -> Need:
    names = " or ".join(f"{o.owner.service.name} ({o.text})" for o in options)
    why = f"{endpoint_text(trouble.endpoint)} is empty and nothing tells which is meant: {names}"
    return Need(KEY, "choice", why, tuple(o.text for o in options))


def places_of(case: Case, trouble: Trouble, digits: Mapping[str, Span]) -> dict[str, Place] | NoPlace:
    """Every file to edit, by the path that the configuration names."""
    places: dict[str, Place] = {}
    for endpoint in trouble.endpoints:
        span = digits.get(endpoint.id)
        path = endpoint.file if span is None else span.file
        if path in places:
            continue
        place = writable_place(case.snapshot, trouble.nginx.node, path)
        if isinstance(place, NoPlace):
            return place
        places[path] = place
    return places


def digits_of(trouble: Trouble) -> dict[str, Span]:
    """Where the configuration writes each port's digits, by endpoint; that may be in a `set` far from the address."""
    by_span = {
        (server.span.file, server.span.start, server.span.end): server.port_span
        for facts in trouble.routes for server in facts.route.servers if server.port_span is not None
    }
    found = {e.id: by_span.get((e.file, e.start, e.end)) for e in trouble.endpoints}
    return {name: span for name, span in found.items() if span is not None}


def _writes(trouble: Trouble, places: dict[str, Place], digits: Mapping[str, Span], port: int) -> tuple[Step, ...]:
    return tuple(edit_spans(place, wanted, f"port {trouble.endpoint.port} becomes {port}")
                 for place, wanted in port_edits(trouble, places, digits, port).values())


def port_edits(
    trouble: Trouble, places: dict[str, Place], digits: Mapping[str, Span], port: int,
) -> dict[tuple[str, str], tuple[Place, dict[tuple[int, int], bytes]]]:
    """Which bytes become what in each file."""
    spans: dict[tuple[str, str], tuple[Place, dict[tuple[int, int], bytes]]] = {}
    for endpoint in trouble.endpoints:
        span = digits.get(endpoint.id)
        place = places[endpoint.file if span is None else span.file]
        if span is None:
            start, end, new = _port_span(place.data, endpoint, port)
        else:
            start, end, new = span.start, span.end, str(port).encode()
            if place.data[start:end] != str(endpoint.port).encode():
                raise EditRefused(f"{span.file}:{span.line} does not hold {endpoint.port}")
        spans.setdefault((place.node, place.path), (place, {}))[1][(start, end)] = new
    return spans


def _port_span(data: bytes, endpoint: Endpoint, port: int) -> tuple[int, int, bytes]:
    """Where the digits stand; where the port is not written, the end of the host."""
    written = data[endpoint.start:endpoint.end]
    if written != endpoint.written.encode("utf-8", "surrogateescape"):
        raise EditRefused(f"{endpoint.file}:{endpoint.line} does not hold {endpoint.written} literally")
    digits = str(endpoint.port).encode()
    if written.endswith(b":" + digits):
        return endpoint.end - len(digits), endpoint.end, str(port).encode()
    if b"$" in written or (b":" in written and not written.endswith(b"]")):
        raise EditRefused(f"the port of {endpoint.written} at {endpoint.file}:{endpoint.line} is not written there")
    return endpoint.end, endpoint.end, b":" + str(port).encode()


def _manual(trouble: Trouble, target: Option, why: str, needs: tuple[Need, ...]) -> Repair:
    places = ", ".join(f"{e.file}:{e.line}" for e in trouble.endpoints[:8])
    text = f"change port {trouble.endpoint.port} to {target.listener.port} at {places}, then nginx -t and reload; {why}"
    return Repair(ID, "manual", f"point {say_routes(trouble)} at {target.text}", (), needs, manual=text)


def after_start(trouble: Trouble, name: str, where: str, repair_id: str = ID) -> Repair:
    """What comes next while the service does not run: no socket of its own proves yet where it listens."""
    manual = f"start {name} first: once it listens on {where}, fixer points {say_routes(trouble)} there"
    return Repair(repair_id, "manual", f"point {say_routes(trouble)} at {where}", (), manual=manual)


# Another address in nginx's configuration: the whole `host:port` of every place that names the old one.
UPSTREAM_KEY = "upstream"
_UNIX = b"unix:"


def point_at(case: Case, trouble: Trouble, repair_id: str, text: str | None, need: Need | None = None) -> Repair:
    """Point the routes at `text`; None where a person has still to choose."""
    needs = () if need is None else (need,)
    old = endpoint_text(trouble.endpoint)
    summary = f"point {say_routes(trouble)} at {text or 'the address that is meant'} instead of {old}"
    places = _places(case, trouble)
    at = ", ".join(f"{e.file}:{e.line}" for e in trouble.endpoints[:8])
    by_hand = f"write {text or 'the right address'} instead of {old} at {at}, then nginx -t and reload"
    if isinstance(places, NoPlace):
        return Repair(repair_id, "manual", summary, (), needs, f"{by_hand}; {places.why}")
    if isinstance(trouble.nginx.test, Known) and trouble.nginx.test.value[0] != 0:
        why = "nginx -t refuses the configuration as it is: repair that first"
        return Repair(repair_id, "manual", summary, (), needs, f"{by_hand}; {why}")
    found = tuple(places.values())
    if text is None:
        return Repair(repair_id, risk_of(found, "safe"), summary + overwriters(found), (), needs)
    try:
        writes = tuple(
            edit_spans(place, _spans(trouble, place, path, text), f"{old} becomes {text}")
            for path, place in places.items()
        )
    except EditRefused as refused:
        return Repair(repair_id, "manual", summary, (), needs, f"{by_hand}; {refused}")
    steps = (*writes, *nginx_steps(case.snapshot, trouble.nginx))
    return Repair(repair_id, risk_of(found, "safe"), summary + overwriters(found), steps, needs)


def _places(case: Case, trouble: Trouble) -> dict[str, Place] | NoPlace:
    """Every file to edit, by the path that the configuration names."""
    places: dict[str, Place] = {}
    for endpoint in trouble.endpoints:
        place = places.get(endpoint.file) or writable_place(case.snapshot, trouble.nginx.node, endpoint.file)
        if isinstance(place, NoPlace):
            return place
        written = place.data[endpoint.start:endpoint.end]
        if written != endpoint.written.encode("utf-8", "surrogateescape") or b"$" in written:
            return NoPlace(f"{endpoint.file}:{endpoint.line} does not hold {endpoint.written} literally")
        places[endpoint.file] = place
    return places


def _spans(trouble: Trouble, place: Place, path: str, text: str) -> dict[tuple[int, int], bytes]:
    """A socket's path ends with a colon where a page follows it: else that would belong to the path. Where a port takes
    its place, that colon goes, and the word `unix:` before the path."""
    found: dict[tuple[int, int], bytes] = {}
    for e in (e for e in trouble.endpoints if e.file == path):
        start, end, after = e.start, e.end, ""
        if text.startswith("unix:"):
            after = ":" if place.data[end:end + 1] == b"/" else ""
        elif e.unix is not None and not text.startswith("/"):
            start -= len(_UNIX)
            if place.data[start:e.start] != _UNIX:
                raise EditRefused(f"{e.file}:{e.line} does not say unix: before {e.written}")
            end += place.data[end:end + 1] == b":"
        found[start, end] = (text + after).encode()
    return found
