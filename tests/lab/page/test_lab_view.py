"""Tests of lab/page/lab_view.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lab.page import lab_view
from lab.stack.lab_records import LabRecord, save_record
from lab.stack.running_lab import SEAT_KEY, Lab


class Broken(BaseHTTPRequestHandler):
    """A page that answers 502."""

    def do_GET(self) -> None:
        self.send_error(502)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def lab(record: LabRecord, port: int) -> Lab:
    """A lab whose page is the tests' own server."""
    record.extra[SEAT_KEY] = {"bind": "127.0.0.1", "page_port": port}
    record.parameters["server"] = "uvicorn"
    save_record(record)
    return Lab(record)


def test_the_record_is_read_anew(lab: Lab) -> None:
    assert lab_view.present_lab(lab.id) == lab
    with pytest.raises(KeyError):
        lab_view.present_lab("none-1")


def test_what_stays_gives_no_fault_away(lab: Lab) -> None:
    view = lab_view.first_view(lab)
    assert view["url"] == f"{lab.url}/login" and view["hints"] == 3 and view["story"]
    assert "wrong-port" not in str(view)


def test_one_request_is_told_in_words(lab: Lab) -> None:
    asked = lab_view.ask_once(lab)
    assert (asked["text"], asked["ok"]) == ("502", False) and asked["ms"] >= 0
    lab.record.extra[SEAT_KEY]["page_port"] = 1
    assert (lab_view.ask_once(lab)["text"], lab_view.ask_once(lab)["ok"]) == ("refused", False)


def test_a_part_runs_if_its_program_does(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {lab.container("web"): ((1, "nginx: master process nginx"),), lab.container("backend"): ((2, "sleep 9"),)}
    monkeypatch.setattr(lab_view, "processes_of", lambda name: listed[name])
    parts = lab_view.state_of_parts(lab)["parts"]
    assert [(one["name"], one["runs"]) for one in parts] == [("edge", True), ("api", False)]


def test_the_ends_of_both_logs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_view, "logs_of", lambda name, tail: f"{name}\nä\xff".encode("latin-1") * 30)
    log = lab_view.log_ends(lab)
    assert set(log) == {"nginx", "application"} and len(log["nginx"]) == lab_view.LOG_LINES
