"""nginx's container that Compose made and never started, since it waits for another one to be well."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known
from tests.causes.snapshot_builders import NOW, REFUSED, Scene, container_service, finding_of, listener

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
    assert "never started, Compose waits for app" in found.summary and [r.risk for r in found.repairs] == ["manual"]


def test_one_that_nothing_holds_back_or_that_has_run_is_started() -> None:
    assert [r.risk for r in down("healthy").repairs] == ["safe"]
    found = down("unhealthy", ran=True)
    assert [r.risk for r in found.repairs] == ["safe"] and "next docker compose up will not start it" in found.detail[0]
