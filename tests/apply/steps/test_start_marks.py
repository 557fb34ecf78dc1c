"""A start of fixer's told from one of somebody else's, by what the managers say: only what is sure is left alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from fixer.apply.steps import container_step, nginx_step, unit_step
from fixer.apply.steps.start_marks import StepStart, has_container_restarted, has_unit_restarted
from fixer.errors import Conflict
from fixer.model.host import CommandResult
from fixer.model.plan import ContainerAction, StartNginx, UnitAction
from tests.apply.folder_target import NOW

BEGUN, OVER = 1000.0, 1030.0        # the step, and the last that fixer did


@dataclass(frozen=True)
class Unit:
    """What systemd says of a unit, times in seconds since the kernel started."""

    active: str = "active"
    invocation: str = "a" * 32
    start: float = 500.0
    restarts: str = "0"
    triggered: str = ""
    boot: float = 2.5

    def shown(self) -> bytes:
        lines = (f"NRestarts={self.restarts}", f"TriggeredBy={self.triggered}", f"InactiveExitTimestampMonotonic={self.start * 1e6:.0f}",
                 f"ActiveState={self.active}", f"InvocationID={self.invocation}", "SubState=running")
        machine = ("TriggeredBy=", f"ActiveEnterTimestampMonotonic={self.boot * 1e6:.0f}", "ActiveState=active", "InvocationID=")
        return ("\n".join(lines) + "\n\n" + "\n".join(machine) + "\n").encode()


@dataclass
class Systemd:
    """Answers of one unit."""

    unit: Unit
    told: list[str]

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        if "show" in argv:
            return CommandResult(tuple(argv), 0, self.unit.shown(), b"")
        self.told.append(next(word for word in argv[1:] if not word.startswith("-")))
        return CommandResult(tuple(argv), 0, b"", b"")


STEP = UnitAction("web", "shop.service", "start", "failed", "enabled")
OURS = Unit()
THEIRS = replace(OURS, invocation="b" * 32, start=600.0)


def unit_taken_back(now: Unit, mark: str | None = None) -> list[str]:
    """What systemd is told, where the step was done on OURS."""
    if mark is None:
        mark = unit_step.apply_unit(STEP, Systemd(OURS, []))
        assert mark
    systemd = Systemd(now, [])
    unit_step.undo_unit(STEP, systemd, StepStart(mark, BEGUN, lambda: OVER))
    return systemd.told


def test_a_unit_that_somebody_started_since_is_left_running() -> None:
    with pytest.raises(Conflict, match=r"shop\.service was started again since, not by fixer; it is left running"):
        unit_taken_back(THEIRS)


@pytest.mark.parametrize("now", [
    OURS,
    replace(THEIRS, restarts="1"),                    # systemd's own, after a crash
    replace(THEIRS, triggered="shop.socket"),         # a visitor's
    replace(THEIRS, boot=9.5),                        # the machine started since
    replace(THEIRS, start=525.0),                     # while fixer was still at work: a step that took it along
    replace(THEIRS, active="failed"), replace(THEIRS, invocation=""),
], ids=["ours", "crash", "socket", "boot", "along", "down", "unknown"])
def test_what_another_may_have_started_is_stopped(now: Unit) -> None:
    assert unit_taken_back(now) == ["stop"]


def test_a_start_without_a_mark_is_stopped() -> None:
    """fixer was killed before it knew, an earlier version wrote the journal, or systemd is too old to tell."""
    assert unit_taken_back(THEIRS, mark="") == ["stop"]
    assert unit_step.apply_unit(STEP, Systemd(replace(OURS, invocation=""), [])) == ""
    assert unit_step.apply_unit(STEP, Systemd(replace(OURS, boot=0.0), [])) == ""
    assert unit_step.apply_unit(replace(STEP, was_active="active", verb="restart"), Systemd(OURS, [])) == ""


@dataclass(frozen=True)
class Box:
    """What Docker says of a container; `others` are the starts of those that run beside it."""

    start: str = "2026-11-25T10:00:00.5Z"
    running: str = "true"
    restarts: str = "0"
    policy: str = "no"
    others: tuple[str, ...] = ()


@dataclass
class Docker:
    """Answers of one engine."""

    box: Box | None
    told: list[str]

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        match argv[1]:
            case "ps":
                return CommandResult(tuple(argv), 0, "\n".join(f"{n:064x}" for n in range(len(self.box.others) if self.box else 0)).encode(), b"")
            case "inspect" if self.box is None:
                return CommandResult(tuple(argv), 1, b"", b"Error: No such container")
            case "+%s":
                return CommandResult(tuple(argv), 0, b"1795601400\n", b"")      # 2026-11-25 10:10:00
            case "inspect":
                whole = "RestartCount" in argv[argv.index("-f") + 1]
                words = ("f" * 64, self.box.running, self.box.start, self.box.restarts, self.box.policy) if whole else self.box.others
                return CommandResult(tuple(argv), 0, (" " if whole else "\n").join(words).encode(), b"")
            case verb:
                self.told.append(verb)
                return CommandResult(tuple(argv), 0, b"", b"")


LAST = ContainerAction("f" * 64, "shop-app-1", "start", "exited")
MINE = Box()
OTHER = replace(MINE, start="2026-11-25T10:05:00Z")


def box_taken_back(now: Box | None, mark: str | None = None) -> list[str]:
    """What Docker is told, where the step was done on MINE."""
    if mark is None:
        mark = container_step.apply_container(LAST, Docker(MINE, []))
        assert mark == MINE.start
    engine = Docker(now, [])
    container_step.undo_container(LAST, engine, StepStart(mark, BEGUN, lambda: OVER))
    return engine.told


@pytest.mark.parametrize("now", [
    OTHER, replace(OTHER, policy=""),
    replace(OTHER, policy="always", others=("2026-11-25T10:05:00Z", "2026-11-24T09:00:00Z")),     # one runs since yesterday
])
def test_a_container_that_somebody_started_since_is_left_running(now: Box) -> None:
    with pytest.raises(Conflict, match="container shop-app-1 was started again since, not by fixer"):
        box_taken_back(now)


@pytest.mark.parametrize("now", [
    MINE,
    replace(OTHER, restarts="2", policy="always"),                                                # Docker's own, after a crash
    replace(OTHER, policy="always"), replace(OTHER, policy="always", others=(OTHER.start,)),      # Docker itself may have been started
    replace(OTHER, start="2026-11-25T10:00:20Z"),                                                 # while fixer was still at work
    replace(OTHER, running="false"), None,                                                        # made anew: found by its name
], ids=["ours", "crash", "alone", "docker", "along", "down", "new"])
def test_a_container_that_another_may_have_started_is_stopped(now: Box | None) -> None:
    assert box_taken_back(now) == ["stop"]
    assert box_taken_back(OTHER, mark="") == ["stop"]


ALWAYS = replace(OTHER, policy="always")       # came up five minutes ago
YESTERDAY = "2026-11-24T09:00:00Z"


@pytest.mark.parametrize(("now", "minutes", "itself"), [
    (ALWAYS, 8, True), (replace(ALWAYS, others=(OTHER.start,)), 8, True),      # Docker was started anew, as by a boot
    (replace(OTHER, restarts="3", policy="on-failure"), 8, True),              # it ended, and is started again and again
    (replace(ALWAYS, restarts="3"), 3, False), (ALWAYS, 3, False),             # before that moment
    (replace(ALWAYS, others=(OTHER.start, YESTERDAY)), 8, False),              # Docker has run since yesterday: a person
    (OTHER, 8, False), (replace(OTHER, policy=""), 8, False),                  # nobody but a person starts that one
    (replace(ALWAYS, running="false"), 8, False), (None, 8, False),
])
def test_a_container_that_came_up_by_itself(now: Box | None, minutes: float, itself: bool) -> None:
    assert has_container_restarted(LAST.container_id, Docker(now, []), time.time() - minutes * 60, anyhow=False) is itself
    if now is not None and now.running == "true":      # it ran before: whoever started it, it has read what was there
        assert has_container_restarted(LAST.container_id, Docker(now, []), time.time() - minutes * 60, anyhow=True) is (minutes > 5)


@pytest.mark.parametrize(("lines", "minutes", "itself"), [
    ("ActiveState=active\nSubState=running\nNRestarts=3", 8, True), ("ActiveState=active\nSubState=running\nNRestarts=3", 3, False),
    ("ActiveState=active\nSubState=running\nNRestarts=0\nTriggeredBy=shop.socket", 8, True),
    ("ActiveState=active\nSubState=running\nNRestarts=0\nTriggeredBy=", 8, False), ("ActiveState=failed\nSubState=failed\nNRestarts=3", 8, False),
    ("ActiveState=activating\nSubState=auto-restart\nNRestarts=3", 8, False),
])
def test_a_unit_that_came_up_by_itself(lines: str, minutes: float, itself: bool) -> None:
    class Told:
        def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
            shown = f"1795601400\n{lines}\nInactiveExitTimestamp=Wed 2026-11-25 10:05:00 UTC\n\nActiveEnterTimestamp=Wed 2026-11-25 09:00:00 UTC\n"
            return CommandResult(tuple(argv), 0, shown.encode(), b"")

    assert has_unit_restarted("shop.service", Told(), time.time() - minutes * 60, anyhow=False) is itself
    assert has_unit_restarted("shop.service", Told(), time.time() - minutes * 60, anyhow=True) is (minutes > 5 and "=running" in lines)


def test_what_an_undo_left_the_next_one_leaves() -> None:
    """Though the one before may have restarted something that could have taken it along."""
    mark, now = unit_step.apply_unit(STEP, Systemd(OURS, [])), Systemd(replace(THEIRS, start=525.0), [])
    with pytest.raises(Conflict):
        unit_step.undo_unit(STEP, now, StepStart(mark, BEGUN, lambda: OVER, was_left=True))


def shown_at(moment: float) -> str:
    return time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime(moment)) if moment else ""


@dataclass
class CutOff:
    """A machine that is asked long after a step was cut off: its clock, and when what runs began, in seconds after that."""

    start: float = 5000.0
    boot: float = -90000.0
    active: str = "active"
    restarts: str = "0"
    triggered: str = ""
    ahead: float = 0.0          # the machine's clock before ours
    told: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        now = NOW + self.ahead
        began, boot = (now - 9000.0 + moment for moment in (self.start, self.boot))
        said = ""
        if argv[0] == "sh" and "systemctl" in argv[2]:
            said = (f"{now:.0f}\nNRestarts={self.restarts}\nTriggeredBy={self.triggered}\nActiveState={self.active}\nInactiveExitTimestamp={shown_at(began)}\n"
                    f"ActiveEnterTimestamp={shown_at(began)}\n\nActiveState=active\nActiveEnterTimestamp={shown_at(boot)}\n")
        elif argv[0] == "sh":
            said = "".join(f"{pid} ({name}) S {parent}{' 0' * 17} {ticks:.0f} 0\n" for pid, name, parent, ticks in (
                (7, "nginx", 1, (began - boot) * 100), (8, "nginx", 7, (began - boot) * 100), (9, "cat", 1, (now - boot) * 100)))
        elif argv[0] == "date":
            said = f"{now:.0f}\n"
        elif argv[1] == "inspect":
            said = " ".join(("f" * 64, "true", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)), self.restarts, "no"))
        else:
            self.told.append(" ".join(argv[1:]))
        return CommandResult(tuple(argv), 0, said.encode(), b"")


STARTS = {
    "unit": lambda machine, started: unit_step.undo_unit(STEP, machine, started),
    "container": lambda machine, started: container_step.undo_container(LAST, machine, started),
    "nginx": lambda machine, started: nginx_step.quit_started_master(StartNginx("web", "/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/etc/nginx"), machine, started),
}


def cut_off_taken_back(kind: str, machine: CutOff, *, was_left: bool = False, cut_off: bool = True) -> list[str]:
    """What the machine is told; fixer's last record was 9000 s ago."""
    STARTS[kind](machine, StepStart("", NOW - 9000.0, lambda: NOW - 9000.0, was_left, cut_off))
    return machine.told


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("ahead", [0.0, 7200.0, -7200.0])
def test_what_somebody_started_long_after_a_repair_died_is_left_running(monkeypatch: pytest.MonkeyPatch, kind: str, ahead: float) -> None:
    """Also where the machine's clock is not ours."""
    monkeypatch.setattr("time.time", lambda: NOW)
    machine = CutOff(ahead=ahead)
    with pytest.raises(Conflict, match="was started again since, not by fixer; it is left running"):
        cut_off_taken_back(kind, machine)
    assert machine.told == []
    with pytest.raises(Conflict):
        cut_off_taken_back(kind, CutOff(start=1.0), was_left=True)


