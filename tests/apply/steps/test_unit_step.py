"""What systemctl is told: a unit that pauses between two tries is started at once, by every systemd."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixer.apply.steps import unit_step
from fixer.apply.steps.start_marks import StepStart
from fixer.apply.steps.unit_step import apply_unit, undo_unit
from fixer.errors import StepFailed
from fixer.model.host import CommandResult
from fixer.model.plan import UnitAction


class Systemd:
    """Answers as a unit that is in the given state until it is told to start."""

    def __init__(self, active: str, sub: str) -> None:
        self.state = (active, sub)
        self.told: list[str] = []

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        verb = next(word for word in argv[1:] if not word.startswith("-"))
        if verb != "show":
            self.told.append(verb)
        if verb in ("start", "restart"):
            self.state = ("active", "running")
        shown = f"ActiveState={self.state[0]}\nSubState={self.state[1]}\nResult=success\nExecMainStatus=0\n"
        return CommandResult(tuple(argv), 0, shown.encode() if verb == "show" else b"", b"")


@pytest.mark.parametrize(("active", "sub", "verb"), [
    ("activating", "auto-restart", "restart"), ("inactive", "dead", "start"), ("failed", "failed", "start"),
])
def test_a_pause_between_two_tries_is_not_waited_for(active: str, sub: str, verb: str) -> None:
    """Before systemd 254 a start of such a unit waits until RestartSec is over."""
    systemd = Systemd(active, sub)
    apply_unit(UnitAction("web", "shop.service", "start", active, "enabled"), systemd)
    assert systemd.told == ["reset-failed", verb]


class Forgotten(Systemd):
    """No mark of a failure can be taken off it."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        if "reset-failed" in argv:
            return CommandResult(tuple(argv), 1, b"", b"Unit shop.service not loaded.\n")
        return super().run(argv, stdin=stdin, timeout=timeout)


def test_a_unit_that_systemd_has_forgotten_is_marked_as_failed_no_more() -> None:
    """Somebody took the mark off while a person read the plan; a refusal that left it there is one."""
    step = UnitAction("web", "shop.service", "reset-failed", "failed", "static")
    apply_unit(step, Forgotten("inactive", "dead"))
    with pytest.raises(StepFailed, match="could not reset-failed"):
        apply_unit(step, Forgotten("failed", "failed"))


class Failing(Systemd):
    """A unit whose start fails, with words of its own in the journal."""

    def __init__(self, said: bytes, *, late: bool) -> None:
        super().__init__("inactive", "dead")
        self.said, self.late = said, late

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        if argv[0] == "journalctl":
            assert "_SYSTEMD_INVOCATION_ID=5f2a" in argv      # the very start, not an earlier run
            return CommandResult(tuple(argv), 0, self.said, b"")
        if "--property=InvocationID" in argv:
            return CommandResult(tuple(argv), 0, b"InvocationID=5f2a\n", b"")
        done = super().run(argv, stdin=stdin, timeout=timeout)
        if "start" in argv and self.late:
            self.state = ("failed", "failed")
        elif "start" in argv:
            told = b'Job for shop.service failed because of a timeout.\nSee "systemctl status shop.service" for details.\n'
            return CommandResult(tuple(argv), 1, b"", told)
        return done


@pytest.mark.parametrize("late", [True, False])
def test_a_start_that_fails_says_why_while_it_can(late: bool) -> None:
    """Once the round is taken back the unit is stopped, or masked, and nothing tells it any more."""
    with pytest.raises(StepFailed) as raised:
        apply_unit(UnitAction("web", "shop.service", "start", "inactive", "enabled"),
                   Failing(b"DB_PASSWORD=hunter2Q is wrong\x1b[2J\n", late=late))
    said = raised.value.message
    assert ("ended right after its start" if late else "failed because of a timeout;") in said
    assert "its last log line: DB_PASSWORD=" in said and "hunter2Q" not in said and "\x1b" not in said and "See" not in said
    with pytest.raises(StepFailed) as quiet:
        apply_unit(UnitAction("web", "shop.service", "start", "inactive", "enabled"), Failing(b"", late=late))
    assert "last log line" not in quiet.value.message


class Lingering(Systemd):
    """A unit of an init script: its program still runs for a moment once `systemctl stop` has returned."""

    def __init__(self, tasks: list[bytes]) -> None:
        super().__init__("active", "running")
        self.tasks = tasks

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        if "--property=TasksCurrent" in argv:
            return CommandResult(tuple(argv), 0, self.tasks.pop(0) + b"\n", b"")
        return super().run(argv, stdin=stdin, timeout=timeout)


@pytest.mark.parametrize("end", [b"0", b"[not set]", b"18446744073709551615"])
def test_an_undo_waits_until_what_an_init_script_stops_is_gone(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_step.start_marks, "require_own_unit_start", lambda *_: None)
    systemd = Lingering([b"5", b"2", end])
    step = UnitAction("web", "shop.service", "restart", "exited", "generated")
    assert unit_step.undo_unit(step, systemd, StepStart("", 0.0, lambda: 0.0)).startswith("stopped shop.service; it was active (exited) before")
    assert systemd.told == ["stop"] and systemd.tasks == []
    assert unit_step.restart_unit(step, systemd) == ""


# One change that mends several instances: all that read the file start anew with it, and go back with it.


class Machine:
    """What was asked of it; a start fails."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        self.asked.append(tuple(argv))
        return CommandResult(tuple(argv), 0, b"ActiveState=failed\nSubState=failed\n", b"")


def test_what_is_restarted_along_ends_no_round() -> None:
    machine = Machine()
    apply_unit(UnitAction("local", "app@1.service", "restart", "failed", "enabled", along=True), machine)
    assert machine.asked[-1] == ("systemctl", "--no-ask-password", "--no-block", "restart", "--", "app@1.service")


class AfterBoot(Systemd):
    """It refuses to stop the unit; `load` is what it knows of it."""

    def __init__(self, load: str) -> None:
        super().__init__("inactive", "dead")
        self.load = load

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        if "stop" in argv:
            return CommandResult(tuple(argv), 5, b"", b"Failed to stop shop.service: Unit shop.service not loaded.\n")
        if "--property=LoadState" in argv:
            return CommandResult(tuple(argv), 0, f"{self.load}\n".encode(), b"")
        return super().run(argv, stdin=stdin, timeout=timeout)


def test_what_a_boot_has_forgotten_need_not_be_stopped() -> None:
    step = UnitAction("web", "shop.service", "start", "inactive", "")
    assert "had ended" in undo_unit(step, AfterBoot("not-found"), StepStart("", 0.0, lambda: 0.0))
    with pytest.raises(StepFailed, match="could not stop"):
        undo_unit(step, AfterBoot("loaded"), StepStart("", 0.0, lambda: 0.0))
