"""What fixer asks where nginx leads to a port or a socket without a listener."""

from __future__ import annotations

import time

import pytest

from fixer.lazy.dataclass import replace
from fixer.model.capture import NodeCapture
from fixer.model.query import Answer, Command, Query, ReadFile
from fixer.observe.boot.boot_entries import BOOT_ENTRY_FILES, START_SCRIPTS
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.files.log_files import UNMANAGED_LOGS
from tests.observe.capture_builders import NOW, capture, file, node, probe_answer, process, sockets, tcp_row
from tests.observe.next_queries_builders import BACK, LISTENS, ROUTE, SITE, SOCKET_SITE, asked
from tests.observe.nginx.endpoints_builders import SHOW


def test_units_that_systemd_forgot_are_looked_up_where_nobody_serves() -> None:
    listing, nginx = Command("systemctl-units"), Command("systemctl-show", ("nginx.service",))
    dead = node(site=SITE)
    assert listing in asked(dead) and nginx not in asked(dead)
    assert nginx in asked(node(site=SITE, nginx=False))
    assert listing not in asked(node(site=SITE, listening=LISTENS))
    told = Answer("ok", b"a.service loaded\n--\nshop.service disabled enabled\nx@.service disabled enabled\n"
                        b"lib.service static -\nsystemd-x.service enabled enabled\n")
    assert Command("systemctl-show", ("shop.service",)) in asked(node({listing: told}, site=SITE))


def test_what_a_mask_hides_is_read_where_an_address_is_empty() -> None:
    show = SHOW.format("shop.service", "inactive", 0).replace("LoadState=loaded", "LoadState=masked")
    hidden = ReadFile("/usr/lib/systemd/system/shop.service", 64 << 10)
    assert hidden in asked(node(site=SITE, show=show))
    assert hidden not in asked(node(site=SITE, show=show, listening=LISTENS))
    text = file(hidden.path, "[Service]\nExecStart=/usr/bin/uvicorn a:b --port 8000\n")
    seen = build_snapshot(capture(node({hidden: Answer("ok", files=(text,))}, site=SITE, show=show)))
    assert seen.endpoints[0].configured_service == "local/shop.service"


HEARD = sockets([], {}, unix="00: 00000002 00000000 00010000 0001 01 31 /run/shop/blue.sock\n")


def test_units_that_systemd_forgot_or_a_mask_hides_are_looked_up_where_nobody_listens_on_a_socket() -> None:
    listing = Command("systemctl-units")
    assert listing in asked(node(site=SOCKET_SITE)) and listing not in asked(node(site=SOCKET_SITE, listening=HEARD))
    show = SHOW.format("shop.service", "inactive", 0).replace("LoadState=loaded", "LoadState=masked")
    hidden = ReadFile("/usr/lib/systemd/system/shop.service", 64 << 10)
    text = file(hidden.path, "[Service]\nExecStart=/usr/bin/uvicorn a:b --uds /run/shop/blue.sock\n")
    seen = build_snapshot(capture(node({hidden: Answer("ok", files=(text,))}, site=SOCKET_SITE, show=show)))
    assert hidden in asked(node(site=SOCKET_SITE, show=show)) and seen.endpoints[0].configured_service == "local/shop.service"


def test_logs_of_hand_started_servers_are_asked_for_where_the_servers_that_run_belong_elsewhere() -> None:
    unit = "[Service]\nExecStart=/usr/bin/uvicorn a:b {}\n"
    other = "server { listen 81; location / { proxy_pass http://127.0.0.1:9000; } }"
    for site, own in ((SITE, "--port 8000"), (SOCKET_SITE, "--uds /run/shop/blue.sock")):
        # the last one is at no address of nginx: it may be what is missing
        for words, expected in (("--port 9000", True), (own, False), ("--port 9100", False)):
            files = [file("/etc/systemd/system/orchard.service", unit.format(words))]
            seen = node(site=site + other, units=files, show=SHOW.format("orchard.service", "active", 0),
                        listening=sockets([tcp_row("127.0.0.1", 9000, 5)], {5: [7]}))
            assert (UNMANAGED_LOGS in asked(seen)) is expected


