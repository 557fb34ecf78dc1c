"""Tests of fixer/apply/run_history.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.apply.repair_run import forget, history, undo
from fixer.errors import UsageError
from tests.apply.folder_target import NEW, OLD, FolderTarget, make_plan, read_tree, write_step
from tests.apply.repair_run_builders import assert_left_alone, open_run


def test_what_was_undone_already_is_said_with_what_is_next(site: Path, tmp_path: Path) -> None:
    """A restart, or a person, has taken the last one back: a second undo would go on to the one before."""
    target = FolderTarget(tmp_path / "state")
    names = []
    for name in ("shop", "other"):
        with open_run(target) as run:
            run.round(make_plan(write_step(site / name, OLD if name == "shop" else None, NEW)))
            run.commit()
            names.append(run.id)
    (site / "other").unlink()
    result = undo(target, None)
    assert_left_alone(result, f"run {names[1]} has no change in force; a restart or a hand edit has undone it already; "
                              f"run {names[0]} is in force: the next fixer undo undoes it")
    assert result.id == names[1] and (site / "shop").read_bytes() == NEW
    assert undo(target, None).id == names[0] and (site / "shop").read_bytes() == OLD


def test_a_repair_that_was_not_wholly_rolled_back_is_something_to_undo(site: Path, tmp_path: Path) -> None:
    target, before = FolderTarget(tmp_path / "state"), read_tree(site)
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        (site / "shop").write_bytes(b"by hand\n")
        assert run.roll_back().conflicts
    assert_left_alone(undo(target, None), f"only in part: {site}/shop was changed by somebody else; it was left unchanged; fixer undo --id {run.id}")
    (site / "shop").write_bytes(NEW)
    assert undo(target, run.id).restored == (f"restored {site}/shop",)
    assert read_tree(site) == before
    assert_left_alone(undo(target, None), "nothing to undo")


def test_forgetting(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
    assert run.id is not None
    for name in ("20200101-000000-abcd", "../../x", ""):
        with pytest.raises(UsageError, match="no run"):
            forget(target, name)
    with pytest.raises(UsageError, match="no run"):
        undo(target, "20200101-000000-abcd")
    stray = tmp_path / "state" / "targets" / "local" / "runs" / "lost+found"
    stray.mkdir()
    forget(target, run.id)
    assert history(target) == () and stray.is_dir()
