"""What a boot in the middle of a round has brought into effect goes back with the files."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fixer.apply import reboot_recovery, rollback
from fixer.apply.file_change import FileRestore
from fixer.apply.reboot_recovery import automatic_steps, automatic_steps_json, has_booted
from fixer.apply.repair_run import RepairRun, history, undo
from fixer.apply.steps.nginx_step import ConfigRefused, NginxNotRunning
from fixer.apply.steps.node_access import Nodes
from fixer.errors import StepFailed
from fixer.model.host import CommandResult
from fixer.model.plan import CheckNginx, ContainerAction, DaemonReload, Plan, ProgramAction, ReloadNginx, UnitAction
from tests.apply.folder_target import NOW, FolderTarget, KilledError, write_step

RELOAD = ReloadNginx("local", 1, "/usr/sbin/nginx", "/c", "/", "")
START = UnitAction("local", "a.service", "start", "failed", "enabled")
UPDATE = ProgramAction("local", "p", "g", "update", "/etc/s.conf", "FATAL")
BOX = ContainerAction("f", "shop-app-1", "restart", "running")
AGAIN = ProgramAction("local", "p", "g", "restart", "/etc/s.conf", "RUNNING")


class Told:
    """Notes what it is told to run; its first process began `age` seconds ago."""

    def __init__(self, age: float | None = None, said: bytes = b"") -> None:
        self.age, self.said = age, said
        self.ran: list[tuple[str, ...]] = []

    def run(self, argv: object, *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        words = tuple(argv)  # type: ignore[call-overload]
        self.ran.append(words)
        if words[:2] == ("sh", "-c") and self.age is not None:
            return CommandResult(words, 0, f"{10000.5} {int((10000.5 - self.age) * 100)}\n".encode(), b"")
        return CommandResult(words, 0, self.said, b"")


@dataclass(frozen=True)
class Anywhere:
    """Every node and the engine."""

    there: object

    def runner(self, node: str) -> object:
        return self.there

    def engine(self) -> object:
        return self.there


def test_steps_of_a_round_are_remembered_unit_files_first() -> None:
    steps = (write_step(Path("/x"), b"a", b"b"), RELOAD, START, DaemonReload("local"), UnitAction("local", "a", "enable", "failed", "disabled"),
             BOX, replace(BOX, verb="unpause"))
    assert automatic_steps(automatic_steps_json(steps)) == (DaemonReload("local"), RELOAD, START, BOX)
    assert automatic_steps_json(steps[:1]) == "" and automatic_steps("") == automatic_steps("nonsense") == automatic_steps('["{}"]') == ()


@pytest.mark.parametrize(("age", "booted"), [(5.0, True), (500.0, False), (None, False)])
def test_a_boot_is_known_by_the_age_of_the_first_process(age: float | None, booted: bool) -> None:
    assert has_booted(Told(age), time.time() - 60) is booted


def test_this_machine_has_not_booted_a_second_ago() -> None:
    class Here:
        def run(self, argv: object, *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
            done = subprocess.run(argv, capture_output=True, check=False)  # type: ignore[call-overload]
            return CommandResult((), done.returncode, done.stdout, done.stderr)

    assert not has_booted(Here(), time.time() - 1) and has_booted(Here(), 0.0)


@pytest.mark.parametrize(("step", "said", "ran"), [
    (DaemonReload("local"), b"", ["systemctl", "daemon-reload"]), (START, b"", ["try-restart", "a.service"]),
    (BOX, b"", ["docker", "restart", "f"]), (UPDATE, b"", ["update", "g"]), (UPDATE, b"7", ["restart", "p"]), (AGAIN, b"p RUNNING pid 7", ["restart", "p"]), (AGAIN, b"p STOPPED", ["status", "p"]),
])
def test_what_runs_takes_them(step: DaemonReload | UnitAction | ProgramAction | ContainerAction, said: bytes, ran: list[str]) -> None:
    runner = Told(said=said)
    reboot_recovery.apply_restored_files(step, Anywhere(runner))  # type: ignore[arg-type]
    assert all(word in runner.ran[-1] for word in ran)


@pytest.mark.parametrize(("was", "pid", "read"), [
    ("RUNNING", b"7\n", True), ("BACKOFF", b"7\n", True), ("RUNNING", b"8\n", False), ("RUNNING", b"0\n", False),
    ("RUNNING", b"No such process each\n", False),
    ("FATAL", b"7\n", False),       # it did not run: somebody has started it
])
def test_a_program_that_ran_and_began_anew_has_read_the_files(was: str, pid: bytes, read: bool) -> None:
    ages = {"1": 5000.0, "7": 20.0, "8": 600.0}

    class There:
        def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
            return Told(said=pid).run(argv) if argv[0] == "supervisorctl" else Told(ages.get(argv[-1])).run(argv)

    step = ProgramAction("local", "p", "g", "restart", "/etc/s.conf", was)
    assert reboot_recovery.must_read_again(step, Anywhere(There()), time.time() - 60) is read  # type: ignore[arg-type]


@pytest.mark.parametrize("booted", [True, False])
def test_what_an_undo_stopped_and_a_boot_started_is_stopped_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, booted: bool) -> None:
    """Cut off between the stop and the file: the machine came up with the repair's file still in place."""
    target, stopped = FolderTarget(tmp_path / "state"), list[object]()
    (tmp_path / "site").write_bytes(b"old\n")

    def stop(step: object, *_: object) -> str:
        stopped.append(step)
        return "stopped a.service"

    def killed(*_: object) -> str:
        raise KilledError

    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 0.0)
    monkeypatch.setattr(rollback, "has_booted", lambda *_: booted)
    monkeypatch.setattr(rollback, "undo_before_files", stop)
    monkeypatch.setattr(rollback, "undo_after_files", lambda *_: "")
    monkeypatch.setattr("fixer.apply.repair_run.perform_step", lambda *_: "")
    monkeypatch.setattr(Nodes, "runner", lambda *_: Told())
    with RepairRun.open(target, cause="c", now=NOW) as run:
        run.round(Plan("c", "r", "safe", "x", (write_step(tmp_path / "site", b"old\n", b"new\n"), START)))
        run.commit()
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(FileRestore, "run", killed)
        undo(target, None)
    undo(target, None)
    assert stopped == [START] * (2 if booted else 1) and (tmp_path / "site").read_bytes() == b"old\n"


