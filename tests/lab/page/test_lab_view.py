"""Tests of lab/page/lab_view.py."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fixer.languages.choose_language import VARIABLE
from lab.page import lab_view
from lab.stack.docker_command import FinishedCommand
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


def test_the_story_is_in_the_readers_language(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    english = lab_view.first_view(lab)
    monkeypatch.setenv(VARIABLE, "zh-TW")
    view = lab_view.first_view(lab)
    assert (english["language"], view["language"]) == ("en", "zh-TW") and not view["story"].isascii()


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


@pytest.fixture
def combined(lab: Lab) -> Lab:
    """A lab of which one container is all, with a second site of the same server."""
    lab.record.parameters |= {"unit": "office", "second_site": True, "second_unit": "crew-web", "second_port": 8012,
                              "manager": "supervisord"}
    return Lab(dataclasses.replace(lab.record, stack="all-in-one"))


@pytest.mark.parametrize("stopped", ["backend", "second"])
def test_two_sites_of_one_container_are_told_apart(combined: Lab, stopped: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = {"backend": "python3 -m uvicorn app.main:app --port 8020", "second": "python3 -m uvicorn app.main:app --port 8012"}
    listed = tuple((1, command) for role, command in commands.items() if role != stopped)
    monkeypatch.setattr(lab_view, "processes_of", lambda name: listed)
    parts = {one["role"]: one["runs"] for one in lab_view.state_of_parts(combined)["parts"]}
    assert parts == {"web": False, "backend": stopped != "backend", "second": stopped != "second"}


def test_one_log_of_all_programs_is_told_apart(combined: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    error = "2026/11/30 05:19:28 [error] 77#77: *858 connect() failed (111: Connection refused)"
    access = '192.0.2.1 - - [30/Nov/2026:05:19:54 +0000] "GET /login HTTP/1.1" 502 150'
    own = "INFO:     Application startup complete."
    monkeypatch.setattr(lab_view, "logs_of", lambda name, tail: "\n".join([own, *[error, access] * 30]).encode())
    log = lab_view.log_ends(combined)
    assert set(log["nginx"]) == {error, access} and len(log["nginx"]) == lab_view.LOG_LINES
    assert log["application"] == [own]


def test_log_files_in_the_container_are_read_there(combined: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    combined.record.parameters |= {"log_place": "files", "nginx_log": "/var/log/nginx/office.error.log"}

    def run_in(lab: Lab, role: str, argv: Sequence[str], *, check: bool) -> FinishedCommand:
        return FinishedCommand(tuple(argv), 0, f"==> a.log <==\n{argv[-1]}\n\n==> b.log <==\n".encode(), b"")

    monkeypatch.setattr(Lab, "run_in", run_in)
    log = lab_view.log_ends(combined)
    assert log == {"nginx": ["/var/log/nginx/office.error.log"],
                   "application": ["tail -n 50 /var/log/supervisor/office-*.log"]}
