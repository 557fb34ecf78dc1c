"""A disk that becomes full, or read-only, at each point of a journaled repair and of its undo: with the kernel's own
errors, on a small tmpfs for the state folder or for the edited files."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixer.apply import rollback
from fixer.apply.repair_run import RepairRun, history, undo
from fixer.errors import FixerError
from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.plan import FileMeta
from tests.apply.folder_target import NEW, NOW, OLD, FolderTarget, make_plan, read_tree, write_step

BYTES = 4 << 20
MOST_POINTS = 60

Fault = Callable[[Path], "contextlib.AbstractContextManager[None]"]


def _mounts(*words: str | Path) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """Fill the file system of the folder to its last byte."""
    filler = folder / ".filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(BYTES // 64))
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Mount the folder over itself, read-only: what opened it before still writes, as the lock does."""
    assert _mounts("mount", "--bind", folder, folder) and _mounts("mount", "-o", "remount,bind,ro", folder)
    try:
        yield
    finally:
        assert _mounts("umount", "-l", folder)


class FailingAt(LocalFiles):
    """This machine's files; from point `at` on, the fault holds. A point precedes each call that changes something."""

    def __init__(self, at: int, begin: Callable[[], object]) -> None:
        self._at, self._begin, self.points = at, begin, 0

    def _point(self) -> None:
        if self.points == self._at:
            self._begin()
        self.points += 1

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        self._point()
        super().create(path, data, meta)

    def append(self, path: str, data: bytes) -> None:
        self._point()
        super().append(path, data)

    def rename(self, source: str, destination: str) -> None:
        self._point()
        super().rename(source, destination)

    def overwrite(self, path: str, data: bytes) -> None:
        self._point()
        super().overwrite(path, data)

    def unlink(self, path: str) -> None:
        self._point()
        super().unlink(path)

    def mkdir(self, path: str, mode: int) -> None:
        self._point()
        super().mkdir(path, mode)


@pytest.fixture
def disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """Two small file systems: `state`, and `etc` with a site."""
    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 0.0)
    made = {name: tmp_path / name for name in ("state", "etc")}
    with contextlib.ExitStack() as stack:
        for folder in made.values():
            folder.mkdir()
            if os.geteuid() != 0 or not _mounts("mount", "-t", "tmpfs", "-o", f"size={BYTES}", "tmpfs", folder):
                pytest.skip("needs root, and the right to mount")
            stack.callback(_mounts, "umount", "-l", folder)
        (made["etc"] / "shop").write_bytes(OLD)
        (made["etc"] / "shop").chmod(0o640)
        (made["etc"] / "mounted").write_bytes(OLD)
        yield made


def _repair(target: FolderTarget, etc: Path) -> bool:
    """Repair two files, one in place, and create one; return whether the change was kept."""
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        run.round(make_plan(
            write_step(etc / "shop", OLD, NEW), write_step(etc / "mounted", OLD, NEW, in_place=True),
            write_step(etc / "d" / "new", None, b"x", create_dirs=(str(etc / "d"),))))
        run.commit()
    return True


def _is_whole(etc: Path, before: dict[str, tuple[object, ...]]) -> bool:
    return {name: kept for name, kept in read_tree(etc).items() if name != ".filler"} == before


@pytest.mark.slow
@pytest.mark.parametrize("fault", [full, read_only])
@pytest.mark.parametrize("place", ["state", "etc"])
@pytest.mark.parametrize("work", ["repair", "undo"])
def test_at_each_point_all_is_kept_or_comes_back(disks: dict[str, Path], fault: Fault, place: str, work: str) -> None:
    """A refusal is one clear error; once the disk takes bytes again, an undo brings everything back."""
    before, ended = read_tree(disks["etc"]), False
    for at in range(MOST_POINTS):
        state = disks["state"] / f"run{at}"
        with contextlib.ExitStack() as stack:
            files = FailingAt(at, lambda stack=stack: stack.enter_context(fault(disks[place])))  # type: ignore[misc]
            broken, sound = FolderTarget(state, files), FolderTarget(state)
            if work == "undo":
                assert _repair(sound, disks["etc"])
            try:
                _repair(broken, disks["etc"]) if work == "repair" else undo(broken, None)
            except FixerError as error:
                assert "No space left" in str(error) + error.hint or "Read-only" in str(error) + error.hint, error.message
            ended = files.points <= at
        for _ in range(2):  # an interrupted repair first, then the one that was kept
            undo(sound, None)
        assert _is_whole(disks["etc"], before), (at, read_tree(disks["etc"]))
        assert {run.state for run in history(sound)} <= {"undone", "rolled-back", "nothing"}, at
        if ended:
            return
    pytest.fail(f"more than {MOST_POINTS} points")
