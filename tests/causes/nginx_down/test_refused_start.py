"""nginx-down, containers: an nginx that may not do what it does first, and a master whose workers all ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known, Unknown
from tests.causes.snapshot_builders import (
    GOOD,
    SLOW,
    Scene,
    container_service,
    finding_of,
    healthy_scene,
    log_lines,
    roots,
)

DOWN = "nginx-down"
EMERG = "2026/11/27 12:13:10 [emerg] 1#1: "
SETGID = "setgid(33) failed (1: Operation not permitted)"


def ended(said: str, *, user: str = "", mtime: float | None = None, **box: object) -> Scene:
    web = container_service("web", 80, pid=None, is_app_server=False, log=log_lines(EMERG + said),
                box={"status": "exited", "exit_code": 1, "user": user, **box})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service())
    scene.listeners[:] = [line for line in scene.listeners if line.node != "web"]
    scene.services.append(web)
    scene.nginx.update({"service": web, "master_pid": None, "worker_pids": (), "test": Unknown("not running"),
                        **({} if mtime is None else {"config_mtime": Known(mtime)})})
    scene.processes.clear()
    return scene


@pytest.mark.parametrize(("said", "user", "todo"), [
    ('open() "/run/nginx.pid" failed (13: Permission denied)', "33:33", "account 33:33 may not use /run/nginx.pid"),
    ('cannot load certificate key "/tls/k": BIO_new_file() failed (SSL: error:8000000D:system library::Permission denied: '
     'fopen(/tls/k, r)) (13: Permission denied)', "101", "account 101 may not use /tls/k"),
    ("bind() to 0.0.0.0:80 failed (13: Permission denied)", "101", "a port above 1023"),
    ('chown("/var/lib/nginx/body", 33) failed (1: Operation not permitted)', "", "cap_add"),
])
def test_what_it_may_not_do_is_not_tried_again(said: str, user: str, todo: str) -> None:
    """The start was tried in vain: the engine would let it end there again."""
    diagnosis = diagnose(ended(said, user=user).snapshot())
    assert roots(diagnosis) == [DOWN]
    found = finding_of(diagnosis, DOWN)
    assert "it may not, in its container" in found.summary
    assert found.repairs[0].risk == "manual" and todo in found.repairs[0].manual


@pytest.mark.parametrize("scene", [
    ended("still could not bind()"), ended('open() "/run/nginx.pid" failed (13: Permission denied)', exit_code=0),
    ended('open() "/etc/nginx/x" failed (13: Permission denied)', mtime=2e9),      # changed since
])
def test_other_ends_are_told_as_before(scene: Scene) -> None:
    assert "it may not" not in finding_of(diagnose(scene.snapshot()), DOWN).summary


def alone(*said: str, workers: tuple[int, ...] = ()) -> Scene:
    scene = healthy_scene().answers(SLOW)
    for text in said:
        scene.logs(text, None, "", ago=30.0)
    levels = ["alert" if text.startswith("worker process") else "emerg" for text in said]
    scene.events = [replace(event, level=level) for event, level in zip(scene.events, levels, strict=True)]
    scene.nginx["worker_pids"] = workers
    return scene


def lost(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [DOWN] and diagnosis.verdict == "broken"
    return finding_of(diagnosis, DOWN)


GIVEN_UP = "worker process 7 exited with fatal code 2 and cannot be respawned"


def test_a_master_whose_workers_all_ended_serves_nobody() -> None:
    found = lost(alone(SETGID, GIVEN_UP))
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("worker-crash", "certain", "manual")
    assert SETGID in found.summary and "cap_add" in found.repairs[0].manual
    assert lost(alone(GIVEN_UP)).confidence == "likely"
    assert "epoll" in lost(alone("epoll_create() failed (38: Function not implemented)", GIVEN_UP)).repairs[0].manual


def test_workers_that_are_there_or_pages_that_answer() -> None:
    for scene in (alone(SETGID, GIVEN_UP, workers=(101,)), alone(SETGID, GIVEN_UP).answers(GOOD)):
        assert DOWN not in roots(diagnose(scene.snapshot()))
