"""When requests show what a scenario promises."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lab.asking import REFUSED, SLOW, get
from lab.symptoms import Seen, holds


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.shutdown_asked.wait(5)  # type: ignore[attr-defined]
            return
        self.send_response(int(self.path.lstrip("/")))
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
    assert get(url, "/200") == 200
    assert get(url, "/502") == 502
    assert get(url, "/slow", timeout=0.2) == SLOW


def test_a_port_that_refuses_or_hangs_up() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert get(f"http://127.0.0.1:{free.getsockname()[1]}", "/") == REFUSED


def seen(**counts: int) -> Seen:
    return Seen(Counter({int(status.lstrip("s")): number for status, number in counts.items()}))


@pytest.mark.parametrize(("round_", "symptom", "shown"), [
    (seen(s502=10), {"statuses": [502]}, True),
    (seen(s502=9, s200=1), {"statuses": [502]}, False),
    (seen(s502=4, s504=6), {"statuses": [502, 504]}, True),
    (seen(s504=20, s200=30), {"statuses": [504], "share": 0.4}, True),
    (seen(s504=19, s200=31), {"statuses": [504], "share": 0.4}, False),
    (seen(s0=10), {"refused": True}, True),
    (seen(s0=9, s502=1), {"refused": True}, False),
    (seen(s200=9, s303=1), {"healthy": True}, True),
    (seen(s200=9, s502=1), {"healthy": True}, False),
])
def test_when_a_round_shows_the_symptom(round_: Seen, symptom: dict[str, object], shown: bool) -> None:
    assert holds(round_, symptom) is shown


def test_what_was_seen_in_words() -> None:
    assert seen(s502=10).words == "502 on 10 of 10 requests"
    assert seen(s502=3, s0=1).words == "502 on 3, connection refused on 1 of 4 requests"
    assert Seen(Counter({SLOW: 1})).words == "no answer on 1 of 1 request"
