"""When requests show what a scenario promises."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.http_get import REFUSED, SLOW
from lab.scenario.catalog import scenario_named
from lab.scenario.deployment_fields import CompleteDeployment
from lab.stack import symptoms
from lab.stack.running_lab import Lab, LogPosition
from lab.stack.symptoms import StatusCounts, ask_round, has_symptom_again, matches_symptom, send_form, wait_for_symptom
from tests.lab.stack.symptoms_builders import Answers


class Asked:
    """As much of a lab as asking it needs."""

    def __init__(self, url: str, name: str = "") -> None:
        self.url, self.visit_name = url, name
        self.deployment = CompleteDeployment.from_values({"login": "ada", "password": "x"})


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


# Whether a fault that leaves the oracle's pages well goes on, asked of a real server.


@contextmanager
def page(limit: int, statuses: Iterator[int] | None = None) -> Iterator[str]:
    """A form that takes so many bytes, and answers 504 to more, or answers with `statuses`, one after the other."""

    class Form(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            self.rfile.read(size)
            self.send_response(next(statuses) if statuses is not None else 200 if size <= limit else 504)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Form)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def lab_at(url: str, scenario: str) -> Any:
    account = {"login": "a", "password": "b"}
    return SimpleNamespace(stack="host", url=url, visit_name="", params=account, record=SimpleNamespace(scenario=scenario),
                           deployment=CompleteDeployment.from_values(account))


@pytest.mark.parametrize(("limit", "goes_on"), [(1_000_000, True), (100_000_000, False)])
def test_a_form_that_is_too_long_is_sent_once_more(limit: int, goes_on: bool) -> None:
    variant = scenario_named("timeout-too-short").variant("send-timeout-upload")
    with page(limit) as url:
        assert has_symptom_again(lab_at(url, "timeout-too-short"), variant) is goes_on


@pytest.mark.parametrize(("late", "goes_on"), [(9, True), (None, False)])
def test_where_a_share_of_the_forms_fails_one_within_a_while_shows_it(
    late: int | None, goes_on: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine one in ten fails: a round of four is well by luck."""
    monkeypatch.setattr(symptoms, "REPEAT_SECONDS", 15.0 if goes_on else 1.0)
    variant = scenario_named("connection-reset").variant("early-response-upload")
    with page(0, iter(502 if count == late else 413 for count in itertools.count())) as url:
        assert has_symptom_again(lab_at(url, "connection-reset"), variant) is goes_on


@pytest.mark.parametrize(("as_at_first", "goes_on"), [(False, False), (True, True)])
def test_as_at_first_the_scenario_says_how_long_its_failure_may_take(
    as_at_first: bool, goes_on: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(symptoms, "REPEAT_SECONDS", 0.5)
    variant = scenario_named("keepalive-race").variant("keepalive-race")
    line = "recv() failed (104: Connection reset by peer) while reading response header from upstream, request: \"POST /api/login\""
    began = time.monotonic()
    lab = lab_at("http://127.0.0.1:1", "keepalive-race")
    lab.log_position = lambda: 0
    lab.log_since = lambda mark: line if time.monotonic() - began > 1.5 else ""
    assert has_symptom_again(lab, variant, as_at_first=as_at_first) is goes_on
