"""A backend whose log names no other system, beside one that it is told to use and that is stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import Dependency
from fixer.model.diagnosis import Diagnosis, Finding
from fixer.model.facts import Evidence, Known
from fixer.model.plan import UnitAction
from fixer.model.snapshot import BlockingUnit, Service
from tests.causes.snapshot_builders import (
    NOW,
    STOPPED,
    Scene,
    failed_service,
    file,
    finding_of,
    listener,
    log_lines,
    process,
    roots,
    service,
    stopped_service,
    unit,
)

CAUSE = "crash-dependency-down"
TOLD = Dependency(Evidence("file", "/etc/default/shop:4", "DATABASE_URL… names 127.0.0.1:5432"), host="127.0.0.1",
                port=5432, engine="postgresql")
DATABASE = "postgresql@17-main.service"
STARTED = "Started backend.service - Office."


def postgres(**changes: object) -> Service:
    about = {"type": "forking", "unit_file_state": "enabled-runtime", **STOPPED, **changes}
    return service(DATABASE, 1, None, bindings=Known(()), is_app_server=False, runtime="", unit=unit(DATABASE, **about),
                   argv=("/usr/lib/postgresql/17/bin/postgres",))


def scene(made: Service, provider: Service | None = None) -> Scene:
    built = Scene().with_service(made).refused()
    built.services.append(provider or postgres())
    return built


def ended(*lines: str, **changes: Any) -> Scene:
    return scene(failed_service(log=log_lines(STARTED, *lines), dependencies=(TOLD,), **changes))


def told(built: Scene) -> Diagnosis:
    return diagnose(built.snapshot())


def verbs(found: Finding) -> list[tuple[str, str]]:
    return [(s.verb, s.unit) for s in found.repairs[0].steps if isinstance(s, UnitAction)]


@pytest.mark.parametrize("lines", [
    (), ("INFO:     Started server process [300]", "INFO:     Waiting for application startup."),
    ("Traceback (most recent call last):", "ConnectionRefusedError: [Errno 111] Connection refused"),
    ("shop: the database is not there, giving up",),
])
def test_hit_it_ends_without_naming_the_database_that_is_stopped(lines: tuple[str, ...]) -> None:
    found = told(ended(*lines)).findings[0]
    assert (found.cause, found.confidence, found.service) == (CAUSE, "likely", DATABASE)
    assert TOLD.source in found.evidence and found.repairs[0].risk == "safe"
    assert verbs(found) == [("start", DATABASE), ("reset-failed", "backend.service"), ("start", "backend.service")]


def test_an_error_that_may_be_about_anything_is_only_possible_and_a_persons() -> None:
    said = told(ended("Traceback (most recent call last):", "RuntimeError: start-up failed"))
    found = finding_of(said, CAUSE)
    assert CAUSE not in roots(said) and (found.confidence, found.repairs[0].risk) == ("possible", "manual")
    assert DATABASE in found.repairs[0].manual and "start-up failed" in found.repairs[0].manual


@pytest.mark.parametrize("line", [
    "ModuleNotFoundError: No module named 'shop'", "ValueError: no such plan", "KeyError: 'SECRET_KEY'",
    "PermissionError: [Errno 13] Permission denied: '/srv/shop/x'",
])
def test_miss_an_error_that_names_something_else(line: str) -> None:
    built = ended("Traceback (most recent call last):", '  File "/srv/shop/app.py", line 3, in <module>', line)
    assert CAUSE not in [f.cause for f in told(built).findings]


def test_miss_a_database_that_runs_or_that_nobody_tells_it_to_use() -> None:
    built = scene(failed_service(log=log_lines(STARTED), dependencies=(TOLD,)), postgres(active_state="active", sub_state="running"))
    built.listeners.append(listener(5432, 300))
    assert CAUSE not in roots(told(built))
    assert CAUSE not in roots(told(scene(failed_service(log=log_lines(STARTED)))))
    away = Dependency(TOLD.source, host="192.0.2.7", port=5432, engine="postgresql")
    assert CAUSE not in roots(told(scene(failed_service(log=log_lines(STARTED), dependencies=(away,)))))


def hanging(age: float, *lines: str) -> Scene:
    made = service(dependencies=(TOLD,), log=log_lines(STARTED, *lines, ago=age), unit_changes={"active_enter": NOW - age})
    built = Scene()
    built.services += [made, postgres()]
    built.processes.append(process(200, *made.argv, started_at=NOW - age))
    return built.refused()


def test_it_hangs_without_a_word() -> None:
    found = told(hanging(90.0)).findings[0]
    assert (found.cause, found.variant) == (CAUSE, "startup-blocked-on-dependency") and found.confidence == "likely"
    assert verbs(found) == [("start", DATABASE)]
    assert told(hanging(10.0)).findings[0].cause == "slow-start"       # it may only be slow
    assert told(hanging(10.0, "waiting for the database")).findings[0].cause == CAUSE


def test_both_rest_and_the_database_is_meant_to_run() -> None:
    found = told(scene(stopped_service(dependencies=(TOLD,)))).findings
    assert [f.cause for f in found[:2]] == [CAUSE, "backend-down"] and verbs(found[0]) == [("start", DATABASE)]
    off = postgres(unit_file_state="disabled")
    assert roots(told(scene(stopped_service(dependencies=(TOLD,)), off))) == ["backend-down"]      # put to rest, perhaps on purpose


def test_where_it_is_known_why_it_was_not_started_no_other_system_is_blamed() -> None:
    """A condition that is not met, a start that is queued: the database is looked for once it starts."""
    passed = told(scene(stopped_service(dependencies=(TOLD,), unit_changes={"condition_result": False})))
    assert roots(passed) == ["backend-down"] and passed.findings[0].variant == "start-condition-unmet"
    waits = stopped_service(dependencies=(TOLD,))
    assert waits.unit is not None
    waits = replace(waits, unit=replace(waits.unit, job=5, blocked_by=(BlockingUnit("warm.service", NOW - 90),)))
    assert roots(told(scene(waits))) == ["slow-start"]


def test_a_unit_that_its_unit_wants_is_meant_too() -> None:
    built = scene(failed_service(log=log_lines(STARTED)))
    built.files.append(file("/etc/systemd/system/backend.service", f"[Unit]\nWants={DATABASE}\n[Service]\n"))
    found = told(built).findings[0]
    assert found.cause == CAUSE and any(f"Wants={DATABASE}" in e.text for e in found.evidence)
