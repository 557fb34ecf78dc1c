"""Lines of the log and the routes they can belong to: looked up, with the outcome of comparing each with each."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from fixer.analysis.route_verdict import events_since
from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.plan import ReloadNginx
from fixer.model.snapshot import ErrorEvent, RouteFacts
from tests.causes.snapshot_builders import NGINX_PID, NOW, Scene, roots, wrong_port_scene

LOCATIONS = ["/", "/api", "/api/v1/", "= /exact", "^~ /img", "~ \\.php$", "@app", "/a b"]
NAMES: list[tuple[str, ...]] = [("_",), (), ("",), ("a.example",), ("a.example", "b.example"), ("_", "a.example")]
SERVERS = ["", "_", "a.example", "c.example"]
REQUESTS = ["", "GET", "GET / HTTP/1.1", "GET /api HTTP/1.1", "GET /api/v1/x?y=/z HTTP/1.1", "GET /exact2 HTTP/1.1",
            "GET /img HTTP/1.1", "GET x HTTP/1.1", "GET  HTTP/1.1", "\x16\x03", "GET /a b HTTP/1.1"]


def compared(event: ErrorEvent, facts: RouteFacts) -> bool:
    names = facts.route.server_names
    if event.server and names and "_" not in names and "" not in names and event.server not in names:
        return False
    parts = event.request.split(" ")
    path = parts[1] if len(parts) > 1 else ""
    wanted = facts.route.location.split(" ")[-1] if facts.route.path is not None else ""
    return not path or not wanted.startswith("/") or path.startswith(wanted)


def test_looked_up_as_compared_one_by_one() -> None:
    seen = Scene().snapshot()
    first, nginx = seen.routes[0], seen.nginxes[0]
    routes = [
        replace(first, route=replace(first.route, location=location, server_names=names, path=path))
        for location, names, path in product(LOCATIONS, NAMES, ("/x", None))
    ]
    events = tuple(
        ErrorEvent(NOW - 1, "error", "connect() failed", 111, "connecting to upstream", "10.0.0.9", server, request, "", "l:1",
                   "")
        for server, request in product(SERVERS, REQUESTS)
    )
    nginx = replace(nginx, errors=Known(events))
    for some in (routes[:0], *([route] for route in routes), routes[2::7], routes[40:60], routes):
        assert events_since(nginx, some, 0) == tuple(e for e in events if any(compared(e, route) for route in some))


def test_of_two_nginxes_on_one_node_the_one_that_serves_the_route_is_reloaded() -> None:
    """Its own log and its own age count too."""
    snapshot = wrong_port_scene().snapshot()
    (ours,), (facts,) = snapshot.nginxes, snapshot.routes
    other = replace(ours, binary="/opt/o/sbin/openresty", conf_path="/opt/o/conf/nginx.conf", master_pid=900,
                    worker_pids=(901,), loaded_at=Known(NOW - 9000), errors=Known(()))
    facts = replace(facts, conf=ours.conf_path)
    for nginxes in ((ours, other), (other, ours)):
        diagnosis = diagnose(replace(snapshot, nginxes=nginxes, routes=(facts,)))
        assert roots(diagnosis) == ["wrong-port"]
        assert [s.master_pid for s in diagnosis.findings[0].repairs[0].steps if isinstance(s, ReloadNginx)] == [NGINX_PID]
        assert any(e.source == "nginx-log" for e in diagnosis.findings[0].evidence)
