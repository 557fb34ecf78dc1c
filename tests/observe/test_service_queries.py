"""What fixer asks of services."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known
from fixer.model.query import Answer, Command, Probe
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import capture, file, node, probe_answer
from tests.observe.next_queries_builders import LISTENS, SITE, WELL, asked, failure, project
from tests.observe.nginx.endpoints_builders import SHOW


def test_a_failure_belongs_to_the_longest_location() -> None:
    site = ("server { listen 80; server_name a.example; location / { proxy_pass http://127.0.0.1:8000; } "
            "location /api { proxy_pass http://127.0.0.1:8000; } }")
    api = Probe("127.0.0.1", 80, "/api", host_header="a.example")
    seen = node({**WELL, api: probe_answer(200)}, site=site, listening=LISTENS, log=failure(30, "/api/x"))
    assert {q.path for q in asked(seen) if isinstance(q, Probe)} == {"/api"}


@pytest.mark.parametrize(("command", "is_asked"), [
    ("/usr/bin/gunicorn --timeout 1 a:b", True), ("/usr/bin/gunicorn -t 10 a:b", True), ("/usr/bin/gunicorn a:b", False),
    ("/usr/bin/uwsgi --harakiri=2 --http :8000", True), ("/usr/bin/uvicorn a:b", False),
])
def test_a_server_that_may_end_a_busy_worker_is_asked_for_its_log(command: str, is_asked: bool) -> None:
    """It answers 500 itself, and nginx has nothing to log: all pages that fixer asks for are well."""
    unit = file("/etc/systemd/system/shop.service", f"[Service]\nExecStart={command}\n")
    show = SHOW.format("shop.service", "active", 7)
    wanted = asked(node(WELL, site=SITE, listening=LISTENS, show=show, units=(unit,)))
    assert any(isinstance(query, Command) and query.name == "journal" for query in wanted) is is_asked


def test_a_container_that_is_down_is_in_question() -> None:
    wanted = project(status="exited")["engine"]
    assert Command("docker-logs", ("api", "200")) in wanted and Command("compose-hash", ("shop", "*")) in wanted


def test_the_socket_unit_of_a_stopped_application_is_asked_and_says_where_it_listens() -> None:
    show = SHOW.format("shop.service", "failed", 0).replace("Type=simple", "TriggeredBy=shop.socket x.timer\nType=simple")
    unit = file("/etc/systemd/system/shop.service", "[Service]\nExecStart=/usr/bin/uvicorn a:b --fd 3\n")
    query = Command("systemctl-show", ("shop.socket",))
    assert query in asked(node(site=SITE, show=show, units=(unit,)))
    told = b"Listen=127.0.0.1:8000 (Stream)\nListen=/run/shop.sock (Stream)\nListen=[::1]:9 (Datagram)\nId=shop.socket\nActiveState=failed\n"
    seen = build_snapshot(capture(node({query: Answer("ok", told)}, site=SITE, show=show, units=(unit,))))
    service = next(s for s in seen.services if s.name == "shop.service")
    assert service.socket is not None and service.socket.listen == ("127.0.0.1:8000", "/run/shop.sock")
    assert isinstance(service.bindings, Known)
    assert [(b.host, b.port, b.unix) for b in service.bindings.value] == [("127.0.0.1", 8000, None), ("", 0, "/run/shop.sock")]
    assert seen.endpoints[0].configured_service == "local/shop.service"
