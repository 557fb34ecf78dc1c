"""Tests of fixer/observe/build_endpoints.py."""

from __future__ import annotations

import time

import pytest

from fixer.lazy.dataclass import replace
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, Probe, ReadTree
from fixer.model.snapshot import ProbeResult, Snapshot
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NGINX, NOW, capture, file, node, probe_answer, recorded_capture


@pytest.fixture(scope="module")
def machine() -> Snapshot:
    return build_snapshot(recorded_capture("machine"))


def test_an_endpoint_where_nobody_listens(machine: Snapshot) -> None:
    dead = next(e for e in machine.endpoints if e.port == 8001)
    assert isinstance(dead.listener, Known) and dead.listener.value is None and dead.listener.evidence
    assert isinstance(dead.tcp, Known) and (dead.tcp.value.error, dead.tcp.value.errno) == ("refused", 111)
    assert (dead.configured_service, dead.listening_service, dead.node) == (None, None, "b2-host")
    assert next(f.data for f in machine.files if f.path == dead.file)[dead.start:dead.end] == b"127.0.0.1:8001"


def test_an_endpoint_that_is_told_and_held_by_its_service(machine: Snapshot) -> None:
    well = next(e for e in machine.endpoints if e.port == 8000)
    assert well.configured_service == well.listening_service == "b2-host/back.service"
    assert well.service_evidence[0].where.startswith("/etc/back/env:")
    assert isinstance(well.http, Known) and well.http.value.server == "uvicorn"


UWSGI_SITE = "server {{ listen 80; server_name a.example; location / {{ uwsgi_pass {}; }} }}"
BY_UWSGI = Probe("127.0.0.1", 8000, "/", host_header="a.example", uwsgi=True)


@pytest.mark.parametrize(("heard", "status", "error"), [
    (probe_answer(200), 200, None), (probe_answer(error="closed", phase="head"), None, "closed"),
    (probe_answer(error="timeout", phase="head"), None, "slow"),
])
def test_what_uwsgi_passes_lead_to_is_asked_by_uwsgi(heard: Answer, status: int | None, error: str | None) -> None:
    [made] = build_snapshot(capture(node({BY_UWSGI: heard}, site=UWSGI_SITE.format("127.0.0.1:8000")))).endpoints
    assert isinstance(made.http, Known) and (made.http.value.status, made.http.value.error) == (status, error)
    assert made.tcp == Known(ProbeResult(None, None, None, "done", 1.5)) and (made.protocol, made.path) == ("uwsgi", "/")


@pytest.mark.parametrize("heard", [probe_answer(400), probe_answer()])
def test_what_answers_as_a_server_of_http_or_was_only_connected_to_has_said_nothing(heard: Answer) -> None:
    [made] = build_snapshot(capture(node({BY_UWSGI: heard}, site=UWSGI_SITE.format("127.0.0.1:8000")))).endpoints
    assert isinstance(made.http, Unknown) and isinstance(made.tcp, Known) and made.tcp.value.error is None


def test_a_record_of_earlier_versions_holds_the_connect_alone() -> None:
    connect = replace(BY_UWSGI, path=None, uwsgi=False)
    [made] = build_snapshot(capture(node({connect: probe_answer()}, site=UWSGI_SITE.format("127.0.0.1:8000")))).endpoints
    assert isinstance(made.http, Unknown) and isinstance(made.tcp, Known) and made.tcp.value.error is None


@pytest.mark.parametrize(("passed", "asked"), [
    ("unix:/run/a.sock", Probe("", 0, "/", unix="/run/a.sock", host_header="a.example", uwsgi=True)),
    ("suwsgi://127.0.0.1:8000", replace(BY_UWSGI, path=None, uwsgi=False)),
])
def test_how_a_pass_by_uwsgi_is_asked(passed: str, asked: Probe) -> None:
    assert asked in follow_up_queries(capture(node(site=UWSGI_SITE.format(passed))), ObserveOptions())["local"]


GROUP = ("upstream shop {{ {} }} server {{ listen 80; server_name a.example; "
         "location / {{ proxy_pass http://shop; }} }}")
REFUSED = ('{} [error] 41#41: *1 connect() failed (111: Connection refused) while connecting to upstream, client: '
           '1.2.3.4, server: a.example, request: "GET / HTTP/1.1", upstream: "{}", host: "a"\n')


def marks(servers: str, upstream: str, *, changed: float = 300.0, logged: float = 100.0) -> list[bool]:
    """nginx loaded its files 400 s ago; the site changed then, and a line of its log is so old."""
    line = REFUSED.format(time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - logged)), upstream)
    tree = (file("/etc/nginx/nginx.conf", NGINX),
            file("/etc/nginx/sites/shop", GROUP.format(servers), mtime=NOW - changed))
    seen = build_snapshot(capture(node({ReadTree("/etc/nginx"): Answer("ok", files=tree)}, site="x", log=line)))
    return [endpoint.down for endpoint in seen.endpoints]


@pytest.mark.parametrize(("servers", "upstream"), [
    ("server 127.0.0.1:8000 down;", "http://127.0.0.1:8000/"), ("server shop.example:8000 down;", "http://10.0.0.9:8000/"),
    ("server unix:/run/a.sock down;", "http://unix:/run/a.sock:/"),
])
def test_a_mark_that_the_running_nginx_has_not_loaded_leaves_no_server_out(servers: str, upstream: str) -> None:
    assert marks(servers, upstream) == [False]
    assert marks(servers, upstream, changed=500.0) == [True], "loaded"
    assert marks(servers, upstream, changed=399.8) == [True], "edited in the moment of its own reload"
    assert marks(servers, upstream, logged=450.0) == [True], "of the configuration before"


@pytest.mark.parametrize(("servers", "upstream", "expected"), [
    ("server 127.0.0.1:8000; server 127.0.0.1:8001 down;", "http://127.0.0.1:8000/", [False, True]),
    ("server 127.0.0.1:8000; server 127.0.0.2:8000 down;", "http://127.0.0.1:8000/", [False, True]),
    ("server 127.0.0.1:8000; server shop.example:8000 down;", "http://127.0.0.1:8000/", [False, True]),
    ("server 127.0.0.1:8000 down;", "http://shop/", [True]),       # no live upstreams: it has loaded the mark
])
def test_a_line_about_another_server_proves_nothing(servers: str, upstream: str, expected: list[bool]) -> None:
    assert marks(servers, upstream) == expected
