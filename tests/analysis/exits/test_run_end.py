"""The last lines of a run, whoever wrote them, and whether it came to serve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.exits.exit_reason import (
    address_unavailable_line,
    blank_variables,
    dependency_error_line,
    last_error_lines,
    missing_variables,
    port_in_use_line,
)
from fixer.analysis.exits.run_end import RunEnd, read_run_end
from fixer.model.service import EnvAssignment, LogLine
from tests.causes.snapshot_builders import NOW, log_lines, service
from tests.formats.test_run_output import REQUESTS

SERVES, REFUSED = "INFO:     Application startup complete.", "ConnectionRefusedError: [Errno 111] Connection refused"


def end(*texts: str) -> RunEnd:
    return read_run_end(log_lines(*texts).value)


def test_the_end_holds_the_last_lines_without_the_words_of_visitors() -> None:
    read = end("a ", SERVES, *("x",) * 100, REQUESTS["uwsgi"].format(SERVES), *("y",) * 100)
    assert (len(read.lines), read.texts.count(""), read.served_at) == (120, 1, -1)
    assert read_run_end(log_lines("a ", SERVES, "b").value, most=2).texts == (SERVES, "b")


def test_only_what_this_run_said_shows_that_it_came_up() -> None:
    lines = log_lines(SERVES, "b").value
    assert read_run_end(lines, NOW - 60).served_at == 0 and list(read_run_end(lines, NOW - 60).newest_first()) == [1]
    assert read_run_end(lines, NOW).served_at == -1
    assert read_run_end([replace(line, at=None) for line in lines], NOW).served_at == 0


def test_lines_above_one_line_end_with_it() -> None:
    read = end("a", "b", "c", "b")
    assert read.above(read.lines[3], 2) == ("b", "c") and read.above(read.lines[0], 2) == ()
    assert read.above(LogLine(None, "b", ""), 2) == ()


@pytest.mark.parametrize("server", REQUESTS)
@pytest.mark.parametrize("text", [
    "KEY environment variable is not set", "[Errno 98] Address already in use", "bind() [Errno 99]",
    "x: error: Invalid value for '--port': '' is not",
])
def test_no_visitor_says_why_a_run_ended(server: str, text: str) -> None:
    def reasons(read: RunEnd) -> list[object]:
        blank = replace(service(), unset_variables=(EnvAssignment("PORT", "compose.yaml:3", empty=True),))
        found = (missing_variables(read), blank_variables(read, blank), port_in_use_line(read), address_unavailable_line(read))
        return [one for one in found if one]

    read = end("begun", REQUESTS[server].format(text))
    assert reasons(end("begun", text)) and not reasons(read)
    assert [line.text for line in last_error_lines(read.lines)] == ["begun"]


@pytest.mark.parametrize("behind", ["SystemExit: 1", "asyncio.exceptions.CancelledError", "DeprecationWarning: old"])
def test_what_carries_an_end_hides_no_refusal(behind: str) -> None:
    assert dependency_error_line(end(REFUSED, behind)) is not None
    assert dependency_error_line(end(REFUSED, "ValueError: x")) is None
