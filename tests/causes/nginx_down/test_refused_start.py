"""nginx-down, containers: an nginx that may not do what it does first, and a master whose workers all ended."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from tests.causes.snapshot_builders import Scene, container_service, finding_of, log_lines, roots

DOWN = "nginx-down"
EMERG = "2026/11/27 12:13:10 [emerg] 1#1: "


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
    assert "its container denies a call" in found.summary
    assert found.repairs[0].risk == "manual" and todo in found.repairs[0].manual


@pytest.mark.parametrize("scene", [
    ended("still could not bind()"), ended('open() "/run/nginx.pid" failed (13: Permission denied)', exit_code=0),
    ended('open() "/etc/nginx/x" failed (13: Permission denied)', mtime=2e9),      # changed since
])
def test_other_ends_are_told_as_before(scene: Scene) -> None:
    assert "its container denies a call" not in finding_of(diagnose(scene.snapshot()), DOWN).summary
