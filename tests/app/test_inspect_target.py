"""A look soon after a repair: what nginx logged before it says nothing of how it is now."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixer.app import inspect_target
from fixer.app.request import DiagnoseRequest
from fixer.apply.repair_run import RepairRun, undo
from fixer.model.diagnosis import Diagnosis
from fixer.model.snapshot import Snapshot
from fixer.model.target import TargetRef
from fixer.verify import Observation
from tests.apply.folder_target import NEW, OLD, FolderTarget, make_plan, write_step
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
    assert inspect_target.StateNotes(target).in_force() == ()
    kept(target, site)
    assert 0.0 < inspect_target.StateNotes(target).quiet() < 30.0
    (note,) = inspect_target.StateNotes(target).in_force()
    assert note.startswith("Repair ") and " for wrong-port is in force" in note and "undo it: fixer undo" in note and " --id " in note
    undo(target, None)
    assert inspect_target.StateNotes(target).quiet() == 0.0
    assert inspect_target.StateNotes(target).in_force() == ()


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


@pytest.mark.parametrize(("target", "host"), [
    (TargetRef("local", ""), os.uname().nodename), (TargetRef("compose", "shop"), os.uname().nodename),
    (TargetRef("ssh", "ops@web1:2222"), "web1"), (TargetRef("bundle", "incident.tgz"), ""),
])
def test_a_report_names_the_host_that_was_observed(target: TargetRef, host: str) -> None:
    assert inspect_target._host_name(target) == host
