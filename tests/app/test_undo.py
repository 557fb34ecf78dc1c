"""Tests of fixer/app/undo.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from fixer.app import undo as app
from fixer.apply import repair_run


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets that were opened; root has repairs of its own in a folder that is not readable here."""
    words: list[str] = []

    @contextmanager
    def open_target(word: str) -> Iterator[str]:
        words.append(word)
        yield f"target {word}"

    monkeypatch.setattr(app, "open_named_target", open_target)
    monkeypatch.setattr(app.state_root, "unseen_root_state", lambda: "/var/lib/fixer")
    monkeypatch.setattr(app, "replace", lambda made, **changes: SimpleNamespace(**{**vars(made), **changes}))
    return words


@pytest.mark.parametrize(("word", "run_id", "notes"), [
    ("local", "r1", ["a"]), ("local", "", ["a", "/var/lib/fixer"]), ("docker://web", "", ["a", "/var/lib/fixer"]),
    ("ssh://shop", "", ["a"]),
])
def test_where_nothing_was_undone_roots_own_repairs_are_named(
    monkeypatch: pytest.MonkeyPatch, opened: list[str], word: str, run_id: str, notes: list[str],
) -> None:
    """Not for a run that was found, and not of another machine."""
    asked: list[Any] = []
    monkeypatch.setattr(repair_run, "undo", lambda *words: asked.append(words) or SimpleNamespace(id=run_id, notes=("a",)))
    found = app.undo(word, "r1")
    assert asked == [(f"target {word}", "r1")] and opened == [word]
    assert len(found.notes) == len(notes) and all(part in note for part, note in zip(notes, found.notes, strict=True))


def test_the_history_is_newest_first_without_the_run_to_forget(monkeypatch: pytest.MonkeyPatch, opened: list[str]) -> None:
    runs = [SimpleNamespace(id="a", at=1.0), SimpleNamespace(id="c", at=3.0), SimpleNamespace(id="b", at=2.0)]
    monkeypatch.setattr(repair_run, "forget", lambda target, run: runs.remove(next(r for r in runs if r.id == run)))
    monkeypatch.setattr(repair_run, "history", lambda target: tuple(runs))
    monkeypatch.setattr(repair_run, "incomplete_run_notes", lambda target, runs: (f"{len(runs)} in force",))
    assert [run.id for run in app.history("local", None).runs] == ["c", "b", "a"]
    assert [run.id for run in app.history("local", "b").runs] == ["c", "a"] and opened == ["local", "local"]
    shown = app.history("local", None)
    assert shown.target == "local" and shown.notes[0] == "2 in force" and "sudo fixer history local" in shown.notes[1]


def test_nothing_is_said_of_root_where_root_repaired_nothing(monkeypatch: pytest.MonkeyPatch, opened: list[str]) -> None:
    monkeypatch.setattr(app.state_root, "unseen_root_state", lambda: None)
    monkeypatch.setattr(repair_run, "history", lambda target: ())
    monkeypatch.setattr(repair_run, "incomplete_run_notes", lambda target, runs: ())
    assert app.history("local", None).notes == ()
