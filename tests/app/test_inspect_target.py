"""A look soon after a repair: what nginx logged before it says nothing of how it is now."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.app import inspect_target
from fixer.app.request import DiagnoseRequest
from fixer.apply.repair_run import RepairRun, undo
from fixer.errors import Unreachable
from fixer.hosts.machine import look_budget
from fixer.model.diagnosis import UNEXPLAINED, Diagnosis
from fixer.model.facts import Unknown
from fixer.model.query import NOT_ASKED
from fixer.model.snapshot import Snapshot
from fixer.model.target import TargetRef
from fixer.observe.build_snapshot import build_snapshot
from fixer.verify import Observation, failing_marks, unmeasured_marks
from tests.apply.folder_target import NEW, OLD, FolderTarget, make_plan, write_step
from tests.causes.snapshot_builders import wrong_port_scene
from tests.observe.capture_builders import capture, node
from tests.verify_builders import look, two_routes, with_health


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


def by_mechanism(target: FolderTarget, site: Path, *routes: str, change: tuple[bytes, bytes] = (OLD, NEW)) -> None:
    with RepairRun.open(target, cause="header-too-big", now=time.time()) as run:
        run.round(make_plan(write_step(site, *change)))
        run.commit(routes)
        assert all(step.endswith(" (proof: mechanism)") for step in run.applied) and run.applied


def test_a_repair_that_its_mechanism_proved_is_named_when_its_routes_fail(tmp_path: Path) -> None:
    target, site = FolderTarget(tmp_path), tmp_path / "site"
    site.write_bytes(OLD)
    before = with_health(two_routes(), "ok", "ok")
    finding = replace(look(wrong_port_scene()).diagnosis.findings[0], routes=("r1",))
    by_mechanism(target, site, *unmeasured_marks(before, finding))
    failing = failing_marks(with_health(before, "degraded", "ok"))
    (note,) = inspect_target.StateNotes(target).in_force(failing)
    assert note.startswith("Requests to / on _ (0.0.0.0:80) fail, so repair ") and len(note.split()) <= 25
    assert "(proof: mechanism) may not have helped; undo it with `fixer undo --id " in note and note.count(". ") == 0
    other = inspect_target.StateNotes(target).in_force(failing_marks(with_health(before, "ok", "failing")))
    assert len(other) == 1 and "is in force. If it did not help" in other[0]
    undo(target, None)
    assert inspect_target.StateNotes(target).in_force(failing) == ()


def test_an_earlier_repair_that_its_mechanism_proved_is_named_beside_the_last(tmp_path: Path) -> None:
    target, site, other = FolderTarget(tmp_path), tmp_path / "site", tmp_path / "other"
    site.write_bytes(OLD)
    other.write_bytes(OLD)
    by_mechanism(target, site, "1a")
    kept(target, other)
    notes = inspect_target.StateNotes(target).in_force({"1a": "/api", "2b": "/"})
    assert [note.split()[0] for note in notes] == ["Requests", "Repair"] and "to /api fail" in notes[0]


def test_failures_that_nginx_only_logged_count_too() -> None:
    seen = with_health(two_routes(), "ok", "ok")
    lasting = replace(look(wrong_port_scene()).diagnosis.findings[0], cause=UNEXPLAINED, role="contributing", routes=("r2",))
    logged = with_health(seen, "ok", "ok", findings=(lasting,))
    assert list(failing_marks(logged).values()) == ["/1 on _ (0.0.0.0:80)"] and failing_marks(seen) == {}


def test_verify_says_it_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, site = FolderTarget(tmp_path), tmp_path / "site"
    site.write_bytes(OLD)
    seen = with_health(two_routes(), "degraded", "ok")
    by_mechanism(target, site, *failing_marks(seen))
    monkeypatch.setattr(inspect_target, "open_named_target", lambda word: nullcontext(target))
    monkeypatch.setattr(inspect_target, "observe_and_diagnose", lambda *_, **__: seen)
    monkeypatch.setattr(inspect_target, "judge", lambda *_, **__: seen.diagnosis)
    held = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    report = inspect_target.verify("local", DiagnoseRequest(requests=40)).report
    assert [note for note in report.notes if "may not have helped" in note and "fixer undo --id" in note]
    assert held == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


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


def test_a_look_whose_time_is_over_asks_no_nginx_and_reads_no_journal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """verify still has its verdict, and says what it did not ask."""
    def no_askers(_: object) -> tuple[()]:
        raise Unreachable("nobody may be asked")

    def late(_: object) -> tuple[()]:
        raise Unreachable("no answer")

    target = FolderTarget(tmp_path)
    monkeypatch.setattr(FolderTarget, "askers", no_askers)
    monkeypatch.setattr(inspect_target, "policy_notes", late)
    seen = build_snapshot(capture(node(site="server { listen 80; }")))
    with look_budget.one_look() as budget:
        budget.extend(-60.0)
        tested = inspect_target._with_nginx_test(target, seen)
        assert [nginx.test for nginx in tested.nginxes] == [Unknown(NOT_ASKED)]
        assert inspect_target.StateNotes(target).read() == (f"earlier repairs were {NOT_ASKED}",)
