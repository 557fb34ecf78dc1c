"""Runs on real files: kept, taken back, undone; conflicts, permissions, full disks, two at once, interrupts."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fixer.apply.repair_run import RepairRun, forget, history, undo, unfinished_run
from fixer.errors import Conflict, ConnectionLost, Interrupted, Locked, NeedsPerson, StepFailed, UsageError
from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.journal import FileState
from fixer.model.plan import CheckNginx, FileMeta, SignalProcess
from fixer.model.report import UndoResult
from tests.apply.folder_target import NEW, NOW, OLD, FolderTarget, make_plan, read_tree, write_step


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "etc"
    root.mkdir()
    (root / "shop").write_bytes(OLD)
    (root / "shop").chmod(0o640)
    return root


@pytest.fixture
def target(tmp_path: Path) -> FolderTarget:
    return FolderTarget(tmp_path / "state" / "targets" / "local")


def open_run(target: FolderTarget) -> RepairRun:
    return RepairRun.open(target, cause="wrong-port", now=NOW)


def assert_left_alone(result: UndoResult, note: str) -> None:
    assert (result.restored, result.conflicts, result.irreversible) == ((), (), ())
    assert note in result.notes[0]


def test_a_kept_round_is_undone_to_the_byte(site: Path, target: FolderTarget) -> None:
    before = read_tree(site)
    inode = (site / "shop").stat().st_ino
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        assert run.applied == ()
        run.commit()
        assert run.kept and run.id and run.id.startswith("2026")
        assert run.applied == (f"edit {site}/shop",)
    assert (site / "shop").read_bytes() == NEW
    assert (site / "shop").stat().st_mode & 0o7777 == 0o640
    assert (site / "shop").stat().st_ino != inode
    (listed,) = history(target)
    assert (listed.id, listed.state, listed.cause, listed.target) == (run.id, "committed", "wrong-port", "local")
    result = undo(target, None)
    assert (result.id, result.restored, result.conflicts) == (run.id, (f"restored {site}/shop",), ())
    assert read_tree(site) == before
    assert history(target)[0].state == "undone"
    assert_left_alone(undo(target, None), "nothing to undo")
    assert_left_alone(undo(target, run.id), "is undone")


def test_folders_and_blobs_are_for_nobody_else(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
    for path in (tmp_path / "state").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_without_steps_nothing_is_written(target: FolderTarget, tmp_path: Path) -> None:
    with open_run(target) as run:
        run.round(make_plan())
        run.commit()
        run.roll_back()
        assert run.id is None and not run.kept
    assert not (tmp_path / "state").exists()
    assert history(target) == () and unfinished_run(target) is None
    assert_left_alone(undo(target, None), "nothing to undo")


def test_an_uncommitted_round_goes_back_however_the_block_ends(site: Path, target: FolderTarget) -> None:
    before = read_tree(site)
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    assert read_tree(site) == before
    with pytest.raises(ZeroDivisionError), open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        raise ZeroDivisionError
    with pytest.raises(Interrupted), open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        raise KeyboardInterrupt
    assert read_tree(site) == before
    assert [r.state for r in history(target)] == ["rolled-back"] * 3
    assert_left_alone(undo(target, history(target)[0].id), "rolled-back")
    assert_left_alone(undo(target, None), "nothing to undo")


def test_a_round_that_does_not_help_leaves_the_earlier_one(site: Path, target: FolderTarget) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
        run.round(make_plan(write_step(site / "other", None, b"x")))
        assert run.roll_back().restored == [f"removed {site}/other"]
        run.round(make_plan(write_step(site / "shop", NEW, b"third\n")))
        run.commit()
    assert (site / "shop").read_bytes() == b"third\n" and not (site / "other").exists()
    assert undo(target, run.id).restored == (f"restored {site}/shop",)
    assert (site / "shop").read_bytes() == OLD


def test_a_round_must_be_decided_before_the_next(site: Path, target: FolderTarget) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        with pytest.raises(StepFailed, match="open already"):
            run.round(make_plan(write_step(site / "other", None, b"x")))


def test_names_sort_even_when_the_clock_goes_back(site: Path, target: FolderTarget) -> None:
    for now, old, new in ((NOW, OLD, NEW), (NOW - 99, NEW, OLD), (NOW, OLD, NEW)):
        with RepairRun.open(target, cause="c", now=now) as run:
            run.round(make_plan(write_step(site / "shop", old, new)))
            run.commit()
    ids = [r.id for r in history(target)]
    assert ids == sorted(ids) and run.id == ids[-1] and len(set(ids)) == 3


@pytest.mark.parametrize(("prepare", "words"), [
    (lambda p: p.write_bytes(b"hand"), "has changed since"),
    (lambda p: p.unlink(), "is not there any more"),
    (lambda p: (p.unlink(), p.symlink_to("x")), "not a regular file"),
    (lambda p: (p.unlink(), p.mkdir()), "not a regular file"),
    (lambda p: p.chmod(0o600), "another owner, mode"),
])
def test_the_present_state_must_be_the_expected_one(site: Path, target: FolderTarget, prepare, words: str) -> None:
    me = FileMeta(0o640, os.getuid(), os.getgid())
    prepare(site / "shop")
    before = read_tree(site)
    with open_run(target) as run, pytest.raises(Conflict, match=words):
        run.round(make_plan(write_step(site / "a", None, b"a"), write_step(site / "shop", OLD, NEW, expect_meta=me)))
    assert read_tree(site) == before
    assert history(target)[0].state == "rolled-back"


def test_creating_and_links_expect_nothing_there_and_the_right_target(site: Path, target: FolderTarget) -> None:
    (site / "on").symlink_to("shop")
    bad = [
        write_step(site / "shop", None, b"x"),
        write_step(site / "shop", None, b"", link_target="y"),
        write_step(site / "shop", None, None, link_target="y"),
        write_step(site / "on", None, None, link_target="elsewhere"),
        write_step(site / "none", None, None),
        write_step(site / "shop", OLD, None, in_place=True),
    ]
    for step in bad:
        with open_run(target) as run, pytest.raises((Conflict, StepFailed)):
            run.round(make_plan(step))
    assert (site / "shop").read_bytes() == OLD and os.readlink(site / "on") == "shop"


def test_links_folders_and_modes_come_and_go(site: Path, target: FolderTarget) -> None:
    (site / "on").symlink_to("../sites/shop")
    before = read_tree(site)
    mine = (os.getuid(), os.getgid())
    with open_run(target) as run:
        run.round(make_plan(
            write_step(site / "on", None, None, link_target="../sites/shop"),
            write_step(site / "on2", None, b"", link_target="shop"),
            write_step(site / "d" / "e" / "new", None, b"x", create_dirs=(str(site / "d"), str(site / "d" / "e"))),
            write_step(site / "shop", OLD, OLD, meta=FileMeta(0o600, *mine)),
            write_step(site / "gone", None, b"y", meta=FileMeta(0o604, *mine)),
        ))
        run.commit()
    assert not os.path.lexists(site / "on") and os.readlink(site / "on2") == "shop"
    assert (site / "d").stat().st_mode & 0o777 == 0o755
    assert (site / "shop").stat().st_mode & 0o777 == 0o600 and (site / "gone").stat().st_mode & 0o777 == 0o604
    (site / "d" / "mine").write_bytes(b"somebody's")
    result = undo(target, None)
    assert result.conflicts == ()
    (site / "d" / "mine").unlink()
    (site / "d").rmdir()
    assert read_tree(site) == before


@pytest.mark.parametrize("change", [
    lambda p: p.write_bytes(NEW + b"# mine\n"), lambda p: p.chmod(0o604), lambda p: p.unlink(),
])
def test_a_hand_edit_after_the_repair_is_kept_and_said(site: Path, target: FolderTarget, change) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "new", None, b"x"), write_step(site / "shop", OLD, NEW)))
        run.commit()
    change(site / "shop")
    before = read_tree(site)["shop"] if (site / "shop").exists() else None
    result = undo(target, None)
    assert [c for c in result.conflicts if "somebody else" in c] == list(result.conflicts) != []
    assert result.restored == (f"removed {site}/new",)
    assert (read_tree(site)["shop"] if (site / "shop").exists() else None) == before
    assert history(target)[0].state == "undone-with-conflicts"
    (site / "shop").write_bytes(NEW)          # the person clears the way: the same undo can be asked for again
    (site / "shop").chmod(0o640)
    assert undo(target, run.id).conflicts == ()
    assert (site / "shop").read_bytes() == OLD and history(target)[0].state == "undone"


def test_in_place_keeps_the_inode_and_leaves_no_image(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    inode = (site / "shop").stat().st_ino
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW, in_place=True)))
        run.commit()
    assert (site / "shop").stat().st_ino == inode and (site / "shop").read_bytes() == NEW
    assert not list((tmp_path / "state").rglob("*.image"))
    (site / "shop").write_bytes(NEW[:9])      # looks like a torn write, but no write of ours was under way
    assert undo(target, None).conflicts
    assert (site / "shop").read_bytes() == NEW[:9]


def test_no_secret_is_in_any_record(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    secret = b"s3cr3t-value"
    step = write_step(site / "env", None, b"ODD=" + secret + b"\n", mask=(secret,))
    other = write_step(site / "shop", OLD, OLD + secret, mask=(secret,), in_place=True)
    with open_run(target) as run:
        run.round(make_plan(step, other))
        run.commit()
    undo(target, None)
    assert all(secret not in p.read_bytes() for p in (tmp_path / "state").rglob("*") if p.is_file())


class BrokenFiles(LocalFiles):
    """This machine's files; some operations are refused, as a full or a read-only disk does."""

    def __init__(self, code: int, *names: str) -> None:
        self._code, self._names = code, names

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        self._refuse(path)
        super().create(path, data, meta)

    def append(self, path: str, data: bytes) -> None:
        if "journal-end" in self._names and b'"rolled-back"' in data:
            with open(path, "ab") as file:
                file.write(data[:9])
            raise OSError(self._code, os.strerror(self._code), path)
        self._refuse(path)
        super().append(path, data)

    def _refuse(self, path: str) -> None:
        if any(name in path for name in self._names):
            raise OSError(self._code, os.strerror(self._code), path)


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_disk_that_refuses_is_a_failed_step_and_all_goes_back(site: Path, tmp_path: Path, code: int) -> None:
    (site / "ro").mkdir()
    (site / "ro" / "x").write_bytes(OLD)
    before = read_tree(site)
    target = FolderTarget(tmp_path / "state", BrokenFiles(code, "/ro/"))
    with open_run(target) as run, pytest.raises(StepFailed, match=os.strerror(code)) as raised:
        run.round(make_plan(write_step(site / "shop", OLD, NEW), write_step(site / "ro" / "x", OLD, NEW)))
    assert "taken back" in raised.value.hint and "edit" in raised.value.message
    assert read_tree(site) == before and history(target)[0].state == "rolled-back"


