"""The arithmetic of the benchmark rows: a slow command must fail its row."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.__main__ import main
from benchmarks.alternate import time_alternately
from benchmarks.imports import imported_modules
from benchmarks.ratio import overhead_row, ratio_row


def test_a_row_over_its_limit_does_not_hold() -> None:
    assert not ratio_row("a", [400, 410, 390], "b", [100, 100, 100], 3).holds
    assert ratio_row("a", [290, 300, 310], "b", [100, 100, 100], 3).holds


def test_below_the_floor_nothing_is_asked() -> None:
    assert ratio_row("a", [140], "b", [10], 3, floor=150).holds
    assert not ratio_row("a", [160], "b", [10], 3, floor=150).holds


def test_commands_run_in_turn() -> None:
    times = time_alternately({"a": [sys.executable, "-c", "pass"], "b": [sys.executable, "-c", "pass"]}, 2)
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}


def test_what_comes_on_top_is_judged_in_milliseconds() -> None:
    assert overhead_row("a", [190, 210, 200], "b", [170, 180, 190], 20).holds
    assert not overhead_row("a", [201, 201, 201], "b", [180], 20).holds
    assert "+21 ms" in str(overhead_row("a", [201], "b", [180], 20))


def test_rows_that_there_are_not_are_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speed"])
    assert main() == 2
    assert "no such rows: speed" in capsys.readouterr().err


def test_the_modules_of_a_look_are_those_that_python_reports() -> None:
    code = "import sys; sys.stderr.write('fixer: import time: 1 | 2 | no.module\\n'); import json; import json.decoder"
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    names = imported_modules(done.stderr)
    assert {"json", "json.decoder", "json.scanner"} <= set(names) and "no.module" not in names
    assert len(names) == len(set(names)) and names.index("json.scanner") < names.index("json")
