"""Tests of fixer/analysis/exits/exit_reason.py."""

from __future__ import annotations

import pytest

from fixer.analysis.exits.exit_reason import port_in_use_line, reported_error_lines
from fixer.analysis.run_log import read_run_end
from tests.causes.snapshot_builders import log_lines


def test_gunicorn_has_words_of_its_own_for_it() -> None:
    lines = log_lines("[2026-11-25 11:00:00 +0000] [7] [ERROR] Connection in use: ('127.0.0.1', 8000)",
                "[2026-11-25 11:00:05 +0000] [7] [ERROR] Can't connect to ('127.0.0.1', 8000)")
    assert port_in_use_line(read_run_end(lines.value)) is lines.value[0]


NODE = ("/srv/shop.js:12", "  if (!VALUES[name]) throw new Error(`variable ${name} is not set`);", "           ^", "",
        "Error: variable SALT is not set", "    at must (/srv/shop.js:12:30)",
        "    at node:internal/main/run_main_module:28:49", "", "Node.js v18.20.4")
PYTHON = ("Traceback (most recent call last):", '  File "/srv/shop.py", line 20, in <module>', "    sock.connect(sa)",
          "    ~~~~~~~~~~~~^^^^", "ConnectionRefusedError: [Errno 111] Connection refused")


@pytest.mark.parametrize(("lines", "named"), [
    (NODE, ["Error: variable SALT is not set"]), (PYTHON, ["ConnectionRefusedError: [Errno 111] Connection refused"]),
    (("reading its settings", "Error: odd", "giving up"), ["reading its settings", "Error: odd", "giving up"]),      # no exception of Node
    (("one", "two", "three", "four", "    at must (/srv/shop.js:12:30)", "    ^", "Node.js v18.20.4"), ["two", "three", "four"]),
    (("[1] [ERROR] no settings", "[1] [INFO] shutting down"), ["[1] [ERROR] no settings"]),
    (NODE[5:], []),
])
def test_the_line_that_names_the_error_is_kept(lines: tuple[str, ...], named: list[str]) -> None:
    assert [line.text for line in reported_error_lines(log_lines(*lines).value)] == named
