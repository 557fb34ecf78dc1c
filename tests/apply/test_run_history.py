"""Tests of fixer/apply/run_history.py."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fixer.apply.repair_run import forget, history, incomplete_run_notes, undo
from fixer.errors import StepFailed, UsageError
from fixer.hosts.machine.local_files import LocalFiles
from tests.apply.folder_target import NEW, OLD, FolderTarget, make_plan, read_tree, write_step
from tests.apply.repair_run_builders import assert_left_alone, open_run


class AppendOnly(LocalFiles):
    """This machine's files; below etc nothing may be renamed or removed."""

    def rename(self, source: str, destination: str) -> None:
        _refuse(destination)
        super().rename(source, destination)

    def unlink(self, path: str) -> None:
        _refuse(path)
        super().unlink(path)


def _refuse(path: str) -> None:
    if "/etc/" in path:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), path)


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
    result = undo(target, None)
    assert (result.id, result.restored) == (run.id, ())
    assert result.conflicts == (f"{site}/shop was changed by somebody else; it was left unchanged",)
    assert f"rolled back only in part; fixer undo --id {run.id} tries again" in result.notes[0]
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


# A run that was undone with conflicts: a plain undo finds it once its change is in force again, and never says that
# nothing is.


def _undone_in_part(site: Path, target: FolderTarget) -> str:
    """Return a run whose file was moved away before its undo."""
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
    (site / "shop").rename(site / "away")
    result = undo(target, None)
    assert result.conflicts == (f"{site}/shop was removed by somebody else; it was not restored",)
    assert run.id is not None
    return run.id


def test_a_change_that_is_in_force_again_is_undone(site: Path, target: FolderTarget) -> None:
    before = read_tree(site)
    name = _undone_in_part(site, target)
    (site / "away").rename(site / "shop")
    (note,) = incomplete_run_notes(target, history(target))
    assert note == f"run {name} is in force again: {site}/shop as the repair left it; fixer undo --id {name} takes it back"
    result = undo(target, None)
    assert (result.id, result.restored, result.conflicts) == (name, (f"restored {site}/shop",), ())
    assert read_tree(site) == before and history(target)[0].state == "undone"
    assert incomplete_run_notes(target, history(target)) == ()
    assert_left_alone(undo(target, None), "nothing to undo")


def test_a_conflict_that_still_holds_is_named_as_one(site: Path, target: FolderTarget) -> None:
    name = _undone_in_part(site, target)
    result = undo(target, None)
    assert (result.id, result.restored) == (name, ())
    assert result.conflicts == (f"{site}/shop was removed by somebody else; it was not restored",)
    assert f"run {name} was undone only in part; fixer undo --id {name} tries again" in result.notes[0]
    assert f"fixer history --forget {name}" in result.notes[0]
    assert incomplete_run_notes(target, history(target)) == ()


def test_a_conflict_that_somebody_ended_by_hand_is_none_any_more(site: Path, target: FolderTarget) -> None:
    _undone_in_part(site, target)
    (site / "shop").write_bytes(OLD)
    (site / "shop").chmod(0o640)
    assert_left_alone(undo(target, None), "nothing to undo")


def test_the_newest_change_in_force_is_undone_first(site: Path, target: FolderTarget) -> None:
    """Two runs edit one file; the older is undone first by its id, which is a conflict until the newer is undone."""
    before, names = read_tree(site), []
    for old, new in ((OLD, NEW), (NEW, NEW + b"# more\n")):
        with open_run(target) as run:
            run.round(make_plan(write_step(site / "shop", old, new)))
            run.commit()
        names.append(run.id)
    assert undo(target, names[0]).conflicts
    assert undo(target, None).id == names[1] and (site / "shop").read_bytes() == NEW
    assert undo(target, None).id == names[0] and read_tree(site) == before
    assert_left_alone(undo(target, None), "nothing to undo")


def test_what_a_run_left_behind_is_removed_by_a_plain_undo(site: Path, tmp_path: Path) -> None:
    """A folder that lets nobody remove anything (append-only) keeps the temporary file."""
    state, before = tmp_path / "state", read_tree(site)
    stuck = FolderTarget(state, AppendOnly())
    with open_run(stuck) as run, pytest.raises(StepFailed):
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    (temp,) = (path for path in site.iterdir() if path.name.startswith(".badgateway-"))
    (note,) = incomplete_run_notes(stuck, history(stuck))
    assert note == f"run {run.id} left {temp}; fixer undo --id {run.id} tries again"
    result = undo(stuck, None)
    assert result.id == run.id and "not permitted" in result.conflicts[0] and temp.exists()
    target = FolderTarget(state)
    assert undo(target, None).conflicts == () and read_tree(site) == before
    assert_left_alone(undo(target, None), "nothing to undo")
