"""A round that does not help ends no run: it is set aside with what depends on it, and the other faults are repaired."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.app import repair
from fixer.app import repair_session as courses
from fixer.app.abandoned_repairs import abandon_repair
from fixer.app.repair import _Rounds
from fixer.app.repair_session import RepairSession, SessionResult, plan_identity
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.app.wait_until_stable import StableState
from fixer.apply.repair_run import Restoration
from fixer.diagnose.run_causes import diagnose
from fixer.errors import Conflict, NeedsPerson, StepFailed
from fixer.model.diagnosis import Finding
from fixer.model.plan import Plan, UnitAction
from fixer.terminal import Terminal
from fixer.verify import Observation, Verification
from tests.apply.folder_target import FolderTarget
from tests.causes.snapshot_builders import BAD_GATEWAY, Scene, file, listener, service, stopped_service

NAMES = ("a.service", "b.service", "c.service")


def sites(*up: str, requires: str = "") -> Observation:
    """Three sites, each with a unit of its own; those named run."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001", "127.0.0.1:8002")
    for number, name in enumerate(NAMES):
        if name in up:
            scene.with_service(service(name, 8000 + number, 200 + number), listener(8000 + number, 200 + number))
        else:
            scene.with_service(stopped_service(name, 8000 + number)).refused(number).answers(BAD_GATEWAY, route=number)
    if requires:
        scene.files.append(file("/etc/systemd/system/b.service", f"[Unit]\nRequires={requires}\n"))
    seen = scene.snapshot()
    return Observation(seen, diagnose(seen))


class Run:
    """A run of rounds whose start of these units fails that way; what else is started runs then."""

    applied: tuple[str, ...] = ()
    id: str | None = None
    taken_back: Restoration | None = None

    def __init__(self, vain: dict[str, Exception], conflicts: tuple[str, ...] = ()) -> None:
        self.vain, self.tried, self.up, self.kept = vain, list[str](), list[str](), False
        self.conflicts = conflicts

    def round(self, plan: Plan, tell: object = None) -> None:
        unit = next(step.unit for step in plan.steps if isinstance(step, UnitAction) and step.verb == "start")
        self.tried.append(unit)
        if not isinstance(error := self.vain.get(unit), NeedsPerson | None):
            self.id, self.taken_back = "run", Restoration(conflicts=list(self.conflicts))
        if error is not None:
            raise error
        self.id = "run"
        self.up.append(unit)

    def commit(self) -> None:
        self.kept = True

    def roll_back(self) -> Restoration:
        self.up.pop()
        return Restoration()


def ended(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, first: Observation | None = None, better: bool = True) -> tuple[SessionResult, RepairSession]:
    def settled(look_again: object, before: Observation, finding: Finding) -> StableState:
        return StableState(sites(*run.up), Verification(better or finding.service != "a.service", True, ()))

    first = first or sites()
    course = RepairSession(FolderTarget(folder), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), first, first)
    monkeypatch.setattr(courses, "observe_and_diagnose", lambda *words, **more: sites(*run.up))
    monkeypatch.setattr(repair, "observe_until_stable", settled)
    monkeypatch.setattr(_Rounds, "_opened", lambda self, cause: self.__setattr__("_run", run) or run)
    with ExitStack() as stack:
        return _Rounds(course, stack).run(), course


VAIN = StepFailed("a.service ended again at once", "the round was taken back")


@pytest.mark.parametrize("error", [VAIN, Conflict("a.service is not as it was seen"), NeedsPerson("a.service is masked")])
def test_the_others_are_repaired(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run({"a.service": error})
    if isinstance(error, Conflict):
        run.id = "run"
    end, course = ended(run, tmp_path, monkeypatch)
    assert run.tried == ["a.service", "b.service", "c.service"] and run.up == ["b.service", "c.service"]
    assert (end.outcome, end.exit_code) == ("needs-input", 4)      # what is left must not read as success
    assert "set aside: start a.service" in end.notes[0] and not course.current.is_healthy


def test_a_round_that_is_not_better_is_set_aside_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run({})
    end, _ = ended(run, tmp_path, monkeypatch, better=False)
    assert run.up == ["b.service", "c.service"] and end.exit_code == 4
    assert any("not better" in note for note in end.notes) and any("rolled back" in note for note in end.notes)


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


def found(look: Observation, name: str) -> Finding:
    return next(f for f in look.diagnosis.findings if f.service == name)


def test_what_requires_it_goes_with_it() -> None:
    look = sites(requires="a.service")
    given_up = abandon_repair(look, found(look, "a.service"), "start a.service", "it ended")
    assert "depend" in given_up.withheld_reason(look, found(look, "b.service"))
    assert not given_up.withheld_reason(look, found(look, "c.service"))
    assert "tried in this run" in given_up.withheld_reason(look, found(look, "a.service"))


def test_what_it_explained_and_what_shares_its_page_goes_with_it() -> None:
    look = sites()
    mine, other = found(look, "a.service"), found(look, "b.service")
    explained = replace(other, role="consequence", routes=mine.routes)
    seen = Observation(look.snapshot, replace(look.diagnosis, findings=(mine, explained)))
    given_up = abandon_repair(seen, mine, "start a.service", "it ended")
    assert given_up.withheld_reason(look, other)                                           # a root now, and it was no root then
    nameless = abandon_repair(look, replace(mine, service=None), "edit", "it did not help")
    assert nameless.withheld_reason(look, found(look, "a.service")) and not nameless.withheld_reason(look, other)
    everywhere = abandon_repair(look, replace(mine, service=None, routes=()), "free the disk", "it did not help")
    assert everywhere.withheld_reason(look, other) and not everywhere.withheld_reason(look, replace(other, node="elsewhere"))


def test_the_same_fault_of_two_sites_is_two() -> None:
    look = sites()
    mine, other = found(look, "a.service"), found(look, "b.service")
    assert plan_identity(look, mine, mine.repairs[0]) != plan_identity(look, other, mine.repairs[0])
    edit = replace(mine.repairs[0], steps=())
    assert plan_identity(look, mine, edit) != plan_identity(look, replace(mine, routes=other.routes), edit)