@pytest.mark.parametrize("kind", STARTS)
def test_what_the_step_itself_may_have_started_is_stopped(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    assert len(cut_off_taken_back(kind, CutOff(start=1.0))) >= 1
    assert len(cut_off_taken_back(kind, CutOff(start=200.0))) >= 1           # systemd stops for so long before it starts
    assert len(cut_off_taken_back(kind, CutOff(), cut_off=False)) >= 1


@pytest.mark.parametrize("machine", [CutOff(restarts="1"), CutOff(triggered="shop.socket"), CutOff(boot=4000.0), CutOff(active="failed")])
def test_what_systemd_may_have_started_by_itself_is_stopped(monkeypatch: pytest.MonkeyPatch, machine: CutOff) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    assert any("stop" in told for told in cut_off_taken_back("unit", machine))


@pytest.mark.parametrize(("machine", "was", "stopped"), [
    (CutOff(boot=4000.0), "inactive", True), (CutOff(boot=4000.0, ahead=7200.0), "failed", True),
    (CutOff(boot=4000.0, active="inactive"), "inactive", False), (CutOff(boot=4000.0), "active", False), (CutOff(), "inactive", False),
])
def test_what_a_boot_started_because_it_was_enabled_is_stopped(monkeypatch: pytest.MonkeyPatch, machine: CutOff, was: str, stopped: bool) -> None:
    """A repair enables, and the machine goes down before it starts."""
    monkeypatch.setattr("time.time", lambda: NOW)
    step = UnitAction("web", "shop.service", "enable", was, "disabled")  # type: ignore[arg-type]
    unit_step.undo_unit(step, machine, StepStart("", NOW - 9000.0, lambda: NOW - 9000.0))
    assert any("disable" in told for told in machine.told)
    assert any(" stop " in told for told in machine.told) is stopped


@pytest.mark.parametrize(("age", "anothers"), [(-0.9, True), (0.0, True), (-5.0, False), (295.0, False)])
def test_a_start_of_the_second_that_has_begun_is_anothers(age: float, anothers: bool) -> None:
    """`date` tells whole seconds: what was started just now is a little younger than nothing."""
    last = time.time() - 300
    assert StepStart("", last - 10, lambda: last, cut_off=True).is_anothers(age) is anothers