@pytest.mark.parametrize(("code", "tool"), [(errno.EPERM, "chattr -i"), (errno.EROFS, "findmnt -T")])
def test_what_stops_root_too_is_told_with_the_way_out(site: Path, tmp_path: Path, code: int, tool: str) -> None:
    (site / "ro").mkdir()
    (site / "ro" / "x").write_bytes(OLD)
    target = FolderTarget(tmp_path / "state", BrokenFiles(code, "/ro/"))
    with open_run(target) as run, pytest.raises(StepFailed) as raised:
        run.round(make_plan(write_step(site / "ro" / "x", OLD, NEW)))
    assert f"{tool} {site}/ro/x" in raised.value.message and "taken back" in raised.value.hint


def test_a_journal_that_cannot_be_ended_is_ended_later(site: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    before = read_tree(site)
    with open_run(FolderTarget(state, BrokenFiles(errno.ENOSPC, "journal-end"))) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        assert "could not be ended" in run.roll_back().notes[0]
    assert read_tree(site) == before
    target = FolderTarget(state)
    assert unfinished_run(target) is not None
    with open_run(target) as run:
        assert run.recovered is not None and run.recovered.restored == []
    assert unfinished_run(target) is None


def test_a_restore_that_fails_is_a_conflict_and_can_be_tried_again(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    (site / "sub").mkdir()
    (site / "sub" / "x").write_bytes(OLD)
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW), write_step(site / "sub" / "x", OLD, NEW)))
        run.commit()
    broken = FolderTarget(tmp_path / "state" / "targets" / "local", BrokenFiles(errno.EACCES, "/sub/"))
    result = undo(broken, None)
    assert result.restored == (f"restored {site}/shop",)
    assert len(result.conflicts) == 1 and "Permission" in result.conflicts[0]
    assert undo(target, run.id).restored == (f"restored {site}/sub/x",)
    assert (site / "sub" / "x").read_bytes() == OLD


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
    assert_left_alone(result, f"run {names[1]}: nothing of it is in force any more; a restart, or somebody by hand, has undone it already; "
                              f"run {names[0]} is, and the next fixer undo takes that one back")
    assert result.id == names[1] and (site / "shop").read_bytes() == NEW
    assert undo(target, None).id == names[0] and (site / "shop").read_bytes() == OLD


