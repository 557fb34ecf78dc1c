"""A pass that leads to the nginx that it stands in: the socket there is its own, and the same server takes the
requests. Each request then goes round, two connections a turn, until none is left."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import (
    config_evidence,
    endpoint_text,
    file_line_text,
    listener_at,
    listener_evidence,
    pids_of,
)
from fixer.analysis.nginx_errors import recent_lines, routes_text, symptom_evidence
from fixer.formats.numbers import times_text
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence, Known
from fixer.model.snapshot import ErrorEvent
from fixer.repairs.upstream_address import POINT_ID, point_at_listener_repair, reachable_listeners

with lazy_imports():  # not needed in most looks
    from fixer.analysis.ownership.resolve import unclaimed_candidates

_VARIANT = "proxy-loop"
_MAX_SHOWN = 3


def loop_findings(case: Case) -> Iterator[Finding]:
    """Yield a finding for each failing address at which the route's own server listens."""
    for trouble in case.failing_addresses:
        lines = recent_lines(case, trouble.nginx, {"connections-exhausted"})
        if _leads_back(trouble) and (lines or _is_alone(trouble)):
            yield _found(case, trouble, lines)


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
