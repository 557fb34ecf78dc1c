"""A look soon after a repair: what nginx logged before it says nothing of how it is now."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixer.app import inspect_target, wait_until_stable
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.apply.repair_run import RepairRun, undo
from fixer.model.diagnosis import Diagnosis, HealthVerdict
from fixer.model.snapshot import Snapshot
from fixer.observe.build_snapshot import build_snapshot
from fixer.verify import Observation
from tests.apply.folder_target import NEW, OLD, FolderTarget, make_plan, write_step
from tests.causes.snapshot_builders import Scene, probe
from tests.observe.capture_builders import capture, node


def kept(target: FolderTarget, site: Path) -> None:
    with RepairRun.open(target, cause="backend-hung", now=time.time()) as run:
        run.round(make_plan(write_step(site, OLD, NEW)))
        run.commit()


def test_how_long_a_repair_that_is_in_force_is_ago(tmp_path: Path) -> None:
    target, site = FolderTarget(tmp_path), tmp_path / "site"
    site.write_bytes(OLD)
    assert inspect_target.StateNotes(target).quiet() == 0.0
    with RepairRun.open(target, cause="backend-hung", now=time.time()) as run:
        run.round(make_plan(write_step(site, OLD, NEW)))     # rolled back: it changed nothing
    assert inspect_target.StateNotes(target).quiet() == 0.0
    kept(target, site)
    assert 0.0 < inspect_target.StateNotes(target).quiet() < 30.0
    undo(target, None)
    assert inspect_target.StateNotes(target).quiet() == 0.0


@pytest.mark.parametrize("seconds", [7.0, 0.0])
def test_the_look_knows_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float) -> None:
    seen: list[Snapshot] = []

    def judged(_: object, found: Snapshot, __: object) -> Observation:
        seen.append(found)
        return Observation(found, Diagnosis("healthy", (), (), ()))

    monkeypatch.setattr(inspect_target, "collect", lambda *_: capture(node(site="server { listen 80; }")))
    monkeypatch.setattr(inspect_target, "diagnose_snapshot", judged)
    quiet: Callable[[], float] = lambda: seconds     # noqa: E731
    inspect_target.observe_and_diagnose(FolderTarget(tmp_path), DiagnoseRequest(), quiet=quiet)
    assert seen[0].seconds_since_repair == seconds


@pytest.mark.parametrize(("verdicts", "recovered", "looks"), [
    (["degraded", "broken", "healthy"], True, 3), (["degraded"] * 9, True, 4), (["degraded"] * 9, False, 1), (["healthy"], True, 1),
])
def test_what_was_just_taken_back_is_looked_at_until_it_can_be_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verdicts: list[HealthVerdict], recovered: bool, looks: int,
) -> None:
    """A container between two starts has no word in its log yet."""
    seen: list[Observation] = []

    def look_at(*_: object, **__: object) -> Observation:
        seen.append(Observation(build_snapshot(capture(node())), Diagnosis(verdicts[len(seen)], (), (), ())))
        return seen[-1]

    monkeypatch.setattr(wait_until_stable, "observe_and_diagnose", look_at)
    monkeypatch.setattr(wait_until_stable, "RETRY_SECONDS", 0.0)
    options = RepairRequest(DiagnoseRequest(), dry_run=False, yes=True, max_risk=None, only=None, inputs={})
    found = wait_until_stable.first_observation(FolderTarget(tmp_path), options, after_recovery=recovered)
    assert len(seen) == looks and found is seen[-1]


@pytest.mark.parametrize(("moments", "looks"), [
    (["late", "well"], 2), (["late", "late", "broken"], 3), (["late"] * 9, 4), (["broken"], 1),
])
def test_a_moment_in_which_nobody_answered_in_time_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, moments: list[str], looks: int,
) -> None:
    """A socket that systemd holds keeps its visitors while the service behind it is restarted."""
    verdicts: dict[str, HealthVerdict] = {"late": "unknown", "well": "healthy", "broken": "broken"}
    seen: list[Observation] = []

    def look_at(*_: object, **__: object) -> Observation:
        moment = moments[len(seen)]
        scene = Scene().answers(probe(None, error="slow") if moment == "late" else probe(200))
        seen.append(Observation(scene.snapshot(), Diagnosis(verdicts[moment], (), (), ())))
        return seen[-1]

    monkeypatch.setattr(wait_until_stable, "observe_and_diagnose", look_at)
    monkeypatch.setattr(wait_until_stable, "RETRY_SECONDS", 0.0)
    options = RepairRequest(DiagnoseRequest(), dry_run=False, yes=True, max_risk=None, only=None, inputs={})
    found = wait_until_stable.first_observation(FolderTarget(tmp_path), options, after_recovery=False)
    assert len(seen) == looks and found is seen[-1]
