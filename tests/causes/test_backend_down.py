"""backend-down: what is stopped without a failure, and what only looks so."""

from __future__ import annotations

import pytest

from fixer.diagnose import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ContainerAction, UnitAction, WaitForListener
from tests.causes.building import (
    FAILED,
    NOW,
    SLOW,
    STOPPED,
    Scene,
    boxed,
    failed,
    finding_of,
    healthy,
    listener,
    log,
    moved,
    roots,
    service,
    stopped,
    verdict_of,
)

CAUSE = "backend-down"


def down(**changes: object) -> Scene:
    return Scene().with_service(stopped(**changes)).refused()   # type: ignore[arg-type]


def verbs(scene: Scene) -> list[str]:
    steps = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].steps
    return [s.verb for s in steps if isinstance(s, UnitAction | ContainerAction)]


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


def test_miss() -> None:
    for scene in (healthy(), moved()):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_miss_a_failed_unit_is_another_cause() -> None:
    diagnosis = diagnose(Scene().with_service(failed()).refused().snapshot())
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


def test_unknown_state_or_socket() -> None:
    scene = down(unit_changes={"active_state": "maintenance"})
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)
    blind = Scene().refused().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(blind.snapshot()), CAUSE), Undetermined)


def test_an_old_error_in_the_log_of_a_stopped_unit_is_no_crash() -> None:
    scene = down(log=log("Traceback (most recent call last):", "KeyError: 'SECRET_KEY'", ago=7200))
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_masked_and_unmet_conditions_are_for_a_person() -> None:
    masked = finding_of(diagnose(down(unit_changes={"load_state": "masked"}).snapshot()), CAUSE)
    assert masked.variant == "unit-masked" and masked.repairs[0].risk == "manual"
    unmet = finding_of(diagnose(down(unit_changes={"condition_result": False}).snapshot()), CAUSE)
    assert unmet.variant == "start-condition-unmet" and unmet.repairs[0].risk == "manual"


def test_a_clean_exit_that_nobody_asked_for() -> None:
    scene = down(log=log("Started backend.service.", "backend.service: Deactivated successfully."))
    assert finding_of(diagnose(scene.snapshot()), CAUSE).variant == "clean-exit-not-restarted"
    asked = down(log=log("Started backend.service.", "Stopping backend.service...",
                         "backend.service: Deactivated successfully."))
    assert finding_of(diagnose(asked.snapshot()), CAUSE).variant == "backend-not-running"


def boxes(**box: object) -> Scene:
    made = boxed(box={"status": "exited", "pid": 0, "finished_at": NOW - 60, **box}, pid=None)
    return Scene("app:8000", node="web", back="app").with_service(made).refused(
        addresses=Known(()), service=None, node=None)


@pytest.mark.parametrize("code", [0, 143])
def test_a_stopped_container_is_started_by_name(code: int) -> None:
    scene = boxes(exit_code=code)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (found.variant, found.confidence) == ("container-stopped", "certain") and verbs(scene) == ["start"]


def test_a_container_that_was_slow_to_go_was_stopped_not_killed() -> None:
    scene = boxes(exit_code=137)
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    scene.services[0] = boxed(box={"status": "exited", "pid": 0, "exit_code": 137}, pid=None,
                              log=log("INFO:     Shutting down", ago=30), )
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_a_stopped_container_is_gone_even_if_its_probe_was_slow() -> None:
    scene = boxes(exit_code=0).endpoint(tcp=Known(SLOW), listener=Unknown("container does not run"))
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_no_application_server_at_all_is_for_a_person() -> None:
    diagnosis = diagnose(Scene().refused().snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert found.repairs[0].risk == "manual" and found.confidence == "likely"
    scene = Scene().refused()
    scene.node_changes["local"] = {"root": False}
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def test_a_program_of_supervisord_says_how_to_start_it() -> None:
    gone = service("shop", 8000, None, unit=None, manager="supervisord")
    found = finding_of(diagnose(Scene().with_service(gone).refused().snapshot()), CAUSE)
    assert "supervisorctl start shop" in found.repairs[0].manual


def test_two_addresses_of_one_service_are_one_finding() -> None:
    scene = Scene("127.0.0.1:8000", "localhost:8000").with_service(stopped()).refused().refused(1)
    diagnosis = diagnose(scene.snapshot())
    assert len(diagnosis.findings) == 1 and diagnosis.findings[0].routes == ("r1", "r2")


def test_another_sites_stopped_service_is_not_this_routes_cause() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(service(), listener(8000, 200))
    scene.with_service(stopped("admin.service", 9000)).refused(1)
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded" and diagnosis.findings[0].routes == ("r2",)


def test_a_stopped_service_that_no_route_needs_is_nobodys_business() -> None:
    scene = healthy().with_service(stopped("old.service", 8100, unit_changes={**STOPPED, **FAILED}))
    assert diagnose(scene.snapshot()).verdict == "healthy"
