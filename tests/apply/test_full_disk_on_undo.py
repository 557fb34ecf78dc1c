"""A disk that takes nothing in the middle of the way back: no hand edit, so the journal stays open until it does again."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fixer.app.repair import _recover
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.apply.repair_run import RepairRun, history, undo, unfinished_run
from fixer.errors import NeedsPerson, StepFailed
from fixer.hosts.machine.local_files import LocalFiles
from fixer.hosts.sh.sh_files import _os_error
from fixer.lazy.dataclass import replace
from fixer.model.plan import FileMeta
from fixer.render.outcome_text import repair_text, undo_text
from fixer.terminal import Terminal
from tests.apply.folder_target import NEW, NOW, OLD, FolderTarget, make_plan, read_tree, write_step
from tests.render.report_samples import REPAIRED


class StuckFiles(LocalFiles):
    """This machine's files; from the rename on the disk takes nothing more."""

    def __init__(self, code: int) -> None:
        self.code, self.stuck = code, False

    def _take(self, path: str) -> None:
        if self.stuck and "/etc/" in path:
            raise OSError(self.code, os.strerror(self.code), path)

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        self._take(path)
        super().create(path, data, meta)

    def rename(self, old: str, new: str) -> None:
        self.stuck |= "/etc/" in new
        self._take(new)
        super().rename(old, new)

    def unlink(self, path: str) -> None:
        self._take(path)
        super().unlink(path)


class FullFiles(LocalFiles):
    """This machine's files; what is written in place over what a repair wrote stops half way."""

    def overwrite(self, path: str, data: bytes) -> None:
        if "/etc/" in path and data == OLD:
            super().overwrite(path, data[:7])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        super().overwrite(path, data)


def open_run(target: FolderTarget) -> RepairRun:
    return RepairRun.open(target, cause="wrong-port", now=NOW)


def left_over(site: Path, state: Path, code: int) -> FolderTarget:
    """A repair that could neither go on nor tidy up."""
    target = FolderTarget(state, StuckFiles(code))
    with open_run(target) as run, pytest.raises(StepFailed) as raised:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    assert "not everything could be taken back" in raised.value.hint and "the next repair or undo" in raised.value.hint
    assert len(list(site.iterdir())) == 2       # its temp file
    return target


def by_undo(target: FolderTarget) -> None:
    assert undo(target, None).conflicts == ()


def by_repair(target: FolderTarget) -> None:
    with open_run(target) as run:
        assert run.recovered is not None and run.recovered.conflicts == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("way", [by_undo, by_repair])
def test_what_a_stuck_disk_keeps_is_taken_back_later(site: Path, tmp_path: Path, code: int, way: Callable[[FolderTarget], None]) -> None:
    before = read_tree(site)
    left_over(site, tmp_path / "state", code)
    target = FolderTarget(tmp_path / "state")
    assert history(target)[0].state == "unfinished"
    way(target)
    assert read_tree(site) == before and history(target)[0].state == "rolled-back"


def test_no_repair_begins_before_that(site: Path, tmp_path: Path) -> None:
    target = left_over(site, tmp_path / "state", errno.EROFS)
    options = RepairRequest(DiagnoseRequest(), False, True, None, None, {})
    with pytest.raises(NeedsPerson, match=r"cannot be taken back yet: edit .*Read-only") as raised:
        _recover(target, options, Terminal())
    assert "then the next repair" in raised.value.hint and unfinished_run(target) is not None
    assert _recover(FolderTarget(tmp_path / "state"), options, Terminal())[0].endswith("taken back")


def test_what_was_torn_on_the_way_back_is_still_known(site: Path, tmp_path: Path) -> None:
    """A mount is written in place: the half of it that fitted is no hand edit."""
    target, before = FolderTarget(tmp_path / "state", FullFiles()), read_tree(site)
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW, in_place=True)))
        assert "No space left" in run.roll_back().conflicts[0]
    assert (site / "shop").read_bytes() == OLD[:7]
    by_undo(FolderTarget(tmp_path / "state"))
    assert read_tree(site) == before


class ClosedJournal(LocalFiles):
    """This machine's files; from the word on the journal's disk takes nothing."""

    def __init__(self, word: bytes) -> None:
        self.word, self.stuck = word, False

    def _take(self, path: str) -> None:
        if self.stuck and "/state/" in path:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    def append(self, path: str, data: bytes) -> None:
        self.stuck |= self.word in data
        self._take(path)
        super().append(path, data)

    def unlink(self, path: str) -> None:
        self._take(path)
        super().unlink(path)


def test_what_the_journal_cannot_keep_is_taken_back(site: Path, tmp_path: Path) -> None:
    before, target = read_tree(site), FolderTarget(tmp_path / "state", ClosedJournal(b'"committed"'))
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        with pytest.raises(StepFailed, match="the journal cannot be written: Read-only"):
            run.commit()
        assert run.taken_back is not None and not run.kept
    assert read_tree(site) == before and history(target)[0].state == "unfinished"
    by_repair(FolderTarget(tmp_path / "state"))
    assert read_tree(site) == before and history(target)[0].state == "rolled-back"


def test_an_image_that_cannot_be_removed_is_removed_later(site: Path, tmp_path: Path) -> None:
    """It was stored for a write whose intent the journal did not take any more."""
    before, state = read_tree(site), tmp_path / "state"
    with open_run(FolderTarget(state, ClosedJournal(b'"intent"'))) as run, pytest.raises(StepFailed, match="Read-only"):
        run.round(make_plan(write_step(site / "shop", OLD, NEW, in_place=True)))
    assert read_tree(site) == before and list(state.rglob("*.image"))
    by_undo(FolderTarget(state))
    assert read_tree(site) == before and not list(state.rglob("*.image"))


def test_nobody_is_told_that_nothing_was_kept() -> None:
    note = "not everything could be taken back: edit /etc/x: not taken back, Read-only file system"
    said = repair_text(replace(REPAIRED, outcome="rolled-back", exit_code=1, after=replace(REPAIRED.after, notes=(note,))))
    assert "Tried, not better, and not everything could be taken back." in said and "nothing was kept" not in said


def test_nobody_is_blamed_for_what_a_disk_refuses(site: Path, tmp_path: Path) -> None:
    said = undo_text(undo(left_over(site, tmp_path / "state", errno.EROFS), None))
    assert "Not taken back" in said and "Read-only file system" in said and "goes on from here" in said
    assert "somebody" not in said


@pytest.mark.parametrize(("said", "code"), [
    ("sh: 99: printf: printf: I/O error", errno.EIO), ("mv: cannot move 'a': Read-only file system", errno.EROFS),
    ("cat: write error: Disk quota exceeded", errno.EDQUOT), ("rm: something nobody knows", errno.EPROTO),
])
def test_what_a_shell_complains_about(said: str, code: int) -> None:
    assert _os_error(said, "/etc/x").errno == code
