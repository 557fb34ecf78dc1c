"""Diagnoses that are blind or wrong, and what a repair makes of them: as a pytest plugin beside the samples of the causes.

    pytest -p tests.trust.wrong_diagnoses tests/causes

Every sample in which something is at fault is diagnosed once more without the causes that were right, and once with the
finding of another sample in their place; the real loop of `repair` runs on both, in a world that no wrong step changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixer.app import repair
from fixer.app.repair_session import RepairSession, SessionResult
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.app.wait_until_stable import StableState
from fixer.causes import load_causes
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, Finding
from fixer.model.plan import Plan
from fixer.model.snapshot import Snapshot
from fixer.render.terminal_text import Style
from fixer.verify import Observation, compare
from tests.apply.folder_target import FolderTarget
from tests.crash.crash_draw import draw_share

LOG_VARIABLE = "BADGATEWAY_BLINDED"          # a file: one line a repair that was tried
OTHER_FINDINGS: dict[str, Finding] = {}     # findings of other samples, with a repair that a machine could make
NEXT_OBSERVATION: list[Observation] = []                # what the repair under trial sees whenever it looks again
REQUEST = RepairRequest(DiagnoseRequest(), dry_run=False, yes=True, max_risk="disruptive", only=None, inputs={})


class SilentOperator:
    """There is nobody to ask."""

    answers = False
    style = Style()

    def tell(self, text: str) -> None:
        """Said to the wall."""

    def show(self, lines: list[str]) -> None:
        """Shown to the wall."""


class NoEffectRun:
    """A run of which only the judgement is looked at: what its steps would do changes nothing of what is wrong."""

    def __init__(self) -> None:
        self.id, self.kept, self.applied, self.rounds, self.open_round = "r", False, (), 0, 0
        self.committed: set[int] = set()

    def round(self, plan: Plan, tell: object) -> None:
        """Made, without effect."""
        self.rounds += 1
        self.open_round = self.rounds

    def commit(self, unmeasured: tuple[str, ...] = (), *, on_credit: bool = False) -> None:
        """Somebody found it better, or waits for the next fault."""
        self.committed.add(self.open_round)
        self.kept = True

    def redeem(self, number: int) -> None:
        """Found to have helped after all."""

    def take_back(self, number: int) -> Any:
        """It was on credit."""
        self.committed.discard(number)
        self.kept = bool(self.committed)
        return self.roll_back()

    def roll_back(self) -> Any:
        """Taken back."""
        return type("Restoration", (), {"conflicts_text": lambda self: ""})()


def run_session(first: Observation, then: Observation) -> tuple[SessionResult, NoEffectRun]:
    """How the real loop ends that begins with one look and sees the other one ever after."""
    course = RepairSession(FolderTarget(Path("/nowhere")), REQUEST, SilentOperator(), first, first, {})    # type: ignore[arg-type]
    NEXT_OBSERVATION[:] = [then]
    rounds = repair._Rounds(course, None)    # type: ignore[arg-type]
    run = NoEffectRun()
    rounds._opened = lambda cause: run      # type: ignore[method-assign,assignment,return-value]
    rounds._run = run           # type: ignore[assignment]
    return rounds.run(), run


def at_fault(found: Diagnosis) -> list[Finding]:
    """What a repair would act on."""
    return [finding for finding in found.findings if finding.role in ("root", "contributing")]


def try_wrong_diagnoses(snapshot: Snapshot, found: Diagnosis) -> Iterator[str]:
    """Blind it, mislead it; a line about each repair that was tried."""
    guilty = at_fault(found)
    if not guilty or not any(health.state in ("failing", "degraded") for health in found.health):
        return
    told = {finding.cause for finding in found.findings if finding.role != "advice"}
    for dropped in dict.fromkeys((frozenset(told), frozenset({guilty[0].cause}))):
        blind = Observation(snapshot, diagnose(snapshot, causes=[cause for cause in load_causes() if cause.id not in dropped]))
        end, run = run_session(blind, blind)
        yield f"blind {'+'.join(sorted(dropped))}: {end.outcome} {end.exit_code} after {run.rounds}"
        assert end.outcome != "repaired" and not run.kept, end
        assert end.exit_code in (1, 3, 4) or blind.diagnosis.verdict == "healthy", end
    others = [one for cause, one in OTHER_FINDINGS.items() if cause not in told]
    if others:
        wrong = replace(found, findings=(others[len(told) % len(others)],))
        real = Observation(snapshot, replace(found, findings=tuple(replace(f, repairs=()) for f in found.findings)))
        end, run = run_session(Observation(snapshot, wrong), real)
        yield f"wrong {wrong.findings[0].cause} for {'+'.join(sorted(told))}: {end.outcome} {end.exit_code} after {run.rounds}"
        assert end.outcome != "repaired" and end.exit_code in (1, 3, 4), end
        assert not run.kept, end        # an edit that helps nobody stays nowhere
    for finding in guilty:
        if any(r.steps and not r.needs and r.risk != "manual" for r in finding.repairs):
            OTHER_FINDINGS.setdefault(finding.cause, finding)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only the tests of modules that diagnose: of the others there is nothing to blind, and they run elsewhere.
    By day a share of them, which the commit draws."""
    kept = draw_share([item for item in items if _diagnoses(item)], "wrong diagnoses")
    others = {*items}.difference(kept)
    config.hook.pytest_deselected(items=[item for item in items if item in others])
    items[:] = kept


def _diagnoses(item: pytest.Item) -> bool:
    return hasattr(getattr(item, "module", None), "diagnose")


@pytest.fixture(autouse=True)
def blinded_too(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the module diagnoses is also diagnosed by a blind man."""
    monkeypatch.setattr(RepairSession, "observe", lambda self: NEXT_OBSERVATION[0])
    monkeypatch.setattr(repair, "observe_until_stable", lambda look, before, finding: StableState(then := look(), compare(before, then, finding)))
    monkeypatch.setattr(repair, "wait_until_healthy", lambda look, first: look())
    monkeypatch.setattr(repair, "wait_for_skipped_servers", lambda look, first: look())

    def told(snapshot: Snapshot, *words: Any, **more: Any) -> Diagnosis:
        found = diagnose(snapshot, *words, **more)
        if not more.get("accepted") and "causes" not in more:
            with open(os.environ[LOG_VARIABLE], "a") as log:
                for line in try_wrong_diagnoses(snapshot, found):
                    log.write(f"{line}\n")
        return found

    if hasattr(request.module, "diagnose"):
        monkeypatch.setattr(request.module, "diagnose", told)