def test_a_repair_that_was_not_wholly_rolled_back_is_something_to_undo(site: Path, tmp_path: Path) -> None:
    target, before = FolderTarget(tmp_path / "state"), read_tree(site)
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        (site / "shop").write_bytes(b"by hand\n")
        assert run.roll_back().conflicts
    assert_left_alone(undo(target, None), f"not all of it: {site}/shop was changed by somebody else; it is left as it is; fixer undo --id {run.id}")
    (site / "shop").write_bytes(NEW)
    assert undo(target, run.id).restored == (f"restored {site}/shop",)
    assert read_tree(site) == before
    assert_left_alone(undo(target, None), "nothing to undo")


class LostFiles(LocalFiles):
    """This machine's files; the way to some of them is gone, as when a daemon stops or a line is cut."""

    def state(self, path: str) -> FileState:
        if path.endswith("/shop"):
            raise ConnectionLost("the connection was lost")
        return super().state(path)


def test_what_could_not_be_reached_is_taken_back_later(site: Path, tmp_path: Path) -> None:
    before, state = read_tree(site), tmp_path / "state"
    with open_run(FolderTarget(state)) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
    result = undo(FolderTarget(state, LostFiles()), None)
    assert "connection was lost" in result.conflicts[0] and "goes on from here" in result.notes[0]
    target = FolderTarget(state)
    assert unfinished_run(target) is not None, "not undone, and no hand edit either: the journal stays open"
    assert undo(target, None).conflicts == ()
    assert read_tree(site) == before and unfinished_run(target) is None


