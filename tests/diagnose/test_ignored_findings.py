"""What people accepted: told, not counted, not repaired; until its last day, and only where it was meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, IgnoredFinding
from fixer.planner import RepairPolicy, plan
from tests.causes.snapshot_builders import GOOD, SITE, Scene, listener, roots, service, stopped_service

TODAY, YESTERDAY = "2099-01-01", "2001-01-01"


def accepted(**changes: str) -> IgnoredFinding:
    return replace(IgnoredFinding("a1", "backend-down", "", "it moves on Friday", "maria", TODAY), **changes)


def down() -> Scene:
    return Scene().with_service(stopped_service()).refused()


def judged(scene: Scene, *entries: IgnoredFinding) -> Diagnosis:
    return diagnose(scene.snapshot(), accepted=entries)


def test_an_accepted_finding_is_advice_without_repair_and_the_page_counts_no_more() -> None:
    assert judged(down()).verdict == "broken"
    found = judged(down(), accepted())
    assert (found.verdict, roots(found)) == ("healthy", [])
    assert (found.findings[0].role, found.findings[0].repairs) == ("advice", ())
    assert found.health[0].state == "failing"                       # what was seen stays said
    assert "backend-down is ignored by maria until 2099-01-01: it moves on Friday" in found.notes
    assert plan(found, RepairPolicy("disruptive")).repair_id is None


@pytest.mark.parametrize("where", ["backend.service", "local", "/", "_", SITE, "r1"])
def test_where_names_what_a_person_would_call_it(where: str) -> None:
    assert judged(down(), accepted(where=where)).verdict == "healthy"


@pytest.mark.parametrize("entry", [
    accepted(until=YESTERDAY), accepted(where="other.service"), accepted(cause="wrong-port"), accepted(where="/adm"),
])
def test_what_does_not_fit_changes_nothing(entry: IgnoredFinding) -> None:
    found = judged(down(), entry)
    assert found.verdict == "broken" and roots(found) == ["backend-down"] and found.findings[0].repairs


def test_an_acceptance_that_ran_out_is_said() -> None:
    assert any("expired on 2001-01-01" in note for note in judged(down(), accepted(until=YESTERDAY)).notes)
    assert not any("expired" in note for note in judged(down(), accepted(cause="wrong-port", until=YESTERDAY)).notes)


def test_another_route_stays_what_it_is() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(stopped_service()).refused()
    scene.with_service(service("other.service", 9000, 300), listener(9000, 300)).answers(GOOD, route=1)
    assert judged(scene).verdict == "degraded"
    assert judged(scene, accepted()).verdict == "healthy"


def test_another_fault_on_the_same_route_is_counted() -> None:
    both = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(stopped_service()).with_service(
        stopped_service("other.service", 9000)).refused().refused(1)
    found = judged(both, accepted(where="backend.service"))
    assert found.verdict == "broken" and roots(found) == ["backend-down"]
    assert [f.service for f in found.findings if f.role == "root"] == ["other.service"]


@pytest.mark.parametrize(("where", "near"), [("/adm", ""), ("backned.service", "backend.service"), ("locl", "local"), ("r9", "")])
def test_a_place_that_nothing_is_called_by_is_said(where: str, near: str) -> None:
    note, = (note for note in judged(down(), accepted(where=where)).notes if "has no effect" in note)
    assert f"backend-down at {where}" in note and (f"did you mean {near}?" in note if near else True)


@pytest.mark.parametrize("where", ["backend.service", "local", "/", "_", SITE, f"{SITE}:12", ""])
def test_a_place_that_is_there_is_not_said_to_be_none(where: str) -> None:
    for entry in (accepted(where=where), accepted(where=where, cause="wrong-port")):
        assert not any("has no effect" in note for note in judged(down(), entry).notes)
    assert not any("has no effect" in note for note in judged(down(), accepted(where="/adm", until=YESTERDAY)).notes)
