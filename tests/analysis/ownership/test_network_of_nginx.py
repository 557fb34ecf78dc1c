"""A container that shares the network of nginx's own: what nginx asks of itself is asked of it."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.snapshot import Service
from tests.causes.snapshot_builders import NOW, Scene, container_service, finding_of, roots

WEB = container_service("web", 80, is_app_server=False, runtime="", gateway="nginx")
DEAD = {"status": "exited", "pid": 0, "finished_at": NOW - 60, "networks": ()}


def scene(mode: str, port: int = 8000) -> Scene:
    app: Service = container_service("app", port, pid=None, box={**DEAD, "network_mode": mode})
    made = Scene("127.0.0.1:8000", node="web", back="web").with_service(app).refused(configured_service=None)
    made.services.append(replace(WEB, pids=()))
    return made


def test_the_one_that_was_put_into_its_network_and_is_told_that_port() -> None:
    assert WEB.container is not None
    diagnosis = diagnose(scene(f"container:{WEB.container.id}").snapshot())
    assert roots(diagnosis) == ["backend-down"] and finding_of(diagnosis, "backend-down").service == "p-app-1"


def test_others_are_none_of_its() -> None:
    assert WEB.container is not None
    for other in (scene("p_default"), scene("container:abc"), scene(f"container:{WEB.container.id}", 9000)):
        assert "backend-down" not in roots(diagnose(other.snapshot()))
