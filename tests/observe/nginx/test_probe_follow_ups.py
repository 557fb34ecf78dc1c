"""What our own request met may stand in the log alone: then its end is read once more."""

from __future__ import annotations

import json
import time

import pytest

from fixer.model.facts import Known
from fixer.model.query import Answer, Command, Probe, Query
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.nginx_masters import later_log_query, log_query
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


def wanted(status: int, back: Answer, *, log: str = "", listening: Answer = LISTENS) -> list[Query]:
    answers = {ROUTE: probe_answer(status), BACK: back}
    return follow_up_queries(capture(node(answers, site=SITE, listening=listening, log=log)), ObserveOptions()).get("local", [])


@pytest.mark.parametrize(("status", "back", "log", "again"), [
    (502, probe_answer(200), "", True), (502, probe_answer(200), denied(500), True), (504, probe_answer(200), "", True),
    (502, probe_answer(200), denied(20), False),             # it tells already how visitors fared
    (502, probe_answer(200), denied(20).replace("(13: Permission denied)", "(111: Connection refused)"), True),   # by now somebody is there
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
