"""What repairs did before: taken back, listed, forgotten."""

from __future__ import annotations

from fixer.app.looking import opened
from fixer.model.report import SCHEMA_VERSION, HistoryReport, UndoResult


def undo(word: str, run_id: str | None) -> UndoResult:
    """Take back that run, or the last that changed something."""
    from fixer.apply import engine

    with opened(word) as target:
        return engine.undo(target, run_id)


def history(word: str, forget: str | None) -> HistoryReport:
    """The runs of a target, the newest first; without the one that is to be forgotten."""
    from fixer.apply import engine

    with opened(word) as target:
        if forget is not None:
            engine.forget(target, forget)
        runs = engine.history(target)
    return HistoryReport(SCHEMA_VERSION, word, tuple(sorted(runs, key=lambda run: run.at, reverse=True)))
