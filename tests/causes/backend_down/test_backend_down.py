"""backend-down: what is stopped without a failure, and what only looks so."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import HandStartedLog, LogLine
from tests.causes import snapshot_builders
from tests.causes.backend_down.backend_down_builders import boxes, down, verbs
from tests.causes.snapshot_builders import (
    FAILED,
    NOW,
    STOPPED,
    Scene,
    container_service,
    failed_service,
    finding_of,
    healthy_scene,
    log_lines,
    roots,
    service,
    stopped_service,
    verdict_of,
    wrong_port_scene,
)

CAUSE = "backend-down"


def test_hit_a_stopped_unit_is_started() -> None:
    diagnosis = diagnose(down().snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "broken"
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.service) == ("backend-not-running", "certain", "backend.service")
    assert {"unit", "nginx-config", "socket", "nginx-log"} <= {e.source for e in found.evidence}
    assert verbs(down()) == ["start"] and isinstance(found.repairs[0].steps[-1], WaitForListener)
    assert found.repairs[0].risk == "safe"


def test_hit_disabled_at_boot_is_enabled_too() -> None:
    scene = down(unit_changes={"unit_file_state": "disabled"})
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "unit-disabled-after-reboot" and verbs(scene) == ["enable", "start"]


@pytest.mark.parametrize(("state", "is_said"), [
    ({"inactive_enter": 0.0}, True), ({}, False), ({"inactive_enter": 0.0, "unit_file_state": "static"}, False),
])
def test_an_enabled_unit_that_the_boot_did_not_start_is_said_to_be(state: dict[str, object], *, is_said: bool) -> None:
    scene = down(unit_changes={"unit_file_state": "enabled", **state})
    told = finding_of(diagnose(scene.snapshot()), CAUSE).detail
    assert any("list-dependencies --reverse backend.service" in line for line in told) is is_said


def test_miss() -> None:
    for scene in (healthy_scene(), wrong_port_scene()):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_miss_a_failed_unit_is_another_cause() -> None:
    diagnosis = diagnose(Scene().with_service(failed_service()).refused().snapshot())
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


def test_unknown_state_or_socket() -> None:
    scene = down(unit_changes={"active_state": "maintenance"})
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)
    blind = Scene().refused().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(blind.snapshot()), CAUSE), Undetermined)


def test_an_old_error_in_the_log_of_a_stopped_unit_is_no_crash() -> None:
    scene = down(log=log_lines("Traceback (most recent call last):", "KeyError: 'SECRET_KEY'", ago=7200))
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_a_clean_exit_that_nobody_asked_for() -> None:
    scene = down(log=log_lines("Started backend.service.", "backend.service: Deactivated successfully."))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == "clean-exit-not-restarted" and [r.risk for r in found.repairs] == ["safe", "disruptive"]
    assert any("Deactivated successfully" in e.text for e in found.evidence)
    written = found.repairs[1].steps[0]
    assert isinstance(written, WriteFile) and written.after == b"[Service]\nRestart=always\n"
    asked = down(log=log_lines("Started backend.service.", "Stopping backend.service...",
                         "backend.service: Deactivated successfully."))
    assert finding_of(diagnose(asked.snapshot()), CAUSE).variant == "backend-not-running"


@pytest.mark.parametrize("raised", ["ValueError: odd", "zlib.error: odd"])
def test_an_exit_code_of_0_below_an_exception_is_no_success(raised: str) -> None:
    """hypercorn's parent passes no status on."""
    log = log_lines("Started backend.service.", "Traceback (most recent call last):", '  File "/srv/a.py", line 1, in <module>', raised,
                    "backend.service: Deactivated successfully.")
    diagnosis = diagnose(down(log=log).snapshot())
    assert raised in diagnosis.findings[0].summary and diagnosis.findings[0].repairs[0].risk == "manual"


ASKED = "[2027-01-15 08:00:00 +0000] [1] [INFO] Handling signal: term"
TRIPPED = "RuntimeError: reentrant call inside <_io.BufferedWriter name='<stderr>'>"
BOOTED = "[2027-01-15 08:00:00 +0000] [9] [INFO] Booting worker with pid: 9"


