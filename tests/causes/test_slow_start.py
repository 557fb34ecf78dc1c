"""A start that systemd keeps queued: not a stopped service, and another start would wait in the same queue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis, RuledOut
from fixer.model.snapshot import BlockingUnit, Service
from tests.causes.nginx_down.test_nginx_down import nginx_unit, no_nginx
from tests.causes.snapshot_builders import NOW, Scene, finding_of, healthy_scene, roots, stopped_service, verdict_of

WARM = "warm.service"


def queued(*awaited: BlockingUnit) -> Service:
    made = stopped_service()
    assert made.unit is not None
    return replace(made, unit=replace(made.unit, job=58, blocked_by=awaited))


def told(*awaited: BlockingUnit) -> Diagnosis:
    return diagnose(Scene().with_service(queued(*awaited)).refused().snapshot())


def test_it_is_told_with_what_it_waits_for() -> None:
    diagnosis = told(BlockingUnit(WARM, NOW - 300))
    assert roots(diagnosis) == ["slow-start"]
    found = finding_of(diagnosis, "slow-start")
    assert (found.variant, found.confidence) == ("start-job-queued", "certain")
    assert "queued behind warm.service, which is not up yet" in found.summary and found.detail == ("warm.service: for 5 min",)
    (repair,) = found.repairs
    assert repair.risk == "manual" and "systemctl stop warm.service ends the wait" in repair.manual
    assert isinstance(verdict_of(diagnosis, "backend-down"), RuledOut)


@pytest.mark.parametrize(("awaited", "repairs"), [
    ((BlockingUnit(WARM, NOW - 5),), ["wait-for-start", "end-wait"]),
    ((BlockingUnit(WARM, NOW - 5), BlockingUnit("net.service", NOW - 90)), ["end-wait"]),
    ((BlockingUnit(WARM, 0.0),), ["end-wait"]),           # since when is not known: it may be for ever
])
def test_only_what_is_young_is_waited_for(awaited: tuple[BlockingUnit, ...], repairs: list[str]) -> None:
    found = finding_of(told(*awaited), "slow-start")
    assert [repair.id for repair in found.repairs] == repairs
    assert found.repairs[0].waits == (len(repairs) == 2)


def test_without_a_queue_it_is_a_stopped_service() -> None:
    assert roots(told()) == ["backend-down"]


def test_of_a_host_that_is_well_nothing_is_said() -> None:
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), "slow-start"), RuledOut)


def test_an_nginx_that_waits_its_turn_is_not_started_once_more() -> None:
    found = finding_of(diagnose(no_nginx(service=nginx_unit(job=7, blocked_by=(BlockingUnit(WARM, NOW - 5),))).snapshot()), "nginx-down")
    assert "nginx does not run: the start of nginx.service is queued behind warm.service" in found.summary
    assert [(repair.id, repair.risk, repair.steps) for repair in found.repairs] == [("end-wait", "manual", ())]
    assert any(evidence.where == WARM for evidence in found.evidence)
