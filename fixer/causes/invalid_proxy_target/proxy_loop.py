"""A pass that leads to the nginx that it stands in: the socket there is its own, and the same server takes the
requests. Each request then goes round, two connections a turn, until none is left."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import (
    config_evidence,
    endpoint_text,
    file_line_text,
    find_node,
    listener_at,
    listener_evidence,
    listeners_on,
    pids_of,
)
from fixer.analysis.line_routes import authority_of
from fixer.analysis.nginx_errors import (
    locations_text,
    recent_lines,
    recent_lines_by_route,
    routes_text,
    symptom_evidence,
)
from fixer.analysis.route_verdict import RouteVerdict
from fixer.formats.addresses import is_loopback
from fixer.formats.numbers import is_number, times_text
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import ErrorEvent, Nginx
from fixer.repairs.upstream_address import POINT_ID, point_at_listener_repair, reachable_listeners

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.resolve import unclaimed_candidates

_VARIANT = "proxy-loop"
_MAX_SHOWN = 3


def loop_findings(case: Case) -> Iterator[Finding]:
    """Yield a finding for each failing address at which the route's own server listens, then for each route whose
    variable has led there: nginx's lines say the address."""
    shown: set[str] = set()
    for trouble in case.failing_addresses:
        lines = recent_lines(case, trouble.nginx, {"connections-exhausted"})
        if _leads_back(trouble) and (lines or _is_alone(trouble)):
            shown.update(trouble.route_ids)
            yield _found(case, trouble, lines)
    for nginx in case.snapshot.nginxes:
        for judged, events in recent_lines_by_route(case, nginx, {"connections-exhausted"}).values():
            found = None if judged.facts.route.id in shown else _logged_loop(case, nginx, judged, events)
            if found is not None:
                yield found


def _logged_loop(case: Case, nginx: Nginx, judged: RouteVerdict, events: tuple[ErrorEvent, ...]) -> Finding | None:
    """Return the finding about a value of a variable that has led a route's requests to its own server's socket."""
    route = judged.facts.route
    own = {nginx.master_pid, *nginx.worker_pids}
    held = {listener.port: listener for listener in listeners_on(case.snapshot, nginx.node)
            if own.intersection(pids_of(listener)) and listener.port in {listen.port for listen in route.listens}}
    back = [(event, held[port]) for event in events if (port := _own_port(case, nginx, event)) in held]
    if not back or "$" not in route.pass_text:
        return None
    last, listener = back[-1]
    address = authority_of(last.upstream).partition("://")[2]
    ends = [case.endpoints[name] for name in judged.facts.endpoints]
    values = [e for e in ends if e.port == listener.port and e.unix is None]
    places = [file_line_text(case.snapshot, nginx.node, e.file, e.line) for e in values[:_MAX_SHOWN]]
    where = " or ".join(places) or f"the value of {route.pass_text}"
    portless = "" if not values else " A value without a port means port 80."
    return Finding(
        cause="invalid-proxy-target", variant=_VARIANT, role="root",
        confidence="certain" if is_loopback(last.client) else "likely",
        summary=f"a value of {route.pass_text} leads {locations_text((judged.facts,))} to {address}, where nginx "
                "listens itself: each request goes round until no connection is left",
        detail=(), routes=(route.id,), service=None, node=nginx.node,
        evidence=(
            Evidence("nginx-log", last.where, f"{times_text(len(back))} within a minute: {last.raw}"),
            listener_evidence(case.snapshot, listener),
            *(config_evidence(case.snapshot, nginx, e) for e in values[:_MAX_SHOWN]),
        ),
        repairs=(Repair(POINT_ID, "manual", f"correct the value that leads to {address}", (), manual=(
            f"correct {where}: write the application's address with its port.{portless} Then run nginx -t and reload "
            "nginx")),),
        effects=("loops", "looks-busy", "stale-config"),
    )


def _own_port(case: Case, nginx: Nginx, event: ErrorEvent) -> int:
    """Return the port of the line's upstream if its address is one of nginx's machine, else 0."""
    host, _, port = authority_of(event.upstream).partition("://")[2].rpartition(":")
    node = find_node(case.snapshot, nginx.node)
    mine = is_loopback(host.strip("[]")) or (node is not None and host.strip("[]") in node.addresses)
    return int(port) if mine and is_number(port) else 0


def _leads_back(trouble: FailingAddress) -> bool:
    """Return whether the socket is this nginx's, a server of the routes listens there, and no answer below 400 came
    from there."""
    held, nginx = listener_at(trouble.endpoint), trouble.nginx
    http = trouble.endpoint.http
    if held is None or trouble.endpoint.node != nginx.node or not {nginx.master_pid, *nginx.worker_pids}.intersection(
            pids_of(held)) or (isinstance(http, Known) and (http.value.status or 500) < 400):
        return False
    ports = {listen.port for facts in trouble.routes for listen in facts.route.listens}
    return held.port in ports


def _is_alone(trouble: FailingAddress) -> bool:
    """Return whether no other server takes requests at that port: the request comes back whatever its Host is."""
    config, port = trouble.nginx.config.or_else(None), trouble.endpoint.port_on_node
    own = {facts.route.server_index for facts in trouble.routes}
    return config is not None and own.issuperset(
        index for index, server in enumerate(config.servers) if port in {listen.port for listen in server.listens})


def _found(case: Case, trouble: FailingAddress, lines: list[ErrorEvent]) -> Finding:
    held, endpoint = listener_at(trouble.endpoint), trouble.endpoint
    shown = [config_evidence(case.snapshot, trouble.nginx, endpoint)]
    if held is not None:
        shown.append(listener_evidence(case.snapshot, held))
    if lines:
        last = lines[-1]
        shown.append(Evidence("nginx-log", last.where, f"{times_text(len(lines))} within a minute: {last.raw}"))
    return Finding(
        cause="invalid-proxy-target", variant=_VARIANT, role="root", confidence="certain" if lines else "likely",
        summary=f"nginx hands {routes_text(trouble)} to {endpoint_text(endpoint)}, where it listens itself: each "
                "request goes round until no connection is left",
        detail=(), routes=trouble.route_ids, service=None, node=trouble.nginx.node,
        evidence=tuple(dict.fromkeys((*shown, *symptom_evidence(case, trouble)))),
        repairs=(_repair(case, trouble),), effects=("loops", "looks-busy", "stale-config"),
    )


def _repair(case: Case, trouble: FailingAddress) -> Repair:
    """Return the repair to the only service that no other route relies on; of several, an operator chooses one."""
    owners = unclaimed_candidates(case, trouble)
    options = tuple(option for owner in owners for option in reachable_listeners(case, trouble, owner))
    if options:
        return point_at_listener_repair(case, trouble, options, ask=len(options) > 1 or owners[0].needs_choice)
    endpoint = trouble.endpoint
    where = file_line_text(case.snapshot, trouble.nginx.node, endpoint.file, endpoint.line)
    apps = [s.name for s in case.snapshot.services if s.is_app_server and s.running][:_MAX_SHOWN]
    known = f" (application servers that run: {', '.join(apps)})" if apps else ""
    return Repair(POINT_ID, "manual", f"point {routes_text(trouble)} at its application", (), manual=(
        f"write the address of the application in place of {endpoint_text(endpoint)} at {where}{known}. Then run "
        "nginx -t and reload nginx"))
