"""Tests of lab/matrix/run_matrix.py."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UsageError
from lab.matrix.run_matrix import MatrixRequest, ask_before_all, write_reports
from tests.lab.cli_builders import LAB
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


@pytest.mark.parametrize("more", [
    {"only": ["healthy/*"]}, {"stack": "host"}, {"shard": "1/9"}, {"all": True}, {"resume": Path("run.json")}, {"yes": True}, {"terminal": False},
])
def test_who_selects_cases_is_not_asked(more: dict[str, Any]) -> None:
    terminal = more.pop("terminal", True)
    asked: list[str] = []
    ask_before_all(MatrixRequest(**more), terminal, lambda text: bool(asked.append(text)))
    assert asked == []


def test_who_selects_none_is_asked_with_the_time_it_takes() -> None:
    asked: list[str] = []
    ask_before_all(MatrixRequest(seeds="1-2", jobs=2), True, lambda text: asked.append(text) is None)
    (text,) = asked
    count = len(MatrixRequest(seeds="1-2").chosen())
    assert text.startswith(f"{count} cases, about ") and " h " in text and text.endswith(" on this machine: go on?")
    with pytest.raises(UsageError):
        ask_before_all(MatrixRequest(), True, lambda text: False)


def test_on_a_terminal_no_is_the_answer_of_who_says_nothing() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal:
        started = subprocess.Popen([LAB, "matrix"], stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, text=True)
    os.write(ours, b"\n")
    said, _ = started.communicate(timeout=60)
    shown = os.read(ours, 4096).decode().replace("\r\n", "\n")
    os.close(ours)
    assert (started.returncode, said) == (2, "")
    assert "go on? [y/N]: " in shown and shown.endswith("lab: nothing was run\n  select cases with --only, --stack or --shard, or say --yes\n")
