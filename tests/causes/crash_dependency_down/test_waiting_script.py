"""A start script that has not come to its server: what it waits for is the root, where that is to be seen."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import Dependency
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Evidence, Known
from fixer.model.plan import UnitAction, WaitForListener
from fixer.model.snapshot import Process, Service
from tests.causes.snapshot_builders import (
    NOW,
    STOPPED,
    Scene,
    finding_of,
    listener,
    log_lines,
    process,
    roots,
    service,
    stopped_service,
    supervised_service,
    unit,
)

SCRIPT = "/srv/shop/run.sh"
LINE = Evidence("file", f"{SCRIPT}:3", "until pg_isready -q")
DATABASE = Dependency(LINE, host="127.0.0.1", port=5432, engine="postgresql", is_looped=True)
FILE = Dependency(Evidence("file", f"{SCRIPT}:3", "until [ -f /run/keys/shop ]"), path="/run/keys/shop", is_looped=True,
                present=False)


def postgres(**changes: object) -> Service:
    name = "postgresql@17-main.service"
    about = {"type": "forking", "unit_file_state": "enabled-runtime", **STOPPED, **changes}
    return service(name, 1, None, bindings=Known(()), is_app_server=False, runtime="", unit=unit(name, **about),
                   argv=("/usr/lib/postgresql/17/bin/postgres",))


def waiting(*waits: Dependency, age: float = 300.0, below: tuple[str, ...] = ("sleep", "1"), made: Service | None = None,
            **changes: Any) -> Scene:
    """Its shell runs, its server does not."""
    argv = ("/bin/bash", SCRIPT)
    own = made or service(argv=argv, startup_waits=waits, pids=(200, 201), unit_changes={"active_enter": NOW - age}, **changes)
    scene = Scene()
    scene.services.append(own)
    scene.processes += [process(own.pids[0], *argv, started_at=NOW - age),
                        process(201, *below, ppid=own.pids[0], started_at=NOW - 1)]
    return scene.refused()


def told(scene: Scene) -> Diagnosis:
    return diagnose(scene.snapshot())


def test_slow_start_hit_the_database_that_its_script_waits_for_is_stopped() -> None:
    scene = waiting(DATABASE, age=5.0)
    scene.services.append(postgres())
    found = told(scene).findings[0]
    assert (found.cause, found.variant) == ("crash-dependency-down", "startup-blocked-on-dependency")
    assert (found.confidence, found.service) == ("certain", "postgresql@17-main.service")
    assert "postgresql@17-main.service is stopped" in found.summary and LINE in found.evidence
    steps = found.repairs[0].steps
    assert found.repairs[0].risk == "safe" and isinstance(steps[-1], WaitForListener) and steps[-1].port == 8000
    assert [(s.verb, s.unit) for s in steps if isinstance(s, UnitAction)] == [("start", "postgresql@17-main.service")]


def test_all_that_is_stopped_is_started_at_once() -> None:
    other = Dependency(Evidence("file", f"{SCRIPT}:7", "until nc"), host="127.0.0.1", port=7711, is_looped=True)
    scene = waiting(DATABASE, other)
    scene.services += [postgres(), stopped_service("ledger.service", 7711)]
    steps = told(scene).findings[0].repairs[0].steps
    assert [s.unit for s in steps if isinstance(s, UnitAction)] == ["postgresql@17-main.service", "ledger.service"]
    scene = waiting(DATABASE, FILE)       # the file is not ours to make, so its server is not waited for
    scene.services.append(postgres())
    repair = told(scene).findings[0].repairs[0]
    assert [s.port for s in repair.steps if isinstance(s, WaitForListener)] == [5432] and "more than that" in repair.summary


def test_what_answers_is_not_waited_for_and_a_file_that_is_missing_is_a_persons() -> None:
    scene = waiting(DATABASE, FILE)
    scene.with_service(service("postgresql.service", 5432, 300, is_app_server=False), listener(5432, 300))
    found = told(scene).findings[0]
    assert (found.cause, found.variant, found.confidence) == ("slow-start", "start-script-waits", "likely")
    assert "waits for /run/keys/shop, which is not there" in found.summary
    assert [r.risk for r in found.repairs] == ["manual"] and f"{SCRIPT}:3" in found.repairs[0].manual


def test_a_young_script_is_given_time_first() -> None:
    found = told(waiting(FILE, age=5.0)).findings[0]
    assert found.variant == "start-script-waits" and found.repairs[0].waits and found.repairs[1].risk == "manual"


def test_what_is_not_seen_is_not_guessed() -> None:
    found = told(waiting(below=("/usr/bin/python3", "manage.py", "migrate"))).findings[0]
    assert (found.cause, found.confidence, found.repairs[0].risk) == ("slow-start", "likely", "manual")
    assert "manage.py migrate" in found.repairs[0].manual


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
    assert "until /run/shop/upgrade.lock is gone" in told(waiting(lock)).findings[0].summary


@pytest.mark.parametrize("extra", [
    process(202, "/usr/bin/python3", "/usr/bin/uvicorn", "app.main:app", ppid=200),
    process(202, "/srv/venv/bin/uvicorn", "app.main:app", ppid=200),
])
def test_slow_start_miss_a_script_that_has_started_its_server(extra: Process) -> None:
    scene = waiting(DATABASE)
    scene.services.append(postgres())
    scene.processes.append(extra)
    scene.services[0] = service(argv=("/bin/bash", SCRIPT), startup_waits=(DATABASE,), pids=(200, 201, 202))
    assert "start-script-waits" not in [f.variant for f in told(scene).findings]
    assert "crash-dependency-down" not in roots(told(scene))


@pytest.mark.parametrize("line", ["INFO:     Started server process [300]", "Uvicorn running on http://127.0.0.1:8000"])
def test_a_script_that_starts_its_server_again_and_again_is_not_on_its_way(line: str) -> None:
    assert "start-script-waits" not in [f.variant for f in told(waiting(FILE, log=log_lines("Started x.", line))).findings]


def test_a_program_of_supervisords_that_waits() -> None:
    own = supervised_service(argv=("/bin/bash", SCRIPT), startup_waits=(DATABASE,), program={"started_at": NOW - 300})
    scene = waiting(made=own)
    scene.services.append(postgres())
    assert finding_of(told(scene), "crash-dependency-down").confidence == "certain"


def test_a_users_own_shell_is_only_told() -> None:
    own = service("run.sh[300]", pid=300, unit=None, manager="none", argv=("/bin/bash", SCRIPT), startup_waits=(DATABASE,))
    scene = waiting(made=own)
    scene.services.append(postgres())
    said = told(scene)
    assert not roots(said)
    assert any("run.sh" in note and f"it waits for 127.0.0.1:5432 ({SCRIPT}:3)" in note for note in said.notes)
