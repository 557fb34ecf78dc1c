"""Tests of lab/bench/attempt.py; test_run_bench.py interrupts real ones."""

from __future__ import annotations

import subprocess
import sys
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


def test_without_an_order_it_ends() -> None:
    assert subprocess.run([sys.executable, "-m", "lab.bench.attempt"], stdin=subprocess.DEVNULL, check=False).returncode == 130
