"""The line of a log that shows how a program ended."""

from __future__ import annotations

import pytest

from fixer.analysis.exits.last_output import find_exit_line, is_clean_shutdown
from tests.formats.test_run_output import REQUESTS


@pytest.mark.parametrize("server", REQUESTS)
def test_a_visitor_does_not_end_a_program(server: str) -> None:
    lines = ["ValueError: x", REQUESTS[server].format("Killed"), "Shutting down"]
    assert find_exit_line(lines) == "ValueError: x" and find_exit_line(lines[1:]) == "Shutting down"
    assert find_exit_line(lines[1:2]) == "" and find_exit_line(["Killed"]) == "Killed"


def test_what_a_program_only_informs_of_is_no_fault() -> None:
    told = "[2026-01-02 03:04:05 +0000] [14] [INFO] Error while closing socket [Errno 9] Bad file descriptor"
    end = "[2026-01-02 03:04:05 +0000] [7] [INFO] Shutting down: Master"
    assert find_exit_line([told, end]) == end and find_exit_line([told]) == ""
    assert find_exit_line([told.replace("INFO", "ERROR"), end]) == told.replace("INFO", "ERROR")


@pytest.mark.parametrize("line", [
    "INFO:     Finished server process [7]", "2026-01-02_03:04:05.12345 INFO:     Shutting down",
    "@400000006a0b1c2d3e4f5a6b [2026-01-02 03:04:05 +0000] [7] [INFO] Handling signal: term",
    "[2026-01-02 03:04:05 +0000] [7] [INFO] Shutting down: Master",
    "2026-01-02 03:04:05,678 INFO     Killed 0 pending application instances",
])
def test_a_server_that_was_stopped_ended_cleanly(line: str) -> None:
    """The same lines are a request to stop where a manager runs the server."""
    assert is_clean_shutdown(line) and find_exit_line([line]) == line
    assert find_exit_line(["ValueError: x", line]) == "ValueError: x"


@pytest.mark.parametrize("line", [
    "[2026-01-02 03:04:05 +0000] [8] [INFO] Worker exiting (pid: 8)", "shop: Shutting down the pump failed",
    "ERROR:    Application shutdown failed. Exiting.",
])
def test_a_worker_or_a_program_of_other_words_was_not_stopped(line: str) -> None:
    assert not is_clean_shutdown(line)
