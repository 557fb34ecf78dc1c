"""Tests of fixer/analysis/dependency/startup_script.py."""

from __future__ import annotations

import pytest

from tests.causes.crash_dependency_down.waiting_script_builders import FILE, told, waiting
from tests.causes.snapshot_builders import log_lines


def test_what_is_not_seen_is_not_guessed() -> None:
    found = told(waiting(below=("/usr/bin/python3", "manage.py", "migrate"))).findings[0]
    assert (found.cause, found.confidence, found.repairs[0].risk) == ("slow-start", "likely", "manual")
    assert "manage.py migrate" in found.repairs[0].manual


@pytest.mark.parametrize("line", ["INFO:     Started server process [300]", "Uvicorn running on http://127.0.0.1:8000",
                                  "INFO daphne.server Listening on TCP address 127.0.0.1:8000", "* Listening on http://127.0.0.1:8000",
                                  "Serving HTTP on 127.0.0.1 port 8000 (http://127.0.0.1:8000/) ..."])
def test_a_script_that_starts_its_server_again_and_again_is_not_on_its_way(line: str) -> None:
    assert "start-script-waits" not in [f.variant for f in told(waiting(FILE, log=log_lines("Started x.", line))).findings]


@pytest.mark.parametrize("line", ["Waiting for app-db:5432", '10.0.0.9 - - [now] "GET /listening on x HTTP/1.1" 404 9'])
def test_the_words_of_a_script_or_a_visitor_start_no_server(line: str) -> None:
    assert "start-script-waits" in [f.variant for f in told(waiting(FILE, log=log_lines("Started x.", line))).findings]
