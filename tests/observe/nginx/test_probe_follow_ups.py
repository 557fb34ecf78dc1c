"""What our own request met may stand in the log alone: then its end is read once more."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, Command, Probe, Query
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.nginx_masters import later_log_query, log_query
from fixer.observe.nginx.probe_follow_ups import proxy_header_probe, proxy_header_result, swap_tls
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


@pytest.mark.parametrize("is_answered", [False, True])
def test_the_log_is_read_again_once_every_request_of_ours_is_answered(is_answered: bool) -> None:
    """What another request meets at the same moment is not logged yet."""
    site = SITE.replace("} }", "} location /b { proxy_pass http://127.0.0.1:8000; } }")
    answers = {ROUTE: probe_answer(502), BACK: probe_answer(200)}
    if is_answered:
        answers[replace(ROUTE, path="/b")] = probe_answer(502)
    asked = follow_up_queries(capture(node(answers, site=site, listening=LISTENS)), ObserveOptions()).get("local", [])
    assert (replace(ROUTE, path="/b") in asked) is not is_answered
    assert (later_log_query(PATH) in asked) is is_answered


@pytest.mark.parametrize(("error", "phase", "again"), [("closed", "head", True), ("closed", "connect", False),
                                                       ("timeout", "head", False)])
def test_the_log_is_read_again_where_nginx_hung_up_on_us(error: str, phase: str, again: bool) -> None:
    answers = {ROUTE: probe_answer(None, error, phase=phase), BACK: probe_answer(200)}
    asked = follow_up_queries(capture(node(answers, site=SITE, listening=LISTENS)), ObserveOptions()).get("local", [])
    assert (later_log_query(PATH) in asked) is again


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
    (replace(PLAIN, proxy_protocol=True), {"error": "closed"}), (replace(PLAIN, uwsgi=True), {"error": "closed"}),
])
def test_nothing_else_is_asked_again(probe: Probe, outcome: dict[str, Any]) -> None:
    assert swap_tls(probe, heard(probe, **outcome)) is None


def test_what_was_not_answered_is_left_alone() -> None:
    assert swap_tls(PLAIN, view_of(node())) is None


# The same request behind a PROXY header, where it was hung up on in both ways of speaking.
def heard_both(first: dict[str, Any], other: dict[str, Any] | None, probe: Probe = PLAIN) -> View:
    made = node()
    swapped = replace(PLAIN, sni="") if probe.tls else TLS
    said = {probe: first, **({} if other is None else {swapped: other})}
    answers = {key: Answer("ok", json.dumps({"phase": "head", "ms": 1.0, **value}).encode()) for key, value in said.items()}
    return view_of(replace(made, answers={**made.answers, **answers}))


CLOSED: dict[str, Any] = {"error": "closed"}
NO_TLS: dict[str, Any] = {"error": "tls", "phase": "tls"}


@pytest.mark.parametrize(("probe", "first", "other"), [
    (PLAIN, CLOSED, NO_TLS), (PLAIN, {"error": "reset"}, {"error": "closed", "phase": "tls"}), (TLS, NO_TLS, CLOSED),
    (TLS, {"error": "closed", "phase": "tls"}, CLOSED), (TLS, CLOSED, None),
])
def test_what_hangs_up_in_both_ways_is_asked_behind_a_proxy_header(
    probe: Probe, first: dict[str, Any], other: dict[str, Any] | None,
) -> None:
    view = heard_both(first, other, probe)
    asked = replace(probe, proxy_protocol=True)
    assert proxy_header_probe(probe, view) == asked and isinstance(proxy_header_result(probe, view), Unknown)
    answered = replace(view, node=replace(view.node, answers={**view.node.answers, asked: probe_answer(200)}))
    result = proxy_header_result(probe, answered)
    assert isinstance(result, Known) and result.value.status == 200


@pytest.mark.parametrize(("first", "other"), [
    (CLOSED, {"status": 200}), (CLOSED, None), ({"status": 200}, None), ({"status": 400, "body": HTTPS_PORT}, NO_TLS),
    ({"error": "refused", "phase": "connect"}, None), ({"error": "timeout"}, None), ({"error": "not-http"}, NO_TLS),
])
def test_nobody_else_is_sent_such_a_header(first: dict[str, Any], other: dict[str, Any] | None) -> None:
    assert proxy_header_probe(PLAIN, heard_both(first, other)) is None


def test_no_socket_is_asked_twice_with_a_header() -> None:
    view = heard_both(CLOSED, NO_TLS)
    assert proxy_header_probe(None, view) is None
    assert proxy_header_probe(replace(PLAIN, proxy_protocol=True), view) is None
    by_uwsgi = replace(PLAIN, uwsgi=True)
    assert proxy_header_probe(by_uwsgi, heard(by_uwsgi, **CLOSED)) is None


# Handshakes with other names.
SECURE = ("server { listen 80; server_name a.example; location / { HOST proxy_pass https://127.0.0.1:8000; } }")
FIRST_NAME = Probe("127.0.0.1", 8000, "/", host_header="a.example", tls=True, sni="a.example")


def handshakes(said: dict[Probe, Answer], host: str = "", *servers: str) -> list[str]:
    """The names that are sent after these answers, empty for none."""
    made = capture(node(said, site="".join((SECURE.replace("HOST", host), *servers)), listening=LISTENS))
    asked = follow_up_queries(made, ObserveOptions()).get("local", [])
    return [q.sni for q in asked if isinstance(q, Probe) and q.tls and not q.proxy_protocol and q != FIRST_NAME]


NO_NAME = probe_answer(None, "tls", phase="tls")


def test_a_refused_handshake_is_tried_with_the_other_names_and_without_one() -> None:
    said = {ROUTE: probe_answer(502), FIRST_NAME: NO_NAME}
    assert handshakes(said) == [""]
    assert handshakes(said, "proxy_set_header Host shop.internal:8443;") == ["shop.internal", ""]
    assert handshakes(said, "proxy_set_header Host $host;") == [""]


def own_server(listen: str, *names: str) -> str:
    """A server of the same nginx that serves files."""
    return f"server {{ listen {listen}; server_name {' '.join(names)}; root /srv; }}"


@pytest.mark.parametrize(("servers", "sent"), [
    ((own_server("127.0.0.1:8000 ssl", "~^.+$", "shop.internal"),), ["shop.internal", ""]),
    ((own_server("8000 ssl", "shop.internal", "shop.lan"), own_server("8000 ssl", "_")), ["shop.internal", ""]),
    ((own_server("8000 ssl", "shop.internal"), own_server("8000 ssl", "blog.internal")), [""]),    # which site is meant?
    ((own_server("8000", "shop.internal"),), [""]), ((own_server("8443 ssl", "shop.internal"),), [""]),
    ((own_server("10.9.9.9:8000 ssl", "shop.internal"),), [""]),
])
def test_the_name_of_nginxs_own_server_at_the_address_is_sent(servers: tuple[str, ...], sent: list[str]) -> None:
    assert handshakes({ROUTE: probe_answer(502), FIRST_NAME: NO_NAME}, "", *servers) == sent


def test_an_accepted_one_is_tried_without_a_name_only_where_nginx_fails() -> None:
    assert handshakes({ROUTE: probe_answer(502), FIRST_NAME: probe_answer(200)}) == [""]
    assert handshakes({ROUTE: probe_answer(200), FIRST_NAME: probe_answer(200)}) == []
    assert handshakes({ROUTE: probe_answer(502), FIRST_NAME: probe_answer(None, "refused", phase="connect")}) == []


def test_the_endpoint_holds_every_name_and_its_result() -> None:
    said = {ROUTE: probe_answer(502), FIRST_NAME: probe_answer(200), replace(FIRST_NAME, sni=""): NO_NAME}
    (end,) = build_snapshot(capture(node(said, site=SECURE.replace("HOST", ""), listening=LISTENS))).endpoints
    assert [(name, heard.status) for name, heard in end.tls_names] == [("a.example", 200), ("", None)]
    (plain,) = build_snapshot(capture(node({BACK: probe_answer(200)}, site=SITE, listening=LISTENS))).endpoints
    assert plain.tls_names == ()
