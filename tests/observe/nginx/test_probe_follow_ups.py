"""What our own request met may stand in the log alone: then its end is read once more."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from fixer.model.facts import Known
from fixer.model.query import Answer, Command, Probe, Query
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.nginx_masters import later_log_query, log_query
from fixer.observe.nginx.probe_follow_ups import swap_tls
from fixer.observe.view.node_view import View, view_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NOW, capture, file, link, node, probe_answer, sockets, tcp_row

SITE = "server { listen 80; server_name a.example; location / { proxy_pass http://127.0.0.1:8000; } }"
LISTENS = sockets([tcp_row("127.0.0.1", 8000, 5)], {5: [7]})
NOBODY = sockets([], {})
ROUTE, BACK = Probe("127.0.0.1", 80, "/", host_header="a.example"), Probe("127.0.0.1", 8000, "/", host_header="a.example")
PATH = "/var/log/nginx/error.log"
ITEM = {"Id": "w" * 64, "Name": "/web", "Path": "nginx", "State": {"Status": "running"}}
FIRST, LATER = (Command("docker-logs", ("web", lines)) for lines in ("200", "199"))


def denied(ago: float) -> str:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - ago))
    return (f'{stamp} [crit] 41#41: *1 connect() to 127.0.0.1:8000 failed (13: Permission denied) while connecting to '
            'upstream, client: 1.2.3.4, server: a.example, request: "GET / HTTP/1.1", upstream: '
            '"http://127.0.0.1:8000/", host: "a.example"\n')


def logged(message: str) -> str:
    """A line of half a minute ago about a visitor's request, and about no upstream."""
    words = denied(20).partition(" 41#41")
    return f"{words[0].replace('crit', 'error')}{words[1]}: *1 {message}, client: 1.2.3.4, server: a.example, request: \"GET / HTTP/1.1\"\n"


def wanted(status: int, back: Answer, *, log: str = "", listening: Answer = LISTENS) -> list[Query]:
    answers = {ROUTE: probe_answer(status), BACK: back}
    return follow_up_queries(capture(node(answers, site=SITE, listening=listening, log=log)), ObserveOptions()).get("local", [])


@pytest.mark.parametrize(("status", "back", "log", "again"), [
    (502, probe_answer(200), "", True), (502, probe_answer(200), denied(500), True), (504, probe_answer(200), "", True),
    (502, probe_answer(200), denied(20), False),             # it tells already how visitors fared
    (502, probe_answer(200), denied(20).replace("(13: Permission denied)", "(111: Connection refused)"), True),   # by now somebody is there
    (502, probe_answer(200), logged("app could not be resolved (3: Host not found)"), False),
    (502, probe_answer(200), logged("no resolver defined to resolve app"), False),
    (502, probe_answer(200), logged('open() "/srv/app could not be resolved (3: x)" failed (2: No such file or directory)'), True),
    (502, probe_answer(None, error="refused"), "", False),   # that nobody is there says it all
    (404, probe_answer(200), "", False), (503, probe_answer(200), "", False), (200, probe_answer(200), "", False),
])
def test_the_log_is_read_again_where_only_it_tells(status: int, back: Answer, log: str, again: bool) -> None:
    """Nobody had come since the log was turned over: the one line that said why was that of our own request."""
    assert (later_log_query(PATH) in wanted(status, back, log=log)) is again


def test_what_it_tells_then_counts() -> None:
    later = Answer("ok", files=(file(PATH, denied(0)),))
    answers = {ROUTE: probe_answer(502), BACK: probe_answer(200), later_log_query(PATH): later}
    (nginx,) = build_snapshot(capture(node(answers, site=SITE, listening=LISTENS))).nginxes
    assert isinstance(nginx.errors, Known) and [e.errno for e in nginx.errors.value] == [13]


@pytest.mark.parametrize(("log", "again"), [("", True), (denied(20), False)])
def test_a_log_that_goes_to_docker_too(log: str, again: bool) -> None:
    device = Answer("ok", files=(link(PATH, "/dev/stderr"),))
    web = node({ROUTE: probe_answer(502), BACK: probe_answer(200), log_query(PATH): device}, site=SITE, name="web",
               kind="container", listening=LISTENS)
    told = {Command("docker-container", ("web",)): Answer("ok", json.dumps([ITEM]).encode()), FIRST: written(log)}
    engine = node(told, name="engine", nginx=False)
    assert (LATER in follow_up_queries(capture(web, engine, kind="docker", address="web"), ObserveOptions()).get("engine", [])) is again
    engine = node({**told, LATER: written(denied(0))}, name="engine", nginx=False)
    (nginx,) = build_snapshot(capture(web, engine, kind="docker", address="web")).nginxes
    assert isinstance(nginx.errors, Known) and [e.errno for e in nginx.errors.value] == [13]


def written(line: str) -> Answer:
    return Answer("ok", b"", stderr=f"2027-01-15T08:00:00.5Z {line}".encode() if line else b"")


# The question in the other way of speaking.
PLAIN = Probe("127.0.0.1", 8000, "/", host_header="shop.example")
TLS = replace(PLAIN, tls=True, sni="shop.example")
HTTPS_PORT = "<center>The plain HTTP request was sent to HTTPS port</center>"


def heard(probe: Probe, **outcome: Any) -> View:
    made = node()
    said = Answer("ok", json.dumps({"phase": "head", "ms": 1.0, **outcome}).encode())
    return view_of(replace(made, answers={**made.answers, probe: said}))


@pytest.mark.parametrize("outcome", [{"error": "closed"}, {"error": "reset"}, {"error": "not-http"},
                                     {"status": 400, "body": HTTPS_PORT}])
def test_what_hangs_up_on_plain_http_is_asked_with_tls(outcome: dict[str, Any]) -> None:
    assert swap_tls(PLAIN, heard(PLAIN, **outcome)) == TLS


def test_what_takes_no_tls_is_asked_plainly() -> None:
    assert swap_tls(TLS, heard(TLS, error="tls", phase="tls")) == replace(PLAIN, sni="")
    assert swap_tls(TLS, heard(TLS, error="timeout", phase="tls")) == replace(PLAIN, sni="")
    assert swap_tls(TLS, heard(TLS, error="reset", phase="tls")) == replace(PLAIN, sni="")
    assert swap_tls(TLS, heard(TLS, error="timeout", phase="head")) is None
    assert swap_tls(TLS, heard(TLS, error="timeout", phase="connect")) is None


@pytest.mark.parametrize(("probe", "outcome"), [
    (PLAIN, {"status": 200}), (PLAIN, {"status": 400, "body": "bad request"}), (PLAIN, {"error": "refused"}),
    (TLS, {"status": 200}), (TLS, {"error": "closed"}),
    (replace(PLAIN, path=None), {"error": "closed"}), (replace(PLAIN, unix="/run/x", host="", port=0), {"error": "closed"}),
    (replace(PLAIN, proxy_protocol=True), {"error": "closed"}),
])
def test_nothing_else_is_asked_again(probe: Probe, outcome: dict[str, Any]) -> None:
    assert swap_tls(probe, heard(probe, **outcome)) is None


def test_what_was_not_answered_is_left_alone() -> None:
    assert swap_tls(PLAIN, view_of(node())) is None