def test_a_unit_file_that_is_put_back_is_read_again_though_the_round_never_came_to_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a new time: systemd asks to read it again, and until then fixer offered no older version of it."""
    target, runner = FolderTarget(tmp_path / "state"), Told()
    (tmp_path / "a.service").write_bytes(b"old\n")

    def killed(*_: object) -> str:
        raise KilledError

    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 0.0)
    monkeypatch.setattr("fixer.apply.repair_run.perform_step", killed)
    monkeypatch.setattr(Nodes, "runner", lambda *_: runner)
    with pytest.raises(KilledError), RepairRun.open(target, cause="c", now=NOW) as run:
        run.round(Plan("c", "r", "safe", "x", (
            write_step(tmp_path / "a.service", b"old\n", b"new\n"), CheckNginx("local", "/usr/sbin/nginx", "/c", "/"), DaemonReload("local"), START)))
    undo(target, None)
    assert (tmp_path / "a.service").read_bytes() == b"old\n"
    assert [words for words in runner.ran if words[:1] == ("systemctl",) and "show" not in words] == [("systemctl", "daemon-reload")]


@pytest.mark.parametrize(("error", "noted"), [
    (ConfigRefused("nginx refuses the configuration: x"), "because it refuses the earlier configuration"),
    (NginxNotRunning("nginx does not run"), "nginx was not reloaded: nginx does not run"),
])
def test_an_nginx_that_takes_nothing_after_a_boot_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: StepFailed, noted: str,
) -> None:
    target = FolderTarget(tmp_path / "state")
    (tmp_path / "site").write_bytes(b"old\n")

    def brought(*_: object) -> str:
        raise error

    monkeypatch.setattr(rollback, "must_read_again", lambda *_: True)
    monkeypatch.setattr(rollback, "apply_restored_files", brought)
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        with pytest.raises(StepFailed):
            run.round(Plan("c", "r", "safe", "x", (write_step(tmp_path / "site", b"old\n", b"new\n"), CheckNginx("local", "/bin/false", "/c", "/"), RELOAD)))
        assert run.taken_back is not None and run.taken_back.conflicts == []
        assert len(run.taken_back.notes) == 1 and noted in run.taken_back.notes[0]


@pytest.mark.parametrize("booted", [True, False])
def test_a_round_that_a_boot_cut_off_goes_back_in_effect_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, booted: bool) -> None:
    """Killed after the file and before the reload: nginx came up with the file that now goes back."""
    target, brought = FolderTarget(tmp_path / "state"), list[object]()
    (tmp_path / "site").write_bytes(b"old\n")

    def killed(*_: object) -> str:
        raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr("fixer.apply.repair_run.perform_step", killed)
        with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
            run.round(Plan("c", "r", "safe", "x", (write_step(tmp_path / "site", b"old\n", b"new\n"), RELOAD, START)))
    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 0.0)
    monkeypatch.setattr(rollback, "must_read_again", lambda *_: booted)
    monkeypatch.setattr(rollback, "apply_restored_files", lambda step, _: brought.append(step) or "done")
    monkeypatch.setattr(Nodes, "runner", lambda *_: Told())
    undo(target, None)
    assert (tmp_path / "site").read_bytes() == b"old\n"
    assert brought == ([START] if booted else []) and history(target)[0].state in ("undone", "rolled-back", "undone-with-conflicts")
