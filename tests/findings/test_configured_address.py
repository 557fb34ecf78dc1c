"""A service that cannot be connected to now, and an address of nginx that is wrong besides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.findings.configured_address import differing_part
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import Endpoint, Service
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    REFUSED,
    Scene,
    binding,
    causes_of,
    container_service,
    finding_of,
    listener,
    log_lines,
    roots,
    service,
)
from tests.causes.unix_socket_missing.unix_socket_missing_builders import scene as socket_scene
from tests.causes.unix_socket_missing.unix_socket_missing_builders import socket, told

NO_FILE = log_lines("Traceback (most recent call last):", '  File "/srv/app.py", line 1, in <module>',
                    "FileNotFoundError: [Errno 2] No such file or directory: '/srv/prices.json'")
AGAIN = {"n_restarts": 8, "active_enter": NOW - 1, "restart": "always"}      # systemd started it a second ago
RUNS = {"status": "running", "restart_count": 8, "restart_policy": "always", "started_at": NOW - 1}
BETWEEN = {**RUNS, "status": "restarting", "exit_code": 3}


def paused(asked: str, host: str, port: int) -> Diagnosis:
    """A paused container in nginx's own network namespace, configured to listen at host:port."""
    told = Known((replace(binding(port), host=host),))
    made = replace(container_service("app", port, pid=None, bindings=told, box={"status": "paused"}), node="local")
    scene = Scene(asked).with_service(made).endpoint(
        tcp=Known(REFUSED), http=Known(REFUSED), listener=Known(None), listening_service=None, configured_service=made.id)
    return diagnose(scene.answers(BAD_GATEWAY).snapshot())


@pytest.mark.parametrize(("asked", "cause"), [
    ("127.0.0.2:8000", "wrong-bind-address"), ("127.0.0.1:8001", "wrong-port"),
])
def test_an_address_that_stays_wrong_when_a_paused_container_goes_on_is_met_first(asked: str, cause: str) -> None:
    """Requests are refused, as no paused program refuses them."""
    diagnosis = paused(asked, "127.0.0.1", 8000)
    assert roots(diagnosis) == [cause, "backend-hung"]
    found = finding_of(diagnosis, cause)
    assert found.confidence == "likely" and found.repairs[0].risk == "manual"
    assert found.repairs[0].manual.startswith("first unpause p-app-1 (backend-hung): when p-app-1 listens on ")


def test_a_paused_container_at_the_asked_address_is_all() -> None:
    assert causes_of(paused("127.0.0.1:8000", "127.0.0.1", 8000)) == ["backend-hung"]


@pytest.mark.parametrize(("host", "port", "unix", "part"), [
    ("127.0.0.1", 8000, None, ""), ("0.0.0.0", 8000, None, ""), ("127.0.0.2", 8000, None, "host"),
    ("10.0.0.7", 8000, None, ""),       # it may be another name of the address
    ("127.0.0.1", 8001, None, "port"), ("127.0.0.2", 8001, None, "port"), ("", 0, "/run/a.sock", "path"),
])
def test_what_keeps_a_connection_from_arriving(host: str, port: int, unix: str | None, part: str) -> None:
    asked: Endpoint = Scene("127.0.0.1:8000").snapshot().endpoints[0]
    assert differing_part(replace(binding(port), host=host, unix=unix), asked) == part
    assert differing_part(replace(binding(0), unix="/run/a.sock"), replace(asked, unix="/run/b.sock")) == "path"


def in_container(made: Service, *held: int, asked: int = 8001, host: str = "0.0.0.0") -> Scene:
    """A container whose worker needs a file, and the ports at which its parent is seen to listen."""
    scene = Scene(f"app:{asked}", node="web", back="app")
    scene.with_service(replace(made, log=NO_FILE), *(listener(port, 7, host, "app") for port in held))
    return scene.endpoint(addresses=Known(("172.18.0.2",))).refused()


def vanished(made: Service, **changes: int) -> Scene:
    """Between two runs of the container its name leads nowhere, so no connect was made."""
    gone = Unknown("app: no such name")
    return in_container(made, **changes).endpoint(tcp=gone, http=gone, listener=gone, addresses=gone)


@pytest.mark.parametrize(("seen", "confidence"), [
    (in_container(container_service(box=RUNS), 8000), "certain"),        # its parent listens before its workers load
    (in_container(container_service(box=RUNS)), "likely"),
    (in_container(container_service(pid=None, box=BETWEEN)), "likely"),
    (vanished(container_service(pid=None, box=BETWEEN)), "likely"),
])
def test_the_wrong_port_of_a_container_that_ends_again_and_again_is_met_first_at_every_moment(
    seen: Scene, confidence: str,
) -> None:
    diagnosis = diagnose(seen.snapshot())
    assert roots(diagnosis) == ["wrong-port", "crash-file-access"]
    assert finding_of(diagnosis, "wrong-port").confidence == confidence


def test_without_a_connect_only_one_that_ends_again_and_again_is_judged_by_its_files() -> None:
    """A start of a stopped container changes what nginx meets: its address is nobody's until then."""
    stopped = container_service(pid=None, box={"status": "exited"})
    assert roots(diagnose(vanished(stopped).snapshot())) == ["backend-down"]
    ended = container_service(pid=None, box=BETWEEN)
    assert roots(diagnose(vanished(ended, asked=8000).snapshot())) == ["crash-file-access"]


def test_a_socket_at_another_path_and_address_is_met_first_too() -> None:
    found = diagnose(socket_scene(told(unit_changes=AGAIN, log=NO_FILE), socket()).snapshot())
    assert roots(found) == ["unix-socket-missing", "crash-file-access"]
    made = service(unit_changes=AGAIN, log=NO_FILE, bindings=Known((replace(binding(8000), host="127.0.0.2"),)))
    scene = Scene("127.0.0.1:8000").with_service(made, listener(8000, 200, "127.0.0.2")).refused()
    assert roots(diagnose(scene.snapshot())) == ["wrong-bind-address", "crash-file-access"]


def test_a_socket_alone_does_not_put_the_address_before_the_crash() -> None:
    """Its files name nginx's port, or are unknown: it may end before it listens there. No address of nginx reaches the
    loopback of another container."""
    box = container_service(port=8001, box=RUNS)
    for made in (box, replace(box, bindings=Unknown("its command is inside the image"))):
        assert roots(diagnose(in_container(made, 9100).snapshot())) == ["crash-file-access", "wrong-port"]
    within = container_service(box=RUNS, bindings=Known((binding(8000),)))
    scene = in_container(within, 8000, asked=8000, host="127.0.0.1")
    assert roots(diagnose(scene.snapshot())) == ["crash-file-access", "wrong-bind-address"]
