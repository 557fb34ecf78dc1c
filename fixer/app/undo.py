"""undo and history: runs of earlier repairs, to be undone, listed or forgotten."""

from __future__ import annotations

from fixer.app.inspect_target import open_named_target
from fixer.apply import repair_run
from fixer.hosts.machine import state_root
from fixer.lazy.dataclass import replace
from fixer.model.report import SCHEMA_VERSION, HistoryReport, UndoResult


def undo(word: str, run_id: str | None) -> UndoResult:
    """Undo the run with this id, or the last one that changed something."""
    with open_named_target(word) as target:
        result = repair_run.undo(target, run_id)
    return result if result.id else replace(result, notes=(*result.notes, *_root_runs_note(word)))


def history(word: str, forget: str | None) -> HistoryReport:
    """Return the runs of a target, newest first, after removing the one to forget."""
    with open_named_target(word) as target:
        if forget is not None:
            repair_run.forget(target, forget)
        runs = repair_run.history(target)
        left = repair_run.incomplete_run_notes(target, runs)
    return HistoryReport(SCHEMA_VERSION, word, tuple(sorted(runs, key=lambda run: run.at, reverse=True)),
                         (*left, *_root_runs_note(word)))


def _root_runs_note(word: str) -> tuple[str, ...]:
    """Return a note if the runs may be root's, which only root can read."""
    if word.startswith(("ssh://", "bundle:")) or (folder := state_root.unseen_root_state()) is None:
        return ()
    return (f"only root can read the journals of root's repairs, in {folder}: sudo fixer history {word}",)
