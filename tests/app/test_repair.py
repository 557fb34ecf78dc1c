"""Rounds: others go on where one is abandoned, and the end says what is in force."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixer.app import repair
from fixer.app.repair_session import RepairSession, SessionResult
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.errors import Conflict, NeedsPerson, StepFailed
from fixer.model.diagnosis import Repair
from fixer.model.plan import Plan
from fixer.terminal import Terminal
from fixer.verify import Observation, unmeasured_marks
from tests.app.abandoned_repairs_builders import Run, ended, sites
from tests.apply.folder_target import FolderTarget

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


def test_a_step_for_a_person_that_is_left_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that fixer tried was in vain, since what only a person can mend hides whether it helps."""
    first = sites()
    mine, *others = first.diagnosis.findings
    mine = replace(mine, repairs=(Repair("write-address", "manual", "write the right address", (), manual="write it"),))
    run, look = Run({name: StepFailed(f"{name} ended") for name in NAMES}), Observation(
        first.snapshot, replace(first.diagnosis, findings=(mine, *others)))
    monkeypatch.setattr("tests.app.abandoned_repairs_builders.sites", lambda *up: look)
    end, _ = ended(run, tmp_path, monkeypatch)
    assert (end.outcome, end.exit_code) == ("needs-input", 4) and run.tried == list(NAMES[1:])


@pytest.mark.parametrize("advised", [True, False])
def test_advice_stands_where_no_cause_is_proven(advised: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """diagnose shows it, and repair said that nothing explains the failure."""
    first = sites()
    told = replace(first.diagnosis.findings[0], cause="error-from-config", role="advice", summary="a limit turned 3 requests away", repairs=())
    look = Observation(first.snapshot, replace(first.diagnosis, findings=(told,) if advised else (), checks=()))
    monkeypatch.setattr("tests.app.abandoned_repairs_builders.sites", lambda *up: look)
    end, _ = ended(Run({}), tmp_path, monkeypatch)
    said = "advice: error-from-config: a limit turned 3 requests away" if advised else "not known: no observed fact explains it"
    assert end.notes == ("no cause is proven", said)


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


def test_a_round_on_credit_is_rolled_back_with_the_repair_that_it_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run({"b.service": StepFailed("b.service ended"), "c.service": StepFailed("c.service ended")}, on_credit=("a.service",))
    end, _ = ended(run, tmp_path, monkeypatch, sites("b.service", "c.service"))
    assert run.tried == list(NAMES) and run.taken_back_rounds == [1]
    assert (end.outcome, end.exit_code) == ("rolled-back", 1)
    assert "rolled back too: the repair for backend-down did not bring the page back" in end.notes


def planned(run: Run, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **more: object) -> tuple[SessionResult, RepairSession]:
    """The end of `fixer repair --yes --plan` with that id."""
    request = replace(RepairRequest(DiagnoseRequest(), False, True, None, None, {}, named), **more)
    monkeypatch.setattr("tests.app.abandoned_repairs_builders.RepairRequest", lambda *words: request)
    return ended(run, tmp_path, monkeypatch)


def test_only_the_plan_that_is_named_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end, course = planned(Run({}), "", tmp_path, monkeypatch, plan=None, dry_run=True)
    assert course.pending is not None and end.exit_code == 4
    assert next(note for note in end.notes if note.startswith("to apply it: ")).startswith("to apply it: sudo fixer repair --yes")
    run, first = Run({}), course.pending
    end, course = planned(run, first.id, tmp_path, monkeypatch)
    assert run.tried == ["a.service"] and run.kept
    assert (end.outcome, end.exit_code) == ("needs-input", 4) and "needs another plan" in end.notes[0]
    assert course.pending is not None and course.pending.id != first.id and course.pending.service == "b.service"
    assert course.withheld[0].flag == f"--plan {course.pending.id}"


def test_another_plan_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run({})
    end, course = planned(run, "0" * 32, tmp_path, monkeypatch)
    assert run.tried == [] and (end.outcome, end.exit_code) == ("needs-input", 4)
    assert "has changed since that plan was made" in end.notes[0] and course.pending is not None


def test_a_plan_that_was_applied_is_not_pending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, course = ended(Run({}), tmp_path, monkeypatch)
    assert course.pending is None


def test_a_plan_holds_no_rollback_of_an_earlier_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "unfinished_run", lambda target: SimpleNamespace(id="r1", cause="wrong-port"))
    named = RepairRequest(DiagnoseRequest(), False, True, None, None, {}, "0" * 32)
    with pytest.raises(NeedsPerson, match="Repair r1 was interrupted") as refused:
        repair._recover(FolderTarget(tmp_path), named, Terminal())
    assert refused.value.hint.startswith("Roll it back first: fixer undo")
