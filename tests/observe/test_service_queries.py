"""What fixer asks of services."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.capture import NodeCapture
from fixer.model.facts import Known
from fixer.model.query import Answer, Command, Probe, Query, ReadFile
from fixer.observe.boot.boot_entries import ACCOUNTS, BOOT_ENTRY_FILES, START_SCRIPTS
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.boot.start_scripts_builders import ByHand
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


def without(seen: NodeCapture, *queries: Query) -> NodeCapture:
    return replace(seen, answers={query: answer for query, answer in seen.answers.items() if query not in queries})


@pytest.mark.parametrize(("made", "expected"), [
    (ByHand(), True), (ByHand("127.0.0.2:8000", 8000), True), (ByHand(uid=0, worker=0), False),       # root's own server
])
def test_start_scripts_are_asked_for_where_an_address_fails_and_a_users_server_runs(made: ByHand, expected: bool) -> None:
    assert (START_SCRIPTS in asked(without(made.machine(), START_SCRIPTS))) is expected
    unit = file("/etc/systemd/system/shop.service", "[Service]\nExecStart=/usr/bin/gunicorn a:b\n")
    managed = made.machine(units=[unit], show=SHOW.format("shop.service", "active", 77))
    assert START_SCRIPTS not in asked(without(managed, START_SCRIPTS))
    assert START_SCRIPTS not in asked(without(made.machine(kind="container"), START_SCRIPTS))


def test_a_well_look_asks_for_no_start_script() -> None:
    made = ByHand("127.0.0.1:9000")
    well: dict[Query, Answer] = {probe: probe_answer(200) for probe in made.probes()}
    assert not asked(without(made.machine(well), START_SCRIPTS, BOOT_ENTRY_FILES, ACCOUNTS, *FOLDERS))


FOLDERS = tuple(ReadFile(path, 0) for path in ("/usr/local/bin", "/srv/shop", "/srv"))


@pytest.mark.parametrize(("made", "expected"), [
    (ByHand(), FOLDERS), (ByHand(cwd="/home/noor"), ()), (ByHand(words=("/usr/bin/gunicorn", "shop:app")), ()),
])
def test_owners_of_folders_are_asked_for_where_a_script_goes_to_the_servers_folder(made: ByHand,
                                                                                 expected: tuple[Query, ...]) -> None:
    seen = asked(without(made.machine(), *FOLDERS))
    assert tuple(query for query in FOLDERS if query in seen) == expected
    assert not {*FOLDERS, START_SCRIPTS} & set(asked(made.machine()))
