"""A start script that has not come to its server: what it waits for is the root, where that is to be seen."""

from __future__ import annotations

import pytest

from fixer.lazy.dataclass import replace
from fixer.model.deployment import Dependency
from fixer.model.facts import Evidence
from fixer.model.plan import ContainerAction, UnitAction, WaitForListener
from tests.causes.crash_dependency_down.waiting_script_builders import (
    DATABASE,
    FILE,
    LINE,
    box_scene,
    database_box,
    on_db,
    postgres,
    told,
    waiting,
    waiting_box,
)
from tests.causes.snapshot_builders import (
    NOW,
    causes_of,
    finding_of,
    listener,
    log_lines,
    process,
    roots,
    service,
    stopped_service,
    supervised_service,
)

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


def test_the_entry_point_of_a_container_waits_for_another_container() -> None:
    found = told(box_scene(waiting_box("app", on_db()), database_box()))
    first = found.findings[0]
    assert (roots(found), first.confidence, first.service) == (["crash-dependency-down"], "certain", "p-db-1")
    assert first.summary == "/entrypoint.sh of p-app-1 has not started the server for 5 min: it waits for db:5432, and p-db-1 is stopped"
    (repair,) = first.repairs
    assert repair.risk == "safe" and [s.name for s in repair.steps if isinstance(s, ContainerAction)] == ["p-db-1"]
    assert next((s.host, s.port) for s in repair.steps if isinstance(s, WaitForListener)) == ("127.0.0.1", 5432)


def test_a_name_that_no_container_has_is_likely_wrong() -> None:
    first = told(box_scene(waiting_box("app", on_db("dbx")), database_box("running"))).findings[0]
    assert (first.cause, first.confidence, first.service) == ("crash-dependency-down", "likely", "p-app-1")
    assert "no observed container has the name dbx" in first.summary and first.repairs[0].risk == "manual"


@pytest.mark.parametrize(("age", "is_known"), [(8.0, False), (20.0, True)])
def test_a_name_that_no_container_has_is_not_waited_for_a_minute(age: float, is_known: bool) -> None:
    said = replace(on_db("dbx"), source=Evidence("file", "/srv/p/.env:3", "DB_HOST=dbx"))
    made = waiting_box("app", on_db("dbx"), box={"started_at": NOW - age}, dependencies=(said,))
    scene = box_scene(made, database_box("running"))
    scene.processes = [replace(one, started_at=NOW - age) for one in scene.processes]
    found = told(scene).findings[0]
    assert found.cause == ("crash-dependency-down" if is_known else "slow-start")
    if is_known:
        assert "correct the address at /srv/p/.env:3, then run docker compose up -d app" in found.repairs[0].manual


def test_the_words_of_the_script_name_it_as_well() -> None:
    said = log_lines("PostgreSQL not running on the db yet, waiting...", "PostgreSQL not running on the db yet, waiting...")
    known = Dependency(Evidence("file", "/srv/.env:3", "x"), host="db", port=5432, engine="postgresql")
    first = told(box_scene(waiting_box("app", log=said, dependencies=(known,)), database_box())).findings[0]
    assert (first.cause, first.confidence, first.service) == ("crash-dependency-down", "certain", "p-db-1")
    assert any("not running on the db yet" in one.text for one in first.evidence)
    wrong = Dependency(Evidence("file", "/srv/.env:3", "x"), host="dbx", port=5432, engine="postgresql")
    lost = log_lines(*["Waiting for PostgreSQL to become available..."] * 2)
    first = told(box_scene(waiting_box("app", log=lost, dependencies=(wrong,)), database_box("running"))).findings[0]
    assert first.confidence == "likely" and "/srv/.env:3" in first.repairs[0].manual


def test_a_container_whose_own_program_may_be_its_server_does_not_wait() -> None:
    scene = box_scene(waiting_box("app", on_db()), database_box())
    scene.processes[-1] = process(201, "python3", "/srv/app/serve.py", ppid=200)
    assert all("has not started the server" not in finding.summary for finding in told(scene).findings)
    scene.processes[-1] = process(201, "python3", "/srv/app/wait_for_db.py", ppid=200)
    assert causes_of(told(scene))[0] == "crash-dependency-down"
    nothing = box_scene(waiting_box("app"), database_box())
    assert all("has not started the server" not in finding.summary for finding in told(nothing).findings)


def test_a_program_of_a_container_that_says_again_and_again_what_it_waits_for_is_no_server_yet() -> None:
    known = Dependency(Evidence("file", "/srv/.env:3", "x"), host="db", port=5432, engine="postgresql")
    for times, waits in ((3, True), (1, False)):
        said = log_lines(*["[prerun] Unable to connect to the database, waiting..."] * times)
        scene = box_scene(waiting_box("app", log=said, dependencies=(known,)), database_box())
        scene.processes[-1] = process(201, "python3", "prerun.py", ppid=200)
        assert ("crash-dependency-down" in roots(told(scene))) is waits
