"""Several empty addresses of one upstream, and as many sockets of the one service behind them: each gets its own."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import endpoint_text
from fixer.analysis.nginx_errors import say_routes
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.route_verdict import is_closed
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known
from fixer.nginx.span_edit import EditRefused
from fixer.repairs.file_edits import NoPlace, Place, edit_spans, nginx_steps, overwriters, risk_of
from fixer.repairs.upstream_address import ID, Option, digits_of, places_of, port_edits


@dataclass(frozen=True, slots=True)
class Pair:
    """An empty address, and the socket that takes its place."""

    trouble: Trouble
    option: Option


def pairs_of(case: Case, trouble: Trouble, options: tuple[Option, ...]) -> tuple[Pair, ...] | None:
    """In the order in which both are written; empty where their numbers differ, None where one address is empty."""
    name, routes = options[0].owner.service.id, set(trouble.route_ids)
    ours = [t for t in case.troubles if t.nginx.node == trouble.nginx.node and routes.intersection(t.route_ids)
            and t.endpoint.unix is None and is_closed(t.endpoint) is True
            and (owner := sole_owner(case, t)) is not None and owner.service.id == name]
    if len(ours) < 2:
        return None
    asked = {e.port for e in case.snapshot.endpoints if e.node == trouble.endpoint.node and is_closed(e) is not True}
    free = [o for o in options if o.is_told and o.listener.port not in asked]
    if len(free) != len(ours):
        return ()
    ours.sort(key=lambda t: (t.endpoint.file, t.endpoint.start))
    return tuple(Pair(t, o) for t, o in zip(ours, free, strict=True))


def point_each(case: Case, pairs: tuple[Pair, ...]) -> Repair:
    """One edit for all of them: with the first alone the others would have no service any more."""
    first = pairs[0].trouble
    told = ", ".join(f"{p.option.text} instead of {endpoint_text(p.trouble.endpoint)}" for p in pairs)
    summary = f"point {say_routes(first)} at {told}"
    spots = ", ".join(f"port {p.trouble.endpoint.port} to {p.option.listener.port} at "
                      f"{p.trouble.endpoint.file}:{p.trouble.endpoint.line}" for p in pairs)
    broken = first.nginx.test
    if isinstance(broken, Known) and broken.value[0] != 0:
        why = "nginx -t refuses the configuration as it is: repair that first"
        return Repair(ID, "manual", summary, (), manual=f"change {spots}, then nginx -t and reload; {why}")
    wanted: dict[tuple[str, str], tuple[Place, dict[tuple[int, int], bytes]]] = {}
    places: list[Place] = []
    for pair in pairs:
        digits = digits_of(pair.trouble)
        found = places_of(case, pair.trouble, digits)
        try:
            if isinstance(found, NoPlace):
                raise EditRefused(found.why)
            edits = port_edits(pair.trouble, found, digits, pair.option.listener.port)
        except EditRefused as refused:
            return Repair(ID, "manual", summary, (), manual=f"change {spots}, then nginx -t and reload; {refused}")
        for key, (place, spans) in edits.items():
            wanted.setdefault(key, (place, {}))[1].update(spans)
        places += found.values()
    steps = tuple(edit_spans(place, spans, "the ports that its service listens on") for place, spans in wanted.values())
    kept = tuple(dict.fromkeys(places))
    return Repair(ID, risk_of(kept, "safe"), summary + overwriters(kept),
                  (*steps, *nginx_steps(case.snapshot, first.nginx)))
