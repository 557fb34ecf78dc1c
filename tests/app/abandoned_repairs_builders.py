"""What the tests of fixer/app/abandoned_repairs.py and others are built of."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from fixer.app import repair
from fixer.app import repair_session as courses
from fixer.app.repair import _Rounds
from fixer.app.repair_session import RepairSession, SessionResult
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.app.wait_until_stable import StableState
from fixer.apply.repair_run import Restoration
from fixer.diagnose.run_causes import diagnose
from fixer.errors import NeedsPerson
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

    open_round = 0

    def __init__(self, vain: dict[str, Exception], conflicts: tuple[str, ...] = (), on_credit: tuple[str, ...] = ()) -> None:
        self.vain, self.tried, self.up, self.kept = vain, list[str](), list[str](), False
        self.conflicts = conflicts
        self.unmeasured: list[tuple[str, ...]] = []       # of each round that was kept
        self.on_credit = on_credit      # what is started runs, and its page does not come back
        self.taken_back_rounds: list[int] = []
        self.redeemed: list[int] = []

    def round(self, plan: Plan, tell: object = None) -> None:
        unit = next(step.unit for step in plan.steps if isinstance(step, UnitAction) and step.verb == "start")
        self.tried.append(unit)
        if not isinstance(error := self.vain.get(unit), NeedsPerson | None):
            self.id, self.taken_back = "run", Restoration(conflicts=list(self.conflicts))
        if error is not None:
            raise error
        self.id = "run"
        self.open_round += 1
        self.up.append(unit)

    def commit(self, unmeasured: tuple[str, ...] = (), *, on_credit: bool = False) -> None:
        self.kept = True
        assert on_credit is (self.up[-1] in self.on_credit)
        self.unmeasured.append(unmeasured)

    def redeem(self, number: int) -> None:
        self.redeemed.append(number)

    def take_back(self, number: int) -> Restoration:
        self.taken_back_rounds.append(number)
        self.kept = False
        return Restoration()

    def roll_back(self) -> Restoration:
        self.up.pop()
        return Restoration()


def ended(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, first: Observation | None = None, better: bool = True) -> tuple[SessionResult, RepairSession]:
    def settled(look_again: object, before: Observation, finding: Finding) -> StableState:
        helped = finding.service not in run.on_credit
        return StableState(seen(), Verification(better or finding.service != "a.service", True, (), helped))

    def seen() -> Observation:
        return sites(*(name for name in run.up if name not in run.on_credit))

    first = first or sites()
    course = RepairSession(FolderTarget(folder), RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal(), first, first)
    monkeypatch.setattr(courses, "observe_and_diagnose", lambda *words, **more: seen())
    monkeypatch.setattr(repair, "observe_until_stable", settled)
    monkeypatch.setattr(_Rounds, "_opened", lambda self, cause: self.__setattr__("_run", run) or run)
    with ExitStack() as stack:
        return _Rounds(course, stack).run(), course
