"""Tests of fixer/analysis/exits/exit_reason.py."""

from __future__ import annotations

from fixer.analysis.exits.exit_reason import port_in_use_line
from fixer.analysis.run_log import read_run_end
from tests.causes.snapshot_builders import log_lines


def test_gunicorn_has_words_of_its_own_for_it() -> None:
    lines = log_lines("[2026-11-25 11:00:00 +0000] [7] [ERROR] Connection in use: ('127.0.0.1', 8000)",
                "[2026-11-25 11:00:05 +0000] [7] [ERROR] Can't connect to ('127.0.0.1', 8000)")
    assert port_in_use_line(read_run_end(lines.value)) is lines.value[0]
