"""Tests of lab/matrix/progress.py."""

from __future__ import annotations

import io

from lab.matrix.progress import Progress, duration_text, time_left
from lab.matrix.select_cases import estimate_seconds
from lab.trial.trial import CaseResult, TrialStep
from tests.lab.matrix.select_cases_builders import BAD, GOOD, LOAD, PORT, WELL


def test_plain_lines_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    progress = Progress(out, [PORT, LOAD], 2, live=False)
    progress.began(PORT)
    progress.step(PORT, "diagnose")
    progress.beat()
    assert out.getvalue() == ""
    progress.ended(GOOD)
    progress.began(LOAD)
    progress.ended(BAD)
    first, second, *rest = out.getvalue().splitlines()
    assert first.startswith("[1/2] ✔ wrong-port/wrong-port host seed 1  9 s, ")
    assert first.endswith(" left")
    assert second == "[2/2] ✘ overload-saturated/single-worker-overload host seed 1  3 s"
    assert any(line.strip() == "kept: /kept/here" for line in rest)
    assert "\033" not in first + second


def test_a_live_table_wipes_itself() -> None:
    out = io.StringIO()
    progress = Progress(out, [PORT, WELL], 2, live=True)
    progress.began(PORT)
    progress.began(WELL)
    progress.step(PORT, "undo")
    assert "0 of 2" in out.getvalue()
    assert "undo" in out.getvalue()
    assert "\033[3A\033[J" in out.getvalue()
    progress.ended(GOOD)
    progress.ended(CaseResult(WELL, [TrialStep("up", 1.0)]))
    assert out.getvalue().count("✔") == 2


def test_time_left() -> None:
    assert time_left([], 2, [], 1.0) == 0.0
    assert time_left([PORT], 2, [], 2.0) == 2 * estimate_seconds(PORT)
    assert time_left([PORT, PORT, LOAD], 2, [], 1.0) == estimate_seconds(LOAD) + estimate_seconds(PORT)
    assert time_left([], 1, [(PORT, 999.0)], 1.0) == 2.0
    assert [duration_text(n) for n in (0.1, 89, 91, 60 * 89, 60 * 135)] == ["1 s", "89 s", "2 min", "89 min", "2 h 15 min"]
