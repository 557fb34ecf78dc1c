"""Tests of lab/matrix/run_matrix.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.matrix.run_matrix import MatrixRequest, write_reports
from tests.lab.matrix.select_cases_builders import GOOD, WELL


def test_all_leaves_no_say_on_seeds() -> None:
    with pytest.raises(UsageError):
        MatrixRequest(all=True, seeds="1").chosen()
    assert MatrixRequest(only=["healthy/healthy"], stack="host", noise=0).chosen() == (WELL,)
    assert len(MatrixRequest(shard="1/2").chosen()) < len(MatrixRequest().chosen())


def test_a_run_that_goes_on_keeps_its_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new commit would draw other cases for three seeds: such a run never ended."""
    path = tmp_path / "run.json"
    monkeypatch.setattr("lab.matrix.run_matrix.draw_key", lambda: "first")
    began = MatrixRequest(all=True, resume=path)
    chosen = began.chosen()
    write_reports(began, [GOOD], [], {GOOD.case: GOOD})
    monkeypatch.setattr("lab.matrix.run_matrix.draw_key", lambda: "second")
    assert MatrixRequest(all=True, resume=path).chosen() == chosen != MatrixRequest(all=True).chosen()
    write_reports(MatrixRequest(resume=path), [GOOD], [], {GOOD.case: GOOD})      # a run of a few cases leaves it
    assert MatrixRequest(all=True, resume=path).draw() == "first" and MatrixRequest(all=True).draw() == "second" and MatrixRequest().draw() == ""
    path.write_text('["no report"]')
    with pytest.raises(UsageError):
        MatrixRequest(all=True, resume=path).chosen()
