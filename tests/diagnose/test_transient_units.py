"""A unit that systemd-run made: no repair starts it, since it goes with its failure's mark, and with a boot."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import UnitAction
from tests.causes.snapshot_builders import FAILED, STOPPED, Scene, log_lines, roots, service

MADE = {"fragment_path": "/run/systemd/transient/backend.service", "unit_file_state": "transient"}


@pytest.mark.parametrize(("state", "cause"), [
    ({**FAILED, "result": "signal", "exec_main_code": 2, "exec_main_status": 9}, "crash-killed"),
    ({**STOPPED, "inactive_enter": 0.0}, "backend-down"),
])
def test_one_that_does_not_run_is_for_a_person(state: dict[str, object], cause: str) -> None:
    words = log_lines("backend.service: Main process exited, code=killed, status=9/KILL")
    diagnosis = diagnose(Scene().with_service(service(pid=None, unit_changes={**state, **MADE}, log=words)).refused().snapshot())
    assert roots(diagnosis) == [cause] and diagnosis.findings[0].repairs
    for repair in diagnosis.findings[0].repairs:
        assert repair.risk == "manual" and not repair.steps and "made by systemd-run" in repair.manual


def test_with_a_file_of_its_own_it_is_started() -> None:
    made = service(pid=None, unit_changes={**STOPPED})
    (repair,) = diagnose(Scene().with_service(made).refused().snapshot()).findings[0].repairs
    assert any(isinstance(step, UnitAction) and step.verb == "start" for step in repair.steps)
