"""Containers that share one network, as in a pod: nginx's 127.0.0.1 is the application's too."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose import diagnose
from fixer.model.facts import Known
from tests.causes.building import GOOD, NOW, Scene, boxed, finding_of, listener, log, roots

GUEST = "container:" + "pod" * 4


def pod(*, asked: int = 8001, held: int | None = 8000, told: int = 8000, at: str = "127.0.0.1", app: dict[str, Any] | None = None,
        mode: str = GUEST, **service: Any) -> Scene:
    """nginx lends its network (`pod`), the application is in it."""
    scene = Scene(f"127.0.0.1:{asked}", node="pod", back="pod").refused(service=None)
    box = {"network_mode": mode, "networks": (), "started_at": NOW - 300, **(app or {})}
    scene.with_service(boxed("app", told, box=box, **service), *([listener(held, 7, at, "app")] if held else []))
    scene.nginx["service"] = boxed("pod", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()))
    scene.services.append(scene.nginx["service"])
    return scene


def test_another_port_of_its_own_network() -> None:
    diagnosis = diagnose(pod().snapshot())
    assert roots(diagnosis) == ["wrong-port"]
    found = finding_of(diagnosis, "wrong-port")
    assert found.service == "p-app-1" and "127.0.0.1:8000" in found.summary
    assert found.repairs[0].id == "point-route-at-listener"


def test_one_that_another_route_asks_is_not_meant() -> None:
    """Its socket is seen without a holder in nginx's container: the port that it is told says whose it is."""
    scene = Scene("127.0.0.1:8001", "127.0.0.1:9000", node="pod", back="pod").refused(service=None)
    for name, port, pid in (("app", 8000, 7), ("desk", 9000, 8)):
        box = {"network_mode": GUEST, "networks": (), "started_at": NOW - 300}
        scene.with_service(boxed(name, port, pid=pid, box=box), listener(port, pid, "127.0.0.1", name))
    scene.listeners.append(listener(9000, None, "127.0.0.1", "pod"))
    scene.endpoint(1, service=None, holder=None).answers(GOOD, route=1)
    scene.nginx["service"] = boxed("pod", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()))
    scene.services.append(scene.nginx["service"])
    found = finding_of(diagnose(scene.snapshot()), "wrong-port")
    assert found.service == "p-app-1" and not found.repairs[0].needs


def test_one_that_failed_is_found_by_the_port_that_it_is_told() -> None:
    words = log("Traceback (most recent call last):", '  File "/srv/app.py", line 1, in <module>', "ModuleNotFoundError: No module named 'shop'")
    scene = pod(asked=8000, held=None, pid=None, log=words, app={"status": "exited", "exit_code": 1, "finished_at": NOW - 5})
    assert roots(diagnose(scene.snapshot())) == ["crash-code-error"]
    stopped = pod(asked=8000, held=None, pid=None, log=Known(()), app={"status": "exited", "exit_code": 0})
    assert roots(diagnose(stopped.snapshot())) == ["backend-down"]


@pytest.mark.parametrize("mode", ["p_default", "container:" + "other" * 4])
def test_miss_of_another_network(mode: str) -> None:
    assert "wrong-port" not in roots(diagnose(pod(mode=mode).snapshot()))


def test_a_socket_of_another_address_there_is_where_nginx_is_pointed() -> None:
    found = finding_of(diagnose(pod(asked=8000, at="::1").snapshot()), "wrong-bind-address")
    assert found.repairs[0].id == "point-route-at-socket"