def test_a_state_folder_out_of_reach_is_one_line(site: Path, tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "state", BrokenFiles(errno.EROFS, "journal.jsonl"))
    with open_run(target) as run, pytest.raises(NeedsPerson, match="Read-only"):
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    assert (site / "shop").read_bytes() == OLD
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NeedsPerson), open_run(FolderTarget(tmp_path / "file" / "state")) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))


def test_a_damaged_before_image_is_not_put_back(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
    (blob,) = (tmp_path / "state").rglob("blobs/*")
    blob.write_bytes(b"rubbish")
    assert "damaged" in undo(target, None).conflicts[0]
    assert (site / "shop").read_bytes() == NEW


def test_a_damaged_journal_is_said(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "a", None, b"x"), write_step(site / "shop", OLD, NEW)))
        run.commit()
    (journal,) = (tmp_path / "state").rglob("journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = b"\0" * len(lines[2][:-1]) + b"\n"
    lines[4] = lines[4].replace(b"WriteFile", b"WriteFyle")
    journal.write_bytes(b"".join(lines))
    result = undo(target, None)
    assert any("1 records cannot be read" in c for c in result.conflicts)
    assert any("not understood" in c for c in result.conflicts)


def test_two_at_once(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        for again in (lambda: open_run(target).__enter__(), lambda: undo(target, None), lambda: forget(target, run.id)):
            with pytest.raises(Locked, match=f"a repair is at work on this target .pid {os.getpid()} of"):
                again()
        assert unfinished_run(target) is not None       # looking takes no lock
        (tmp_path / "state" / "targets" / "local" / "lock").write_bytes(b"{")
        with pytest.raises(Locked, match="another repair or undo"):
            open_run(target).__enter__()
        run.commit()
    with open_run(target):
        pass


def test_a_run_that_was_begun_meanwhile_and_crashed_stops_a_stale_plan(site: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with open_run(FolderTarget(state)) as run:
        other = FolderTarget(state, BrokenFiles(errno.ENOSPC, "journal-end"))
        with open_run(other) as second:
            second.round(make_plan(write_step(site / "shop", OLD, NEW)))
        with pytest.raises(Conflict, match="interrupted meanwhile"):
            run.round(make_plan(write_step(site / "shop", OLD, NEW)))


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


def test_a_run_from_outside_is_undone_from_inside(site: Path, tmp_path: Path) -> None:
    outside = FolderTarget(tmp_path / "state", name="box")
    step = write_step(site / "shop", OLD, NEW)
    with open_run(outside) as run:
        run.round(make_plan(type(step)("box", step.path, OLD, NEW, "x")))
        run.commit()
    assert undo(FolderTarget(tmp_path / "state"), None).conflicts == ()
    assert (site / "shop").read_bytes() == OLD


def test_a_failing_check_puts_the_file_back(site: Path, target: FolderTarget) -> None:
    before = read_tree(site)
    with open_run(target) as run, pytest.raises(StepFailed, match="nginx refuses the configuration"):
        run.round(make_plan(write_step(site / "shop", OLD, NEW), CheckNginx("local", "/bin/false", "/c", "/")))
    assert read_tree(site) == before


def test_a_step_on_a_node_that_is_not_there_goes_back(site: Path, target: FolderTarget) -> None:
    step = write_step(site / "shop", OLD, NEW)
    with open_run(target) as run, pytest.raises(NeedsPerson):
        run.round(make_plan(step, type(step)("elsewhere", "/x", b"", b"y", "x")))
    assert (site / "shop").read_bytes() == OLD


class Interrupting(LocalFiles):
    """Sends this process signals in the middle of chosen operations."""

    def __init__(self, *when: str) -> None:
        self._when = list(when)

    def rename(self, source: str, destination: str) -> None:
        super().rename(source, destination)
        while self._when and self._when[0] in destination:
            self._when.pop(0)
            os.kill(os.getpid(), signal.SIGINT)


def test_the_first_interrupt_ends_the_step_and_goes_back(site: Path, tmp_path: Path) -> None:
    before = read_tree(site)
    target = FolderTarget(tmp_path / "state", Interrupting("shop"))
    with pytest.raises(Interrupted, match="taken back"), open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW), write_step(site / "b", None, b"x")))
    assert read_tree(site) == before and history(target)[0].state == "rolled-back"
    assert history(target)[0].steps == (f"edit {site}/shop",)


