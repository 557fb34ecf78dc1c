"""Tests of fixer/causes/backend_down/unclaimed_address.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Undetermined
from fixer.model.facts import Known
from tests.causes.snapshot_builders import (
    Scene,
    container_service,
    finding_of,
    listener,
    process,
    service,
    stopped_service,
    verdict_of,
    wrong_port_scene,
)

CAUSE = "backend-down"


def test_no_application_server_at_all_is_for_a_person() -> None:
    diagnosis = diagnose(Scene().refused().snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert found.repairs[0].risk == "manual" and found.confidence == "likely"
    scene = Scene().refused()
    scene.node_changes["local"] = {"root": False}
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def test_another_sites_stopped_service_is_not_this_routes_cause() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").with_service(service(), listener(8000, 200))
    scene.with_service(stopped_service("admin.service", 9000)).refused(1)
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded" and diagnosis.findings[0].routes == ("r2",)


def test_unknown_in_nginxs_own_container_no_application_is_expected() -> None:
    scene = Scene("127.0.0.1:8000", node="web", back="web").refused(configured_service=None)
    scene.with_service(container_service(pid=None, box={"status": "exited"}))
    scene.node_changes = {"web": {"kind": "container"}}
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


@pytest.mark.parametrize("mode", ["host", "p_default"])
def test_of_the_docker_hosts_own_programs_nothing_is_said_from_within_a_container(mode: str) -> None:
    web = container_service("web", 80, pid=100, is_app_server=False, box={"network_mode": mode})
    scene = Scene("127.0.0.1:8000", node="web", back="web").with_service(web).refused()
    scene.endpoint(configured_service=None, listening_service=None)
    scene.nginx["service"] = web
    scene.node_changes["web"] = {"kind": "container", "root": True}
    found = [f for f in diagnose(scene.snapshot()).findings if f.cause == CAUSE]
    assert [("of the Docker host" in f.summary, "no application server runs" in f.summary) for f in found] == [
        (mode == "host", mode != "host")]


@pytest.mark.parametrize(("state", "way"), [("disabled", "and disabled at boot: if the backend is one of them, run systemctl enable --now"),
                                            ("enabled", "is stopped: if the backend is one of them, run systemctl start")])
def test_what_pm2_would_bring_back_is_named_where_nothing_else_is_known(state: str, way: str) -> None:
    """No file says which ports its programs have: it was said that nothing could be started."""
    argv = ("/usr/lib/node_modules/pm2/bin/pm2", "resurrect")
    unit_ = stopped_service("pm2-web.service", bindings=Known(()), is_app_server=False, argv=argv, runtime="node",
                    unit_changes={"exec_start": argv, "unit_file_state": state})
    scene = Scene().with_service(unit_).refused(configured_service=None)
    (repair,) = finding_of(diagnose(scene.snapshot()), "backend-down").repairs
    assert repair.risk == "manual" and way in repair.manual and "pm2-web.service" in repair.manual
    scene.processes.append(process(77, "PM2 v7.0.4: God Daemon (/root/.pm2)"))
    found = finding_of(diagnose(scene.snapshot()), "backend-down")
    assert "PM2 manages programs on local" in found.summary and "pm2 list" in found.repairs[0].manual


def test_what_a_cut_look_did_not_see_may_be_there() -> None:
    """On a busy host the look was over before all questions were answered: nothing is concluded from what is absent."""
    alone = Scene().refused().snapshot()
    assert isinstance(verdict_of(diagnose(replace(alone, is_cut=True)), CAUSE), Undetermined)
    left = wrong_port_scene()
    assert finding_of(diagnose(left.snapshot()), "wrong-port").confidence != "possible"
    doubted = diagnose(replace(left.snapshot(), is_cut=True))
    assert all(found.confidence == "possible" for found in doubted.findings if found.cause == "wrong-port")
