"""Upstream groups with several closed addresses of one service: each gets its own listener."""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import bindings_of, config_evidence, endpoint_text, listener_evidence
from fixer.analysis.nginx_errors import routes_text
from fixer.analysis.route_verdict import is_closed
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Known
from fixer.model.snapshot import Endpoint, Service, Snapshot
from fixer.nginx.span_edit import EditRefused
from fixer.repairs.file_edits import (
    EditableFile,
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    edit_spans,
    overwriters_text,
)
from fixer.repairs.upstream_address import POINT_ID, ReachableListener, editable_files_of, port_edits, port_spans_of

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.resolve import only_owner


@dataclass(frozen=True, slots=True)
class AddressPair:
    """A closed address, and the listener that replaces it."""

    failing_address: FailingAddress
    option: ReachableListener


def pair_addresses(case: Case, trouble: FailingAddress,
                   options: tuple[ReachableListener, ...]) -> tuple[AddressPair, ...] | None:
    """Pair both in file order; empty if their numbers differ, None if only one address is closed."""
    name, routes = options[0].owner.service.id, set(trouble.route_ids)
    ours = [t for t in case.failing_addresses if t.nginx.node == trouble.nginx.node and routes.intersection(t.route_ids)
            and t.endpoint.unix is None and is_closed(t.endpoint) is True
            and (owner := only_owner(case, t)) is not None and owner.service.id == name]
    if len(ours) < 2:
        return None
    asked = {e.port for e in case.snapshot.endpoints if e.node == trouble.endpoint.node and is_closed(e) is not True}
    free = [o for o in options if o.is_configured and o.listener.port not in asked]
    if len(free) != len(ours):
        return ()
    ours.sort(key=lambda t: (t.endpoint.file, t.endpoint.start))
    return tuple(AddressPair(t, o) for t, o in zip(ours, free, strict=True))


def finding_of_group(case: Case, trouble: FailingAddress, pairs: tuple[AddressPair, ...], first: Finding) -> Finding:
    """Return the finding of the first pair, extended to all addresses of the group."""
    asked = ", ".join(endpoint_text(pair.failing_address.endpoint) for pair in pairs)
    held = ", ".join(pair.option.text for pair in pairs)
    name = pairs[0].option.owner.service.name
    evidence = tuple(e for pair in pairs[1:] for e in (
        config_evidence(case.snapshot, trouble.nginx, pair.failing_address.endpoint),
        listener_evidence(case.snapshot, pair.option.listener, pair.option.owner.service)))
    summary = f"nginx hands {routes_text(trouble)} to {asked}, where nothing listens; {name} listens on {held}"
    return replace(first, summary=summary, evidence=tuple(dict.fromkeys((*first.evidence, *evidence))),
                   repairs=(point_each_repair(case, pairs),))


def point_each_repair(case: Case, pairs: tuple[AddressPair, ...]) -> Repair:
    """Return one edit for all addresses: with only the first, the others would have no service."""
    first = pairs[0].failing_address
    told = ", ".join(f"{p.option.text} instead of {endpoint_text(p.failing_address.endpoint)}" for p in pairs)
    summary = f"point {routes_text(first)} at {told}"
    spots = ", ".join(f"port {p.failing_address.endpoint.port} to {p.option.listener.port} at "
                      f"{p.failing_address.endpoint.file}:{p.failing_address.endpoint.line}" for p in pairs)
    broken = first.nginx.test
    if isinstance(broken, Known) and broken.value[0] != 0:
        why = "nginx -t rejects the present configuration: repair that first"
        return Repair(POINT_ID, "manual", summary, (),
                      manual=f"change {spots}, then run nginx -t and reload nginx; {why}")
    wanted: dict[tuple[str, str], tuple[EditableFile, dict[tuple[int, int], bytes]]] = {}
    places: list[EditableFile] = []
    for pair in pairs:
        digits = port_spans_of(pair.failing_address)
        found = editable_files_of(case, pair.failing_address, digits)
        try:
            if isinstance(found, NotEditable):
                raise EditRefused(found.reason)
            edits = port_edits(pair.failing_address, found, digits, pair.option.listener.port)
        except EditRefused as refused:
            return Repair(POINT_ID, "manual", summary, (),
                          manual=f"change {spots}, then run nginx -t and reload nginx; {refused}")
        for key, (place, spans) in edits.items():
            wanted.setdefault(key, (place, {}))[1].update(spans)
        places += found.values()
    steps = tuple(edit_spans(place, spans, "the ports that its service listens on") for place, spans in wanted.values())
    kept = tuple(dict.fromkeys(places))
    return Repair(POINT_ID, edit_risk(kept, "safe"), summary + overwriters_text(kept),
                  (*steps, *check_and_reload_steps(case.snapshot, first.nginx)))


# Listeners on another port that would not last: containers whose own settings name nginx's port, units changed until
# the next boot.
_RUNTIME_FOLDERS = ("/run/systemd/system/", "/run/systemd/system.control/")
_RUNTIME_SOURCES = frozenset({"process", "container"})


def explain_contradiction(snapshot: Snapshot, endpoint: Endpoint,
                          option: ReachableListener) -> tuple[str, Repair] | None:
    """Return the evidence that nginx's port is right, and the manual repair."""
    service, box = option.owner.service, option.owner.service.container
    if service.unit is not None:
        return _explain_runtime_drop_in(service, option.listener.port)
    if box is None or box.is_machine:
        return None
    wanted, name = endpoint.port_on_node, box.service
    if _is_created_differently(snapshot, service, wanted):
        words = f"but its project's files say {wanted}: the container was created with other settings"
        text = (f"find out why its settings differ (docker compose config {name}; a variable of somebody's shell?). "
                f"Then run docker compose up -d --no-deps {name} to create it as the files say. Another port in nginx "
                "would be wrong from the next `up` on")
        return words, Repair(POINT_ID, "manual", f"recreate {name} as its files say", (), manual=text)
    if box.health == "unhealthy" and box.health_port == wanted:
        words = f"but its own health check also uses {wanted}, and fails"
        text = (f"let {service.name} listen on {wanted} again. Or, if {option.listener.port} is intended, change the "
                "health check and nginx together: otherwise services that wait for it to be healthy do not start")
        summary = f"let {service.name} listen on the port of nginx and of its health check"
        return words, Repair(POINT_ID, "manual", summary, (), manual=text)
    return None


def _explain_runtime_drop_in(service: Service, port: int) -> tuple[str, Repair] | None:
    """Explain a drop-in of `systemctl edit --runtime`: a port changed in nginx would be wrong after a reboot."""
    told = next((b.source.where for b in bindings_of(service) if b.port == port and b.unix is None), "")
    if not told.startswith(_RUNTIME_FOLDERS):
        return None
    file = told.rpartition(":")[0]
    text = (f"the next boot removes {file}. Remove it now (rm {file}; systemctl daemon-reload; systemctl restart "
            f"{service.name}). Or, if {port} should stay, write it with systemctl edit {service.name} and remove that "
            "file: then nginx can be pointed there")
    return f"as {told} says until the next boot", Repair(
        POINT_ID, "manual", f"decide which port {service.name} should use", (), manual=text)


def _is_created_differently(snapshot: Snapshot, service: Service, port: int) -> bool:
    """Return whether its compose files name the port but the container was not created from them."""
    box, compose = service.container, snapshot.compose
    told = bindings_of(service)
    if box is None or compose is None or box.service is None or not told:
        return False
    made = dict(compose.hash_matches).get(box.service)
    return made is False and told[0].port == port and told[0].source.source not in _RUNTIME_SOURCES