def test_an_interrupt_after_the_last_step_counts_too(site: Path, tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "state", Interrupting("shop"))
    with pytest.raises(Interrupted), open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    assert (site / "shop").read_bytes() == OLD


def test_the_second_interrupt_stops_at_once_and_the_journal_knows(site: Path, tmp_path: Path) -> None:
    before = read_tree(site)
    target = FolderTarget(tmp_path / "state", Interrupting("shop", "shop"))
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="at once") as raised, open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    assert "fixer undo" in raised.value.hint and signal.getsignal(signal.SIGINT) is handler
    assert (site / "shop").read_bytes() == NEW
    broken = unfinished_run(target)
    assert broken is not None and broken.id == run.id
    with pytest.raises(UsageError, match="interrupted"):
        forget(target, broken.id)
    assert undo(FolderTarget(tmp_path / "state"), None).restored == (f"restored {site}/shop",)
    assert read_tree(site) == before and unfinished_run(target) is None


def test_a_step_of_a_newer_fixer_holds_up_nothing(site: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with pytest.raises(Interrupted), open_run(FolderTarget(state, Interrupting("shop", "shop"))) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    (journal,) = state.rglob("journal.jsonl")
    journal.write_bytes(journal.read_bytes().replace(b"WriteFile", b"WriteFyle"))
    assert any("not understood" in c for c in undo(FolderTarget(state), None).conflicts)


def test_undo_ends_an_interrupted_run_with_its_earlier_rounds(site: Path, tmp_path: Path) -> None:
    before = read_tree(site)
    target = FolderTarget(tmp_path / "state", Interrupting("b", "b"))
    with pytest.raises(Interrupted), open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
        run.round(make_plan(write_step(site / "b", None, b"x")))
    assert undo(target, None).id == run.id
    assert read_tree(site) == before


def test_what_cannot_come_back_is_named(target: FolderTarget) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ticks = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
    with open_run(target) as run:
        run.round(make_plan(SignalProcess("local", child.pid, ticks, "TERM", "python")))
        run.commit()
    assert child.wait(5) == -signal.SIGTERM
    result = undo(target, None)
    assert result.irreversible == (f"stop process {child.pid} (python): cannot be undone",)
    assert child.stdin
    child.stdin.close()
