"""Repairs that answers cannot prove say so, and are at least disruptive; constant failures are proven by answers."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.analysis.case import open_case
from fixer.diagnose.repair_proof import mark_proofs
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, Repair, Role
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.plan import ContainerAction, ReloadNginx, Risk, Step, WaitForListener
from fixer.model.snapshot import ProbeResult
from fixer.planner import RepairPolicy, plan
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    REFUSED,
    SLOW,
    Scene,
    healthy_scene,
    probe,
    wrong_port_scene,
)
from tests.causes.timeout_too_short.timeout_too_short_builders import found, late

RELOAD = ReloadNginx("local", 100, "nginx", "c", "p", "e")
START = ContainerAction("id", "redis", "start", "exited")
WAIT = WaitForListener("local", "127.0.0.1", 6379)


def fault(*repairs: Repair, role: Role = "root", routes: tuple[str, ...] = ("r1",)) -> Finding:
    return Finding("wrong-port", None, role, "certain", "s", (), routes, None, "local", (Evidence("probe", "w", "t"),), repairs)


def repair_with(*steps: Step, risk: Risk = "safe", waits: bool = False) -> Repair:
    return Repair("id", risk, "s", steps, waits=waits)


def marked(scene: Scene, *repairs: Repair, role: Role = "root", routes: tuple[str, ...] = ("r1",)) -> list[tuple[str, str]]:
    case = open_case(scene.snapshot(), {})
    (finding,) = mark_proofs(case, (fault(*repairs or (repair_with(RELOAD),), role=role, routes=routes),))
    return [(repair.proof, repair.risk) for repair in finding.repairs]


ANSWERS, MECHANISM = [("answers", "safe")], [("mechanism", "disruptive")]


@pytest.mark.parametrize(("probes", "proof"), [
    (Known((BAD_GATEWAY,) * 3), ANSWERS),                                   # three of three: constant
    (Known((BAD_GATEWAY,)), ANSWERS),
    (Known((SLOW,)), ANSWERS),                                              # no answer at all
    (Known((GOOD,) * 40), MECHANISM),
    (Known((*(GOOD,) * 36, *(BAD_GATEWAY,) * 4)), MECHANISM),
    (Known((*(GOOD,) * 35, *(BAD_GATEWAY,) * 5)), ANSWERS),
    (Known((*(GOOD,) * 36, *(BAD_GATEWAY,) * 3, SLOW)), MECHANISM),
    (Known((*(GOOD,) * 35, *(BAD_GATEWAY,) * 3, SLOW, SLOW)), ANSWERS),     # a late answer is none
    (Known((GOOD, SLOW)), MECHANISM),
    (Unknown("--no-probe"), MECHANISM),                                     # nobody asked, so nothing can be compared
])
def test_what_can_prove_a_repair(probes: Fact[tuple[ProbeResult, ...]], proof: list[tuple[str, str]]) -> None:
    scene = healthy_scene().endpoint(http=Known(probe(error="closed")))
    scene.probes[0] = probes
    assert marked(scene) == proof


@pytest.mark.parametrize(("ends", "proof"), [
    ({"listener": Known(None), "tcp": Unknown("--no-probe")}, ANSWERS),      # the kernel says it
    ({"tcp": Known(probe(error="slow"))}, ANSWERS),                          # dropped on the way
    ({"addresses": Known(()), "tcp": Unknown("no address"), "listener": Unknown("no address")}, ANSWERS),
    ({"listener": Known(None), "tcp": Unknown("--no-probe"), "down": True}, MECHANISM),      # nginx never asks it
    ({}, MECHANISM),
])
def test_a_route_that_could_not_be_asked(ends: dict[str, Any], proof: list[tuple[str, str]]) -> None:
    scene = healthy_scene().endpoint(**ends)
    scene.probes[0] = Unknown("more than 50 routes")
    assert marked(scene) == proof


def two_routes(*failures: int) -> Scene:
    scene = Scene(*("127.0.0.1:8000",) * len(failures)).endpoint(http=Known(REFUSED))
    for number, failed in enumerate(failures):
        scene.endpoint(number, http=Known(REFUSED)).answers(*(GOOD,) * 8, *(BAD_GATEWAY,) * failed, route=number)
    return scene


def test_the_failures_of_all_its_routes_count_together() -> None:
    assert marked(two_routes(2, 2), routes=("r1", "r2")) == MECHANISM
    assert marked(two_routes(2, 3), routes=("r1", "r2")) == ANSWERS
    assert marked(two_routes(2, 3), routes=("r1",)) == MECHANISM        # those of others do not


def test_a_route_that_fails_constantly_decides_for_all() -> None:
    assert marked(two_routes(0, 0).answers(BAD_GATEWAY, route=1), routes=("r1", "r2")) == ANSWERS


def test_what_is_not_about_requests_is_asked_in_the_same_way_again() -> None:
    assert marked(healthy_scene(), routes=()) == ANSWERS


def test_without_nginx_every_request_fails() -> None:
    down = healthy_scene()
    down.nginx, down.probes[0] = {"master_pid": None}, Unknown("nginx does not run")
    assert marked(down) == ANSWERS


@pytest.mark.parametrize("role", ["advice", "consequence"])
def test_what_is_not_at_fault_is_not_concerned(role: Role) -> None:
    assert marked(healthy_scene(), role=role) == ANSWERS


def test_which_repairs_of_a_finding_it_concerns() -> None:
    kinds = (repair_with(RELOAD), repair_with(RELOAD, risk="disruptive"), repair_with(risk="manual"), repair_with(waits=True),
             repair_with(START, WAIT), repair_with(START))
    assert marked(healthy_scene(), *kinds) == [
        ("mechanism", "disruptive"), ("mechanism", "disruptive"), ("mechanism", "manual"),
        ("answers", "safe"),            # a wait changes nothing
        ("answers", "safe"),            # the started service answers at its address, where nothing answered before
        ("mechanism", "disruptive"),    # nothing is asked whether it does
    ]


def test_an_address_that_is_down_behind_answered_requests_is_a_constant_failure() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").refused(1).answers(GOOD, route=1)
    case = open_case(scene.snapshot(), {})
    assert case.verdicts["local/r2"].state == "degraded" and case.verdicts["local/r2"].failed == 0
    assert marked(scene, routes=("r2",)) == ANSWERS


def test_the_diagnosis_and_the_plan_say_it() -> None:
    seen = diagnose(late().snapshot())
    (repair,) = found(late()).repairs
    assert (repair.proof, repair.risk) == ("mechanism", "disruptive")
    (withheld,) = plan(seen, RepairPolicy()).withheld
    assert (withheld.why, withheld.flag) == ("it is disruptive (proof: mechanism)", "--max-risk disruptive")
    drawn = plan(seen, RepairPolicy("disruptive"))
    assert (drawn.proof, drawn.risk) == ("mechanism", "disruptive")


def test_a_constant_failure_stays_as_it_was() -> None:
    drawn = plan(diagnose(wrong_port_scene().snapshot()), RepairPolicy())
    assert (drawn.proof, drawn.risk) == ("answers", "safe")
