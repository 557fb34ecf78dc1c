"""A backend whose log names no other system, beside one that it is told to use and that is stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.case import open_case
from fixer.causes.crash_dependency_down import stopped_dependency
from fixer.causes.crash_dependency_down.stopped_dependency import find_stopped_dependencies
from fixer.model.deployment import Dependency
from fixer.model.snapshot import BlockingUnit, Service
from tests.causes.crash_dependency_down.stopped_dependency_builders import (
    CAUSE,
    DATABASE,
    STARTED,
    TOLD,
    postgres,
    scene,
    told,
    verbs,
)
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    failed_service,
    listener,
    log_lines,
    process,
    roots,
    service,
    stopped_service,
)


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


def test_each_service_is_looked_at_once_however_many_addresses_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 1,600 services behind 1,600 closed addresses that was half of nine seconds."""
    looked: list[str] = []

    def kind(service: Service) -> str:
        looked.append(service.id)
        return ""

    monkeypatch.setattr(stopped_dependency, "system_kind_of", kind)
    many = Scene(*(f"127.0.0.1:{8000 + number}" for number in range(8)))
    for number in range(8):
        many.with_service(stopped_service(f"shop{number}.service", 8000 + number)).refused(number)
    assert len(open_case(many.snapshot(), {}).failing_addresses) == 8
    assert list(find_stopped_dependencies(open_case(many.snapshot(), {}), ())) == []
    assert len(looked) == len(set(looked)) == 8


def test_it_hangs_without_a_word() -> None:
    found = told(hanging(90.0)).findings[0]
    assert (found.cause, found.variant) == (CAUSE, "startup-blocked-on-dependency") and found.confidence == "likely"
    assert verbs(found) == [("start", DATABASE)]
    assert told(hanging(10.0)).findings[0].cause == "slow-start"       # it may only be slow
    assert told(hanging(10.0, "waiting for the database")).findings[0].cause == CAUSE


def test_where_it_is_known_why_it_was_not_started_no_other_system_is_blamed() -> None:
    """A condition that is not met, a start that is queued: the database is looked for once it starts."""
    passed = told(scene(stopped_service(dependencies=(TOLD,), unit_changes={"condition_result": False})))
    assert roots(passed) == ["backend-down"] and passed.findings[0].variant == "start-condition-unmet"
    waits = stopped_service(dependencies=(TOLD,))
    assert waits.unit is not None
    waits = replace(waits, unit=replace(waits.unit, job=5, blocked_by=(BlockingUnit("warm.service", NOW - 90),)))
    assert roots(told(scene(waits))) == ["slow-start"]
