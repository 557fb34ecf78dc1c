"""When requests show what a scenario promises."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, cast

import pytest

from lab.http_get import REFUSED, SLOW, get_status
from lab.stack.running_lab import Lab, LogPosition
from lab.stack.symptoms import StatusCounts, ask_round, matches_symptom, send_form, wait_for_symptom


class Answers(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/slow":
            self.server.shutdown_asked.wait(5)  # type: ignore[attr-defined]
            return
        self.send_response(int(self.path.lstrip("/")))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500 if len(body) > 1000 else 303 if self.headers["Host"] == "www.example" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.shutdown_asked = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown_asked.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_one_request_gets(url: str) -> None:
    assert get_status(url, "/200") == 200
    assert get_status(url, "/502") == 502
    assert get_status(url, "/slow", timeout=0.2) == SLOW


def test_a_port_that_refuses_or_hangs_up() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert get_status(f"http://127.0.0.1:{free.getsockname()[1]}", "/") == REFUSED


class Asked:
    """As much of a lab as asking it needs."""

    def __init__(self, url: str, name: str = "") -> None:
        self.url, self.visit_name, self.params = url, name, {"login": "ada", "password": "x"}


def test_the_login_form_with_a_long_note(url: str) -> None:
    assert send_form(cast("Lab", Asked(url)), "", 5.0) == 200
    assert send_form(cast("Lab", Asked(url, "www.example")), "", 5.0) == 303
    long = ask_round(cast("Lab", Asked(url)), {"post": 4096, "requests": 3, "at_once": 2}, "")
    assert long.statuses == Counter({500: 3})
    assert ask_round(cast("Lab", Asked(url)), {"path": "/slow", "patience": 0.2, "requests": 2, "at_once": 2}, "").count(
        [SLOW]) == 2
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert send_form(cast("Lab", Asked(f"http://127.0.0.1:{free.getsockname()[1]}")), "x", 1.0) == REFUSED


def seen(**counts: int) -> StatusCounts:
    return StatusCounts(Counter({int(status.lstrip("s")): number for status, number in counts.items()}))


@pytest.mark.parametrize(("round_", "symptom", "shown"), [
    (seen(s502=10), {"statuses": [502]}, True),
    (seen(s502=9, s200=1), {"statuses": [502]}, False),
    (seen(s502=4, s504=6), {"statuses": [502, 504]}, True),
    (seen(s504=20, s200=30), {"statuses": [504], "share": 0.4}, True),
    (seen(s504=19, s200=31), {"statuses": [504], "share": 0.4}, False),
    (seen(s0=10), {"refused": True}, True),
    (seen(s0=9, s502=1), {"refused": True}, False),
    (StatusCounts(Counter({SLOW: 4})), {"silent": True}, True),
    (StatusCounts(Counter({SLOW: 3, 504: 1})), {"silent": True}, False),
    (seen(s200=9, s303=1), {"healthy": True}, True),
    (seen(s200=9, s502=1), {"healthy": True}, False),
])
def test_when_a_round_shows_the_symptom(round_: StatusCounts, symptom: dict[str, object], shown: bool) -> None:
    assert matches_symptom(round_, symptom) is shown


def test_what_was_seen_in_words() -> None:
    assert seen(s502=10).text == "502 on 10 of 10 requests"
    assert seen(s502=3, s0=1).text == "502 on 3, connection refused on 1 of 4 requests"
    assert StatusCounts(Counter({SLOW: 1})).text == "no answer on 1 of 1 request"


def test_where_one_request_shows_it_no_second_one_is_made(url: str) -> None:
    lab = cast("Lab", Asked(url))
    Answers.asked.clear()
    seen = wait_for_symptom(lab, {"path": "/502", "statuses": [502], "requests": 1}, LogPosition(0, 0.0), "")
    assert seen.statuses == {502: 1}
    assert Answers.asked == ["/502"]
