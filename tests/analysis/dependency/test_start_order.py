"""nginx's container that Compose made and never started, since it waits for another one to be well."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut
from fixer.model.facts import Known
from fixer.model.snapshot import BlockingUnit
from tests.causes.crash_dependency_down.crash_dependency_down_builders import found
from tests.causes.slow_start_builders import told
from tests.causes.snapshot_builders import (
    NOW,
    REFUSED,
    Scene,
    container_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    roots,
    verdict_of,
)

LABEL = ("com.docker.compose.depends_on", "app:service_healthy:false")


def down(health: str, *, ran: bool = False) -> Finding:
    state = {"status": "exited", "exit_code": 0, "started_at": NOW - 900, "finished_at": NOW - 60} if ran else {
        "status": "created", "started_at": 0.0}
    web = container_service("web", 80, pid=None, is_app_server=False, bindings=Known(()), box={**state, "pid": 0, "labels": (LABEL,)})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(box={"health": health}), listener(8000, 7, "0.0.0.0", "app"))
    scene.services.append(web)
    scene.listeners = [line for line in scene.listeners if line.node == "app"]
    scene.nginx.update(master_pid=None, worker_pids=(), service=web)
    return finding_of(diagnose(scene.answers(REFUSED).snapshot()), "nginx-down")


@pytest.mark.parametrize("health", ["unhealthy", "starting"])
def test_it_is_not_started_by_itself(health: str) -> None:
    found = down(health)
    assert "did not start it, because its dependency app" in found.summary and [r.risk for r in found.repairs] == ["manual"]


def test_one_that_nothing_holds_back_or_that_has_run_is_started() -> None:
    assert [r.risk for r in down("healthy").repairs] == ["safe"]
    found = down("unhealthy", ran=True)
    assert [r.risk for r in found.repairs] == ["safe"] and "next docker compose up will not start it" in found.detail[0]


def held_back(condition: str = "service_healthy", label: str | None = None, **other: object) -> Scene:
    """A backend that Compose made, and that waits for `store`."""
    box = {"status": "created", "started_at": 0.0, "pid": 0, "labels": (
        ("com.docker.compose.depends_on", label or f"store:{condition}:false"),)}
    made = container_service(pid=None, box=box, log=log_lines())
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    about = {"health": "unhealthy", "health_exit": 127, **other}
    return scene.with_service(container_service("store", 6379, box=about, is_app_server=False, pid=31, bindings=Known(())))


@pytest.mark.parametrize(("scene", "words", "confidence"), [
    (held_back(), "store is unhealthy, its last check ended with exit code 127", "certain"),
    (held_back(health_output='exec: "curl": executable file not found'), "code 127: exec: \"curl\": executable", "certain"),
    (held_back(health="starting"), "store is not healthy yet", "likely"),
    (held_back(status="exited", health=None), "store does not run", "likely"),
    (held_back("service_completed_successfully", status="exited", exit_code=3), "store ended with exit code 3",
     "certain"),
])
def test_a_container_that_compose_holds_back_is_not_started_by_itself(scene: Scene, words: str, confidence: str) -> None:
    one = found(scene)
    assert words in one.summary and one.confidence == confidence
    assert [r.risk for r in one.repairs] == ["manual"]


@pytest.mark.parametrize(("health", "said"), [("unhealthy", True), ("healthy", False)])
def test_one_that_has_run_is_started_and_what_the_next_up_waits_for_is_said(health: str, said: bool) -> None:
    box = {"status": "exited", "exit_code": 0, "started_at": NOW - 900, "finished_at": NOW - 60, "pid": 0,
           "labels": (("com.docker.compose.depends_on", "store:service_healthy:false"),)}
    made = container_service(pid=None, box=box, log=log_lines())
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.with_service(container_service("store", 6379, box={"health": health}, is_app_server=False, pid=31, bindings=Known(())))
    (one,) = [f for f in diagnose(scene.snapshot()).findings if f.cause == "backend-down"]
    assert [r.risk for r in one.repairs] == ["safe"]
    assert any("next docker compose up will not start it: it waits for store" in d for d in one.detail) is said


@pytest.mark.parametrize("scene", [held_back(health="healthy"), held_back("service_started"), held_back(label="x")])
def test_a_container_that_nothing_holds_back_is_only_stopped(scene: Scene) -> None:
    assert roots(diagnose(scene.snapshot())) == ["backend-down"]


WARM = "warm.service"


@pytest.mark.parametrize(("awaited", "repairs"), [
    ((BlockingUnit(WARM, NOW - 5),), ["wait-for-start", "end-wait"]),
    ((BlockingUnit(WARM, NOW - 5), BlockingUnit("net.service", NOW - 90)), ["end-wait"]),
    ((BlockingUnit(WARM, 0.0),), ["end-wait"]),           # since when is not known: it may be for ever
])
def test_only_what_is_young_is_waited_for(awaited: tuple[BlockingUnit, ...], repairs: list[str]) -> None:
    found = finding_of(told(*awaited), "slow-start")
    assert [repair.id for repair in found.repairs] == repairs
    assert found.repairs[0].waits == (len(repairs) == 2)


def test_of_a_host_that_is_well_nothing_is_said() -> None:
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), "slow-start"), RuledOut)
