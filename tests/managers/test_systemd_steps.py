"""The steps by which systemd starts a unit."""

from __future__ import annotations

import pytest

from fixer.managers import starter_of
from fixer.managers.systemd_steps import requirement_lines
from fixer.model.plan import UnitAction
from fixer.model.snapshot import Service
from tests.causes.snapshot_builders import STOPPED, Scene, file, service, stopped_service, unit

FAILED = {"active_state": "failed", "sub_state": "failed", "result": "exit-code", "exec_main_code": 1, "exec_main_status": 1}
RESTING = unit("backend.socket", active_state="inactive", sub_state="dead")


@pytest.mark.parametrize(("made", "verbs"), [
    (stopped_service(), ["start backend.service"]),
    (service(unit_changes=FAILED), ["reset-failed backend.service", "start backend.service"]),
    (stopped_service(unit_changes={"unit_file_state": "disabled"}), ["enable backend.service", "start backend.service"]),
    (stopped_service(socket=RESTING), ["start backend.socket"]),
    (service(unit_changes=FAILED, socket=RESTING), ["reset-failed backend.service", "start backend.socket", "start backend.service"]),
])
def test_what_a_start_takes(made: Service, verbs: list[str]) -> None:
    steps = starter_of(Scene().with_service(made).snapshot(), made).start_steps()
    assert [f"{step.verb} {step.unit}" for step in steps if isinstance(step, UnitAction)] == verbs


def test_what_it_requires_is_started_before_it_so_that_an_undo_stops_it_too() -> None:
    made, needed = stopped_service(), stopped_service("db.service", 5432)
    scene = Scene().with_service(made).with_service(needed)
    scene.files.append(file("/etc/systemd/system/backend.service", "[Unit]\nRequires=db\nWants=extra\n"))
    snapshot = scene.snapshot()
    steps = starter_of(snapshot, made).start_steps()
    assert [step.unit for step in steps if isinstance(step, UnitAction)] == ["db.service", "backend.service"]
    assert [row[0] for row in requirement_lines(snapshot, made, wanted=True)] == ["db.service", "extra.service"]


def test_a_running_unit_is_restarted_to_apply_its_files_and_a_stopped_one_started() -> None:
    for made, verb in ((service(), "restart"), (stopped_service(), "start")):
        starter = starter_of(Scene().with_service(made).snapshot(), made)
        (step,) = starter.apply_steps("running for 1 h")
        assert isinstance(step, UnitAction) and (step.verb, step.was_active) == (verb, STOPPED["active_state"] if verb == "start" else "active")
        assert starter.awaited_unit == "backend.service" and starter.awaited_container == ""
