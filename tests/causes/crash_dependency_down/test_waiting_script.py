"""A start script that has not come to its server: what it waits for is the root, where that is to be seen."""

from __future__ import annotations

from fixer.model.deployment import Dependency
from fixer.model.facts import Evidence
from fixer.model.plan import UnitAction, WaitForListener
from tests.causes.crash_dependency_down.waiting_script_builders import DATABASE, FILE, LINE, postgres, told, waiting
from tests.causes.snapshot_builders import NOW, finding_of, listener, service, stopped_service, supervised_service

SCRIPT = "/srv/shop/run.sh"


def test_all_that_is_stopped_is_started_at_once() -> None:
    other = Dependency(Evidence("file", f"{SCRIPT}:7", "until nc"), host="127.0.0.1", port=7711, is_looped=True)
    scene = waiting(DATABASE, other)
    scene.services += [postgres(), stopped_service("ledger.service", 7711)]
    steps = told(scene).findings[0].repairs[0].steps
    assert [s.unit for s in steps if isinstance(s, UnitAction)] == ["postgresql@17-main.service", "ledger.service"]
    scene = waiting(DATABASE, FILE)       # the file is not ours to make, so its server is not waited for
    scene.services.append(postgres())
    repair = told(scene).findings[0].repairs[0]
    assert [s.port for s in repair.steps if isinstance(s, WaitForListener)] == [5432] and "also waits for something else" in repair.summary


def test_what_answers_is_not_waited_for_and_a_file_that_is_missing_is_a_persons() -> None:
    scene = waiting(DATABASE, FILE)
    scene.with_service(service("postgresql.service", 5432, 300, is_app_server=False), listener(5432, 300))
    found = told(scene).findings[0]
    assert (found.cause, found.variant, found.confidence) == ("slow-start", "start-script-waits", "likely")
    assert "waits for /run/keys/shop, which does not exist" in found.summary
    assert [r.risk for r in found.repairs] == ["manual"] and f"{SCRIPT}:3" in found.repairs[0].manual


def test_what_is_on_another_machine_is_only_possible() -> None:
    away = Dependency(LINE, host="db.example.org", ip="192.0.2.7", port=5432, is_looped=True)
    found = told(waiting(away)).findings[0]
    assert (found.cause, found.confidence) == ("crash-dependency-down", "possible")
    assert found.repairs[0].risk == "manual"
    assert told(waiting(away, age=5.0)).findings[0].cause == "slow-start"      # it may answer in a moment


def test_nobody_known_at_the_port_is_a_persons() -> None:
    found = told(waiting(DATABASE)).findings[0]
    assert (found.cause, found.confidence, found.repairs[0].risk) == ("crash-dependency-down", "likely", "manual")


def test_a_file_that_is_to_go_is_said_so() -> None:
    lock = Dependency(LINE, path="/run/shop/upgrade.lock", wanted=False, is_looped=True, present=True)
    assert "until /run/shop/upgrade.lock is removed" in told(waiting(lock)).findings[0].summary


def test_a_program_of_supervisords_that_waits() -> None:
    own = supervised_service(argv=("/bin/bash", SCRIPT), startup_waits=(DATABASE,), program={"started_at": NOW - 300})
    scene = waiting(made=own)
    scene.services.append(postgres())
    assert finding_of(told(scene), "crash-dependency-down").confidence == "certain"
