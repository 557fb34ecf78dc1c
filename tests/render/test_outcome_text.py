"""What undo says when there is nothing left to take back."""

from __future__ import annotations

from fixer.model.report import UndoResult
from fixer.render.outcome_text import undo_text


def test_nothing_to_undo_is_one_line() -> None:
    assert undo_text(UndoResult(1, "local", None, (), (), (), ("nothing to undo: \x1b[31mx",))).count("\n") == 1


def test_a_run_that_is_back_already_says_so() -> None:
    assert undo_text(UndoResult(1, "local", "r1", (), (), (), ("run r1 is undone",))) == "run r1 is undone\n"
