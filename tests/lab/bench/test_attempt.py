"""Tests of lab/bench/attempt.py; test_run_bench.py interrupts real ones."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.bench.attempt import Attempt, Attempts
from lab.bench.score import Score
from lab.bench.solver import resolve_solver
from lab.trial.trial import Case


def test_the_scores_have_the_order_of_the_attempts_and_a_failed_one_says_why(tmp_path: Path) -> None:
    attempts = [Attempt(resolve_solver("mine=true", within=False), Case("wrong-port", f"no-{n}", "host", n), tmp_path / str(n))
                for n in (1, 2)]
    ended: list[Score] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.bench.attempt.needs_to_run_alone", lambda case: case.seed == 2)
        scores = Attempts(tmp_path, 2, lambda _: None, ended.append).run(attempts)
    assert [score.case.seed for score in scores] == [1, 2] and [score.case.seed for score in ended] == [2, 1]
    assert all("no-" in score.error for score in scores)


def test_one_after_the_other_each_end_is_told_before_the_next_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.bench.attempt.needs_to_run_alone", lambda case: False)
    attempts = [Attempt(resolve_solver("mine=true", within=False), Case("wrong-port", f"no-{n}", "host", n), tmp_path / str(n))
                for n in (1, 2, 3)]
    told: list[str] = []

    def ended(score: Score) -> None:
        time.sleep(0.1)     # a terminal that is slower than the next worker's start
        told.append(f"ended {score.case.seed}")

    Attempts(tmp_path, 1, lambda attempt: told.append(f"began {attempt.case.seed}"), ended).run(attempts)
    assert told == ["began 1", "ended 1", "began 2", "ended 2", "began 3", "ended 3"]


def test_without_an_order_it_ends() -> None:
    assert subprocess.run([sys.executable, "-m", "lab.bench.attempt"], stdin=subprocess.DEVNULL, check=False).returncode == 130
