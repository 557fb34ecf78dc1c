"""A way back that failed in part and is tried again: all of it is, and what it then brings back is no conflict any more."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from fixer.apply.repair_run import RepairRun, history, undo
from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.host import CommandResult
from fixer.model.plan import FileMeta, ProgramAction, Step, UnitAction
from tests.apply.folder_target import NEW, NOW, OLD, FolderTarget, make_plan, read_tree, write_step

RESTART = UnitAction("local", "shop.service", "restart", "active", "enabled")
UPDATE = ProgramAction("local", "shop", "shop", "update", "/etc/supervisord.conf", "STOPPED")


class FullFiles(LocalFiles):
    """This machine's files; its disk is full when the test says so."""

    full = False

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        if self.full and "/etc/" in path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        super().create(path, data, meta)


class Managed(FolderTarget):
    """A machine whose managers do all that they are told, but for one word while `fails` holds it."""

    def __init__(self, state: Path, files: FullFiles | None = None, fails: str = "") -> None:
        super().__init__(state, files)
        self.fails, self.told = fails, list[str]()
        self.journal_location()[0].run = self._run  # type: ignore[method-assign]

    def _run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        words = {"show": b"ActiveState=active\n", "status": b"shop RUNNING pid 7\n"}
        verb = next((word for word in argv[1:] if word.isalpha()), "")
        self.told.append(verb)
        return CommandResult(tuple(argv), int(verb == self.fails), words.get(verb, b""), b"not now" if verb == self.fails else b"")


@contextlib.contextmanager
def repaired(target: FolderTarget, *steps: Step) -> Iterator[RepairRun]:
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        run.round(make_plan(*steps))
        yield run


def by_undo(target: FolderTarget) -> None:
    assert undo(target, None).conflicts == ()


def by_repair(target: FolderTarget) -> None:
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        assert run.recovered is not None and run.recovered.conflicts == []


@pytest.mark.parametrize("way", [by_undo, by_repair])
def test_what_failed_only_for_now_is_not_told_for_ever(site: Path, tmp_path: Path, way: Callable[[FolderTarget], None]) -> None:
    """A service could not be restarted while its file was not back; the next attempt brings both."""
    before, files = read_tree(site), FullFiles()
    target = Managed(tmp_path / "state", files)
    with repaired(target, write_step(site / "shop", OLD, NEW), RESTART) as run:
        files.full, target.fails = True, "restart"
        assert len(run.roll_back().conflicts) == 2
    target = Managed(tmp_path / "state")
    assert len(history(target)[0].conflicts) == 1 and history(target)[0].state == "unfinished"
    way(target)
    assert read_tree(site) == before and "restart" in target.told and history(target)[0].state == "rolled-back"
    assert history(target)[0].conflicts == () and "not all of it" not in undo(target, None).notes[0]


@pytest.mark.parametrize("fails", ["update", "stop"])
def test_half_of_a_way_back_is_not_the_whole(site: Path, tmp_path: Path, fails: str) -> None:
    """A program was stopped again, but its manager did not read its files, or the other way round."""
    target = Managed(tmp_path / "state")
    with repaired(target, write_step(site / "shop", OLD, NEW), UPDATE) as run:
        run.commit()
    target.fails = fails
    assert undo(target, None).conflicts != () and history(target)[0].state == "undone-with-conflicts"
    target = Managed(tmp_path / "state")
    assert undo(target, run.id).conflicts == ()
    assert fails in target.told and history(target)[0].state == "undone"