def test_gunicorn_that_trips_over_its_own_farewell_was_stopped_not_broken() -> None:
    def ended(*texts: str) -> list[str]:
        scene = boxes(exit_code=1)
        scene.services[0] = container_service(box={"status": "exited", "pid": 0, "exit_code": 1}, pid=None, log=log_lines(BOOTED, *texts))
        return roots(diagnose(scene.snapshot()))

    farewell = "[2027-01-15 08:00:00 +0000] [13] [INFO] Finished server process [13]"
    assert ended(ASKED, farewell, "--- Logging error ---", TRIPPED, *["  File \"x.py\", line 1, in f"] * 60, TRIPPED) == [CAUSE]
    assert CAUSE not in ended(TRIPPED)                                        # nobody asked
    assert CAUSE not in ended(ASKED, "RuntimeError: no session")              # it broke while it left
    assert CAUSE not in ended(ASKED, TRIPPED, BOOTED, "RuntimeError: x")      # it was begun anew


def test_a_program_of_supervisord_says_how_to_start_it() -> None:
    gone = service("shop", 8000, None, unit=None, manager="supervisord")
    found = finding_of(diagnose(Scene().with_service(gone).refused().snapshot()), CAUSE)
    assert "supervisorctl start shop" in found.repairs[0].manual


def test_two_addresses_of_one_service_are_one_finding() -> None:
    scene = Scene("127.0.0.1:8000", "localhost:8000").with_service(stopped_service()).refused().refused(1)
    diagnosis = diagnose(scene.snapshot())
    assert len(diagnosis.findings) == 1 and diagnosis.findings[0].routes == ("r1", "r2")


def test_a_stopped_service_that_no_route_needs_is_nobodys_business() -> None:
    scene = healthy_scene().with_service(stopped_service("old.service", 8100, unit_changes={**STOPPED, **FAILED}))
    assert diagnose(scene.snapshot()).verdict == "healthy"


def test_what_an_init_script_started_is_started_again_by_it() -> None:
    left = {"active_state": "active", "sub_state": "exited", "main_pid": 0, "unit_file_state": "generated"}
    made = snapshot_builders.service("shop.service", pid=None, unit_changes=left)
    (repair,) = diagnose(Scene().with_service(made).refused().snapshot()).findings[0].repairs
    action = repair.steps[0]
    assert isinstance(action, UnitAction) and repair.risk == "safe"
    assert (action.verb, action.was_active, action.describe) == ("restart", "exited", "")


def test_a_program_that_tells_its_stop_by_its_status_was_stopped() -> None:
    """128 and the signal: systemd calls that a failure, and nothing failed."""
    for status, expected in ((143, ["backend-down"]), (1, [])):
        scene = Scene().with_service(failed_service(unit_changes={"exec_main_status": status})).refused()
        assert roots(diagnose(scene.snapshot())) == expected


@pytest.mark.parametrize(("end", "asks"), [
    ("ModuleNotFoundError: No module named 'orjson'", True), ("[2026-01-01 03:00:00 +0000] [88] [INFO] Shutting down: Master", False),
])
def test_what_ended_because_it_was_asked_to_is_nothing_to_mend(end: str, asks: bool) -> None:
    scene = Scene().refused(configured_service=None)
    lines = (LogLine(NOW - 90, "[88] [INFO] Starting gunicorn 23.0.0", "/tmp/a.log"), LogLine(NOW - 60, end, "/tmp/a.log"))
    scene.extra["hand_started_logs"] = (HandStartedLog("local", "/tmp/a.log", NOW - 60, lines),)
    (detail,) = finding_of(diagnose(scene.snapshot()), "backend-down").detail
    assert end in detail and ("correct that before you start it again" in detail) is asks


def test_what_systemd_would_start_along_is_a_step_of_its_own() -> None:
    """An undo stopped the service alone, and what it requires ran on."""
    made, tunnel = stopped_service(), stopped_service("tunnel.service", 0, is_app_server=False, bindings=Known(()))
    scene = Scene().with_service(made).with_service(tunnel).refused()
    assert made.unit is not None
    scene.files.append(snapshot_builders.file(made.unit.fragment_path, "[Unit]\nBindsTo=tunnel.service\nRequires=gone.service\n"))
    told = [(s.verb, s.unit) for s in diagnose(scene.snapshot()).findings[0].repairs[0].steps if isinstance(s, UnitAction)]
    assert told == [("start", "tunnel.service"), ("start", "backend.service")]
