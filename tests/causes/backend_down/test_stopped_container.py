"""Tests of fixer/causes/backend_down/stopped_container.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ABSENT, ComposeUp, WaitForListener
from fixer.model.snapshot import Compose, UncreatedService
from fixer.model.target import TargetRef
from fixer.redaction.masked_steps import step_from_json, step_to_json
from tests.causes import snapshot_builders
from tests.causes.backend_down.backend_down_builders import boxes, verbs
from tests.causes.nginx_down.nginx_down_builders import no_nginx
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    REFUSED,
    SLOW,
    Scene,
    causes_of,
    container_service,
    finding_of,
    listener,
    log_lines,
    probe,
    roots,
)

CAUSE = "backend-down"


@pytest.mark.parametrize("code", [0, 143])
def test_a_stopped_container_is_started_by_name(code: int) -> None:
    scene = boxes(exit_code=code)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (found.variant, found.confidence) == ("container-stopped", "certain") and verbs(scene) == ["start"]


def test_an_answer_by_the_old_name_of_a_stopped_container_is_somebody_elses() -> None:
    """nginx keeps the address it looked up, which another container has by now."""
    gone = boxes().endpoint(configured_service="app/p-app-1").answers(probe(404, body="not here"))
    diagnosis = diagnose(gone.snapshot())
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "degraded")
    between = boxes(status="restarting").endpoint(
        configured_service="app/p-app-1", addresses=Known(("172.18.0.9",)), tcp=Known(REFUSED),
        listener=Unknown("no process of it"))
    assert diagnose(between.answers(probe(404)).snapshot()).verdict == "degraded", "it had an address a moment ago"
    runs = boxes(status="running", pid=7)
    runs.services[0] = container_service()
    assert causes_of(diagnose(runs.endpoint(configured_service="app/p-app-1").answers(probe(404)).snapshot())) == []


def test_a_container_that_is_started_is_waited_for_where_it_was_made_to_listen() -> None:
    """Its files may name another port since (a changed .env): that is what the next `up` makes of it, no start."""
    made = container_service(box={"status": "exited", "pid": 0, "finished_at": NOW - 60}, pid=None,
                 bindings=Known((snapshot_builders.binding(9000), snapshot_builders.binding(8000))))
    scene = boxes()
    scene.services[0] = made
    wait = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].steps[-1]
    assert isinstance(wait, WaitForListener) and wait.port == 8000
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert any("9000" in line and "up" in line for line in found.detail)
    scene.services[0] = replace(made, bindings=Known((snapshot_builders.binding(8000),)))
    assert not any("up" in line for line in finding_of(diagnose(scene.snapshot()), CAUSE).detail)


def test_a_container_that_was_slow_to_go_was_stopped_not_killed() -> None:
    scene = boxes(exit_code=137)
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    scene.services[0] = container_service(box={"status": "exited", "pid": 0, "exit_code": 137}, pid=None,
                              log=log_lines("INFO:     Shutting down", ago=30), )
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_a_stopped_container_is_gone_even_if_its_probe_was_slow() -> None:
    scene = boxes(exit_code=0).endpoint(tcp=Known(SLOW), listener=Unknown("container does not run"))
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_all_stopped_copies_of_a_service_are_started_at_once() -> None:
    box = {"status": "exited", "service": "app"}
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(pid=None, box=box))
    scene.with_service(replace(container_service("app2", pid=None, box=box), name=container_service().name)).refused()
    assert verbs(scene) == ["start", "start"]


@pytest.mark.parametrize("code", [0, 137])
def test_a_task_of_a_swarm_is_started_by_nobody_but_the_swarm(code: int) -> None:
    """It makes another container in the place of one that ended; one that is started by hand gets no visitors."""
    box = {"status": "exited", "exit_code": code, "labels": (("com.docker.swarm.service.name", "shop_api"),)}
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(pid=None, box=box)).refused()
    (repair,) = diagnose(scene.snapshot()).findings[0].repairs
    assert repair.risk == "manual" and "docker service update --force shop_api" in repair.manual


GONE = UncreatedService("app", ("app", "runner"), Evidence("file", "/srv/compose.yaml:7", "service app"))


def without_a_container(host: str = "app", **changes: Any) -> Scene:
    scene = Scene(f"{host}:8000", node="web", back="web").answers(SLOW)
    scene.endpoint(node=None, listener=Unknown("nowhere"), tcp=Unknown("not asked"), http=Unknown("not asked"), configured_service=None,
                   listening_service=None, addresses=Known(()))
    compose = Compose("p", "/srv", ("/srv/compose.yaml",), (), (), Known(True), (GONE,))
    scene.extra = {"compose": replace(compose, **changes), "target": TargetRef("compose", "p")}
    return scene


def test_what_a_profile_leaves_out_is_for_a_person_to_turn_on() -> None:
    scene = without_a_container(uncreated=(replace(GONE, profiles=("night",)),))
    (repair,) = finding_of(diagnose(scene.snapshot()), CAUSE).repairs
    assert repair.risk == "manual" and "docker compose --profile night up -d --no-deps app" in repair.manual


@pytest.mark.parametrize("host", ["app", "runner"])
def test_hit_a_service_of_the_project_that_has_no_container(host: str) -> None:
    diagnosis = diagnose(without_a_container(host).snapshot())
    assert roots(diagnosis) == [CAUSE]
    (repair,) = diagnosis.findings[0].repairs
    (step,) = repair.steps
    assert isinstance(step, ComposeUp) and (step.service, step.was, repair.risk) == ("app", ABSENT, "disruptive")
    assert step_from_json(step_to_json(step)) == step


def test_a_service_whose_files_are_gone_is_created_by_hand() -> None:
    scene = without_a_container(editable=Unknown("/srv/compose.yaml: absent"))
    (repair,) = diagnose(scene.snapshot()).findings[0].repairs
    assert repair.risk == "manual" and "docker compose up -d --no-deps app" in repair.manual


def test_files_that_compose_does_not_take_are_told_with_its_words() -> None:
    said = "docker compose does not take them: env file /srv/app.env not found"
    found = diagnose(without_a_container(editable=Unknown(said)).snapshot()).findings[0]
    assert said in found.detail and said in found.repairs[0].manual and not found.repairs[0].steps


def test_miss_another_name_has_nothing_to_do_with_a_service_without_a_container() -> None:
    assert CAUSE not in roots(diagnose(without_a_container("elsewhere").snapshot()))


@pytest.mark.parametrize(("command", "port", "dropped", "at", "renamed"), [
    (("uvicorn", "a:b"), 8000, ("app",), "0.0.0.0", True), (("python3", "job.py"), 8000, ("app",), "0.0.0.0", False),
    (("uvicorn", "a:b"), 8009, ("app",), "0.0.0.0", False), (("uvicorn", "a:b"), 8000, (), "0.0.0.0", False),
    (("uvicorn", "a:b"), 8000, ("app",), "127.0.0.1", False), (("uvicorn", "a:b"), 8000, ("app",), "::1", False),
    (("uvicorn", "a:b"), 8000, ("app",), "::ffff:127.0.0.1", False),
])
def test_a_service_that_was_renamed_in_its_files(command: tuple[str, ...], port: int, dropped: tuple[str, ...], at: str,
                                                 renamed: bool) -> None:
    """Its old container is left over, and stopped: the new one is what nginx is to ask for."""
    old = container_service(pid=None, box={"status": "exited", "argv": ("uvicorn", "a:b")})
    new = container_service("shop", port, box={"argv": command, "networks": (("p_default", "172.18.0.7", ("shop",)),)})
    web = container_service("web", 80, pid=100, is_app_server=False, box={"mounts": (("/srv/conf", "/etc/nginx", True),)})
    scene = Scene("app:8000", node="web", back="app").with_service(old).with_service(new, listener(port, 7, at, "shop"))
    scene.with_service(web).refused(configured_service=old.id)
    scene.nginx["service"] = web
    compose = Compose("p", "/srv", ("/srv/compose.yaml",), (), (), Known(True), (), dropped)
    scene.extra = {"compose": compose, "target": TargetRef("compose", "p")}
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert any("no longer defines app" in text for text in found.detail) is bool(dropped)
    assert ("its files now define shop instead" in found.summary) is renamed
    assert [r.id for r in found.repairs] == (["name-address"] if renamed else ["start-service"])


@pytest.mark.parametrize(("shares", "hit"), [
    ((("/srv/run", "/run/app"),), True), ((("/srv/run", "/run"), ("/srv/run", "/run/app")), True),
    ((("/srv/other", "/run/app"),), False), ((), False),
])
def test_hit_a_service_without_a_container_whose_socket_nginx_asks(shares: tuple[tuple[str, str], ...], hit: bool) -> None:
    scene = without_a_container("web", uncreated=(replace(GONE, sockets=("/srv/run/s.sock",)),))
    scene.with_service(container_service("web", 80, pid=None, is_app_server=False, argv=("nginx",), box={"shares": shares}))
    scene.answers(BAD_GATEWAY).endpoint(unix="/run/app/s.sock", host="", port=0, tcp=Known(REFUSED), http=Known(REFUSED))
    assert (CAUSE in roots(diagnose(scene.snapshot()))) is hit


def test_the_end_of_nginxs_container_took_no_other_container_away() -> None:
    scene = no_nginx(test=Unknown("not running"))
    scene.nginx["service"] = web = container_service(
        "web", 80, pid=None, is_app_server=False, argv=("nginx",), box={"shares": (("/srv/run", "/run/app"),), "status": "exited"})
    scene.services = [web]
    scene.endpoint(unix="/run/app/s.sock", host="", port=0, node=None, tcp=Known(REFUSED), http=Known(REFUSED), configured_service=None,
                   listening_service=None, listener=Known(None))
    compose = Compose("p", "/srv", ("/srv/compose.yaml",), (), (), Known(True), (replace(GONE, sockets=("/srv/run/s.sock",)),))
    scene.extra = {"compose": compose, "target": TargetRef("compose", "p")}
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["nginx-down", CAUSE] and finding_of(diagnosis, CAUSE).node == "engine"


@pytest.mark.parametrize(("guest", "port", "hit"), [("web", 8000, "certain"), ("web", 9000, "likely"), ("", 8000, ""), ("other", 8000, "")])
def test_hit_a_service_without_a_container_that_would_share_nginxs_network(guest: str, port: int, hit: str) -> None:
    scene = without_a_container("127.0.0.1", uncreated=(replace(GONE, guest_of=guest, ports=(port,)),))
    scene.with_service(container_service("web", 80, pid=None, is_app_server=False, argv=("nginx",), box={"service": "web"}))
    scene.answers(BAD_GATEWAY).endpoint(tcp=Known(REFUSED), http=Known(REFUSED), addresses=Known(("127.0.0.1",)))
    told = [f.confidence for f in diagnose(scene.snapshot()).findings if "service app of project p has no container" in f.summary]
    assert told == ([hit] if hit else [])
