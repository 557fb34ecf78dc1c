"""A unit that systemd starts only by stopping another one: nothing is started, a person is asked."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import UnitAction
from tests.causes.snapshot_builders import NOW, Scene, log_lines, roots, service, stopped_service


def down(*rivals: str) -> Scene:
    return Scene().with_service(stopped_service(unit_changes={"conflicts": rivals})).refused()


def test_what_runs_in_conflict_is_not_stopped_by_a_start() -> None:
    diagnosis = diagnose(down("canary.service").snapshot())
    first = diagnosis.findings[0]
    assert roots(diagnosis) == ["backend-down"] and "canary.service" in first.detail[-1]
    assert any(e.text == "Conflicts: canary.service, running now" for e in first.evidence)
    for repair in first.repairs:
        assert repair.risk == "manual" and not repair.steps and "canary.service" in repair.manual


def test_without_a_rival_it_is_started() -> None:
    (repair,) = diagnose(down().snapshot()).findings[0].repairs
    assert any(isinstance(step, UnitAction) and step.verb == "start" for step in repair.steps)


def test_a_service_that_runs_has_no_rival_left_to_stop() -> None:
    scene = Scene().with_service(service(log=log_lines("KeyError: 'X'")))
    made = scene.services[0]
    assert made.unit is not None
    scene.services[0] = replace(made, unit=replace(made.unit, conflicts=("canary.service",), state_change=NOW - 9))
    assert all("conflicts with" not in " ".join(f.detail) for f in diagnose(scene.refused().snapshot()).findings)