def held_by(argv: tuple[str, ...], error: str | None, site: str = SITE, log: str = "") -> NodeCapture:
    """Another site of the host is well. A process without a unit holds the port of this one."""
    other = "server { listen 81; location / { proxy_pass http://127.0.0.1:9000; } }"
    unit = file("/etc/systemd/system/orchard.service", "[Service]\nExecStart=/usr/bin/uvicorn a:b --port 9000\n")
    rows = sockets([tcp_row("127.0.0.1", 9000, 5), tcp_row("127.0.0.1", 8000, 6)], {5: [7], 6: [8]})
    tried, heard = (replace(BACK, path=None), probe_answer()) if error is None else (BACK, probe_answer(error=error, phase="head"))
    answers: dict[Query, Answer] = {tried: heard, ROUTE: probe_answer(502)}
    return node(answers, site=site + other, log=log, units=[unit], show=SHOW.format("orchard.service", "active", 7),
                listening=rows, running=[process(8, argv)])


@pytest.mark.parametrize(("argv", "error", "expected"), [
    (("/usr/sbin/feeder",), "reset", True), (("/usr/sbin/feeder",), "closed", True), (("/usr/sbin/feeder",), "not-http", True),
    (("python3", "/usr/bin/uvicorn", "a:c"), "reset", False),
])
def test_who_may_want_a_port_is_asked_where_another_kind_of_program_hangs_up(argv: tuple[str, ...], error: str,
                                                                           expected: bool) -> None:
    seen = asked(held_by(argv, error))
    assert (UNMANAGED_LOGS in seen) is expected
    assert BOOT_ENTRY_FILES in seen or not expected


@pytest.mark.parametrize(("message", "port", "expected"), [
    ("recv() failed (104: Connection reset by peer)", 8000, True), ("upstream prematurely closed connection", 8000, True),
    ("upstream prematurely closed connection", 18000, False), ("upstream timed out (110: Connection timed out)", 8000, False),
])
def test_nginx_says_where_what_speaks_no_http_hangs_up(message: str, port: int, expected: bool) -> None:
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(NOW - 5))
    log = (f'{stamp} [error] 41#41: *1 {message} while reading response header from upstream, client: 1.2.3.4, server: a.example, '
           f'request: "GET / HTTP/1.1", upstream: "uwsgi://127.0.0.1:{port}", host: "a"\n')
    held = held_by(("/usr/sbin/feeder",), None, site=SITE.replace("proxy_pass http://", "uwsgi_pass "), log=log)
    assert (UNMANAGED_LOGS in asked(held)) is expected


SCRIPT = Answer("ok", files=(file("/usr/local/bin/start-a", "#!/bin/sh\nexec uvicorn a:b --port 8000\n"),))


def test_start_scripts_are_asked_for_where_nobody_is_known_to_serve() -> None:
    assert START_SCRIPTS in asked(node(site=SITE))
    assert START_SCRIPTS not in asked(node(site=SITE, kind="container"))
    assert START_SCRIPTS not in asked(node(site=SITE, listening=LISTENS))


def test_a_script_ends_no_search_for_a_unit() -> None:
    told = Answer("ok", b"--\nshop.service disabled enabled\n")
    answers: dict[Query, Answer] = {Command("systemctl-units"): told, START_SCRIPTS: SCRIPT, BOOT_ENTRY_FILES: Answer("ok"),
                                    UNMANAGED_LOGS: Answer("ok")}
    dead = node(answers, site=SITE)
    assert Command("systemctl-show", ("shop.service",)) in asked(dead)
    assert build_snapshot(capture(dead)).endpoints[0].configured_service == "local/start-a"
