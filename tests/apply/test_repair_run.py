"""Runs on real files: kept, taken back, undone; conflicts, permissions, full disks, two at once, interrupts."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.apply import repair_run, rollback
from fixer.apply.repair_run import RepairRun, forget, history, undo, unfinished_run
from fixer.errors import (
    Conflict,
    ConnectionLost,
    Interrupted,
    Locked,
    NeedsPerson,
    NotListening,
    StartFailed,
    StepFailed,
)
from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.journal import FileState
from fixer.model.plan import CheckNginx, ContainerAction, FileMeta, ReloadNginx, SignalProcess, WaitForListener
from tests.apply.folder_target import NEW, NOW, OLD, FolderTarget, make_plan, read_tree, write_step
from tests.apply.repair_run_builders import Interrupting, assert_left_alone, open_run


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


def test_a_round_on_credit_is_marked_until_it_has_helped(site: Path, target: FolderTarget) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        number = run.open_round
        run.commit(on_credit=True)
        assert [step.endswith(" (unproven alone: the next fault showed)") for step in run.applied] == [True] and history(target)[0].steps == run.applied
        run.redeem(number)
        assert run.kept and not run.applied[0].endswith(" (unproven alone: the next fault showed)")
    assert history(target)[0].state == "committed"
    assert undo(target, run.id).restored == (f"restored {site}/shop",)


def test_a_round_on_credit_is_taken_back_and_leaves_nothing(site: Path, target: FolderTarget) -> None:
    before = read_tree(site)
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        number = run.open_round
        run.commit(on_credit=True)
        assert run.take_back(number).conflicts == []
        assert read_tree(site) == before and not run.kept and run.applied == ()
    assert history(target)[0].state == "rolled-back" and unfinished_run(target) is None
    assert_left_alone(undo(target, None), "nothing to undo")


def test_what_stops_in_the_middle_of_taking_back_goes_on_later(site: Path, target: FolderTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_tree(site)

    def dies(self: object) -> None:
        raise KeyboardInterrupt

    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        number = run.open_round
        run.commit(on_credit=True)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(rollback._Rollback, "run", dies)
            run.take_back(number)
    assert unfinished_run(target) is not None and read_tree(site) != before
    with open_run(target) as again:
        assert again.recovered is not None
    assert read_tree(site) == before and unfinished_run(target) is None


def test_a_round_must_be_decided_before_the_next(site: Path, target: FolderTarget) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        with pytest.raises(StepFailed, match="open already"):
            run.round(make_plan(write_step(site / "other", None, b"x")))


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
    assert "rolled back" in raised.value.hint and "edit" in raised.value.message
    assert read_tree(site) == before and history(target)[0].state == "rolled-back"


@pytest.mark.parametrize(("code", "tool"), [(errno.EPERM, "chattr -i"), (errno.EROFS, "findmnt -T")])
def test_what_stops_root_too_is_told_with_the_way_out(site: Path, tmp_path: Path, code: int, tool: str) -> None:
    (site / "ro").mkdir()
    (site / "ro" / "x").write_bytes(OLD)
    target = FolderTarget(tmp_path / "state", BrokenFiles(code, "/ro/"))
    with open_run(target) as run, pytest.raises(StepFailed) as raised:
        run.round(make_plan(write_step(site / "ro" / "x", OLD, NEW)))
    assert f"{tool} {site}/ro/x" in raised.value.message and "rolled back" in raised.value.hint


def test_a_journal_that_cannot_be_ended_is_ended_later(site: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    before = read_tree(site)
    with open_run(FolderTarget(state, BrokenFiles(errno.ENOSPC, "journal-end"))) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        assert "could not be closed" in run.roll_back().notes[0]
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
    assert "connection was lost" in result.conflicts[0] and "continues from here" in result.notes[0]
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


def test_two_at_once(site: Path, target: FolderTarget, tmp_path: Path) -> None:
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        for again in (lambda: open_run(target).__enter__(), lambda: undo(target, None), lambda: forget(target, run.id)):
            with pytest.raises(Locked, match=f"a repair is running on this target .pid {os.getpid()} of"):
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


def test_only_a_wait_in_vain_at_the_end_leaves_the_round_to_be_judged(tmp_path: Path, target: FolderTarget) -> None:
    file, nobody = tmp_path / "x", WaitForListener("local", "127.0.0.1", 1, None, 0.1)
    change = write_step(file, b"old", b"new")
    file.write_bytes(b"old")
    with RepairRun.open(target, cause="c", now=NOW) as run:
        with pytest.raises(NotListening):
            run.round(make_plan(change, nobody))
        assert file.read_bytes() == b"new"
        run.roll_back()
        assert file.read_bytes() == b"old"
        with pytest.raises(StepFailed) as early:
            run.round(make_plan(change, nobody, replace(change, before=b"new", after=b"newer")))
        assert file.read_bytes() == b"old" and not isinstance(early.value, NotListening)
        with pytest.raises(NotListening):
            run.round(make_plan(change, nobody))
        run.commit()
    assert file.read_bytes() == b"new" and run.applied == (f"edit {file}",)
    assert history(target)[0].steps == run.applied


@pytest.mark.parametrize(("binary", "said", "noted"), [
    ("/bin/true", "nginx is not running", "nginx was not reloaded: nginx is not running"),
    ("/bin/false", "nginx refuses", "because it refuses the earlier configuration"),
])
def test_a_way_back_without_a_reload_is_a_note(
    tmp_path: Path, target: FolderTarget, binary: str, said: str, noted: str
) -> None:
    (tmp_path / "x").write_bytes(b"old")
    reload = ReloadNginx("local", 1 << 30, binary, "/c", "/", "")
    with RepairRun.open(target, cause="c", now=NOW) as run:
        with pytest.raises(StepFailed, match=said):
            run.round(make_plan(write_step(tmp_path / "x", b"old", b"new"), reload))
        assert not run.kept and run.taken_back is not None
        assert noted in run.taken_back.notes[0] and run.taken_back.conflicts == []
    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_step_whose_node_is_out_of_reach_is_a_conflict_that_stops_nothing(tmp_path: Path, target: FolderTarget) -> None:
    (tmp_path / "x").write_bytes(b"old")
    with RepairRun.open(target, cause="c", now=NOW) as run:
        with pytest.raises(NeedsPerson) as raised:
            run.round(make_plan(write_step(tmp_path / "x", b"old", b"new"), ContainerAction("id", "shop", "start", "exited")))
        assert "not everything could be rolled back" in raised.value.hint
    assert (tmp_path / "x").read_bytes() == b"old"
    assert history(target)[0].state == "rolled-back" and "not undone" in history(target)[0].conflicts[0]
    assert undo(target, history(target)[0].id).conflicts      # asked for again by name: tried again


def test_a_start_that_fails_after_an_edit_leaves_the_round_to_be_judged(
    tmp_path: Path, target: FolderTarget, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The edit may be right, and the start fail over the next fault."""
    file, nobody = tmp_path / "x", WaitForListener("local", "127.0.0.1", 1, None, 0.1)
    start = CheckNginx("local", "nginx", "/etc/nginx/nginx.conf", "/etc/nginx")      # any step: the word is what counts
    monkeypatch.setattr(repair_run, "perform_step", refuse)
    file.write_bytes(b"old")
    change = write_step(file, b"old", b"new")
    with RepairRun.open(target, cause="c", now=NOW) as run:
        with pytest.raises(StartFailed):
            run.round(make_plan(change, start, replace(change, before=b"new", after=b"newer")))
        assert file.read_bytes() == b"old"
        with pytest.raises(NotListening, match="could not start"):
            run.round(make_plan(change, start, nobody))
        assert file.read_bytes() == b"new"
        run.roll_back()
    assert file.read_bytes() == b"old"


def refuse(step: object, nodes: object) -> str:
    raise StartFailed("could not start shop.service: Job for shop.service failed because a timeout was exceeded")
