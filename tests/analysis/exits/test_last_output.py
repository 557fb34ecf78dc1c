"""The line of a log that shows how a program ended."""

from __future__ import annotations

import pytest

from fixer.analysis.exits.last_output import find_exit_line
from tests.formats.test_run_output import REQUESTS


@pytest.mark.parametrize("server", REQUESTS)
def test_a_visitor_does_not_end_a_program(server: str) -> None:
    lines = ["ValueError: x", REQUESTS[server].format("Killed"), "Shutting down"]
    assert find_exit_line(lines) == "ValueError: x" and find_exit_line(lines[1:]) == "Shutting down"
    assert find_exit_line(lines[1:2]) == "" and find_exit_line(["Killed"]) == "Killed"
