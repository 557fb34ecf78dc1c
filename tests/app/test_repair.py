"""What stops, and what cannot come back, is named before a plan is agreed to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixer.app.repair import plan_warnings
from fixer.errors import Conflict, NeedsPerson, StepFailed
from fixer.model.plan import CheckNginx, ComposeUp, ContainerAction, DaemonReload, Plan, SignalProcess, Step, UnitAction
from fixer.render.plan_text import plan_lines
from fixer.terminal import Terminal
from fixer.verify import Observation, unmeasured_marks
from tests.app.abandoned_repairs_builders import Run, ended, sites
from tests.render.report_samples import POINT

RESTART = UnitAction("local", "app.service", "restart", "active", "enabled", 51, "running for 27 s")
KILL = SignalProcess("local", 99, 1, "KILL", "old copy of the application, running for 3 h")


@pytest.mark.parametrize(("step", "said"), [
    (RESTART, "This stops what runs now: restart app.service (main process 51, running for 27 s)"),
    (ContainerAction("id", "p-app-1", "restart", "running"), "This stops what runs now: restart container p-app-1"),
    (KILL, "Cannot be undone: kill process 99 (old copy of the application, running for 3 h): cannot be undone"),
])
def test_what_stops_is_named(step: Step, said: str) -> None:
    assert plan_warnings((step,)) == (said,)


def test_bringing_a_running_service_up_again_stops_it() -> None:
    up = ComposeUp("p", "app", "/srv", (), (), "hash")
    assert len(plan_warnings((up,))) == 1


@pytest.mark.parametrize("step", [
    UnitAction("local", "app.service", "restart", "failed", "enabled"), UnitAction("local", "a", "start", "inactive", "enabled"),
    ContainerAction("id", "c", "restart", "exited"), ContainerAction("id", "c", "unpause", "paused"),
    ComposeUp("p", "app", "/srv", (), (), "hash", was="exited"), SignalProcess("local", 1, 1, "CONT", "x"),
    CheckNginx("local", "nginx", "c", "p"), DaemonReload("local"),
])
def test_what_stops_nothing_warns_of_nothing(step: Step) -> None:
    assert plan_warnings((step,)) == ()


def test_warnings_come_before_the_steps() -> None:
    lines = plan_lines("crash-port-in-use", POINT, warnings=plan_warnings((KILL, RESTART)))
    first_step = next(n for n, line in enumerate(lines) if line.startswith("  1. "))
    assert any("Cannot be undone" in line for line in lines[:first_step])
    assert any("This stops what runs now" in line for line in lines[:first_step])


NAMES = ("a.service", "b.service", "c.service")

VAIN = StepFailed("a.service ended right after its start", "the round was rolled back completely")


@pytest.mark.parametrize("error", [VAIN, Conflict("a.service is not as it was seen"), NeedsPerson("a.service is masked")])
def test_the_others_are_repaired(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run({"a.service": error})
    if isinstance(error, Conflict):
        run.id = "run"
    end, course = ended(run, tmp_path, monkeypatch)
    assert run.tried == ["a.service", "b.service", "c.service"] and run.up == ["b.service", "c.service"]
    assert (end.outcome, end.exit_code) == ("needs-input", 4)      # what is left must not read as success
    assert "abandoned: start a.service" in end.notes[0] and not course.current.is_healthy


def test_all_in_vain_keeps_nothing_and_says_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run({name: StepFailed(f"{name} ended") for name in NAMES})
    end, _ = ended(run, tmp_path, monkeypatch)
    assert (end.outcome, end.exit_code) == ("rolled-back", 1)
    assert all(any(f"{name} ended" in note for note in end.notes) for name in NAMES)
    assert run.tried == list(NAMES)


def test_what_could_not_go_back_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run({"a.service": VAIN}, conflicts=("/etc/x: somebody changed it",))
    end, _ = ended(run, tmp_path, monkeypatch)
    assert run.tried == ["a.service"] and end.exit_code == 1


def test_a_conflict_before_anything_was_begun_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Run):
        def round(self, plan: Plan, tell: object = None) -> None:
            raise Conflict("another repair was interrupted meanwhile", "run the repair again")

    end, _ = ended(Late({}), tmp_path, monkeypatch)
    assert (end.outcome, end.exit_code) == ("rolled-back", 1) and "another repair" in end.notes[0]


def test_the_journal_gets_the_routes_of_a_round_that_its_mechanism_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, run = sites(), Run({})
    mine, *others = first.diagnosis.findings
    mine = replace(mine, repairs=tuple(replace(repair, proof="mechanism") for repair in mine.repairs))
    looked = Observation(first.snapshot, replace(first.diagnosis, findings=(mine, *others)))
    told: list[str] = []
    monkeypatch.setattr(Terminal, "tell", lambda self, line: told.append(line))
    end, _ = ended(run, tmp_path, monkeypatch, looked)
    assert told == ["backend-down is fixed (proof: mechanism)", "backend-down is fixed", "backend-down is fixed"]
    assert end.outcome == "repaired" and len(run.tried) == 3
    assert run.unmeasured == [unmeasured_marks(looked, mine), (), ()]      # the others were proven by answers
