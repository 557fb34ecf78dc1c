"""unix-socket-missing between containers: the application's socket lies in a folder that nginx has under another path."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ComposeUp
from fixer.model.snapshot import LogLine
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    binding,
    container_service,
    file,
    finding_of,
    listener,
    probe,
    roots,
)
from tests.causes.unix_socket_missing.unix_socket_missing_builders import ASKED, socket, told

CAUSE = "unix-socket-missing"
VOLUME = "/var/lib/docker/volumes/socks/_data"


def apart(*others: tuple[str, str], asked: str = "/run/g/app.sock", own: str = "/sockets/web.sock", web: Any = ((VOLUME, "/run/g"),),
          app: Any = ((VOLUME, "/sockets"),), pid: int | None = 7) -> Scene:
    text = f"server {{\n    listen 80;\n    location / {{ proxy_pass http://unix:{asked}; }}\n}}\n"
    scene = Scene(node="web", back="web")
    for name, path in (("app", own), *others):
        told = (replace(binding(0), host="", unix=path),)
        made = container_service(name, pid=pid, bindings=Known(told), box={"shares": app})
        scene.with_service(made, replace(listener(1, pid, node=name), family="unix", address=path, port=0))
    scene.nginx["service"] = container_service("web", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()), box={"shares": web})
    scene.services.append(scene.nginx["service"])
    at = text.index(asked)
    scene.files = [file("/etc/nginx/sites-enabled/shop", text, node="web")]
    return scene.refused(unix=asked, host="", port=0, written=asked, configured_service=None, start=at, end=at + len(asked), line=3,
                         addresses=Known(()))


def found_in(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)


@pytest.mark.parametrize(("own", "seen"), [
    ("/sockets/web.sock", "/run/g/web.sock"), ("/sockets/v2/app.sock", "/run/g/v2/app.sock"),
])
def test_hit_another_name_in_the_volume(own: str, seen: str) -> None:
    found = found_in(apart(own=own))
    assert found.confidence == "certain" and f"which nginx sees as {seen}" in found.summary
    assert found.repairs[0].id == "point-route-at-socket" and seen in (found.repairs[0].summary + found.repairs[0].manual)


def test_hit_the_volume_is_mounted_elsewhere() -> None:
    assert "which nginx sees as /srv/x/web.sock" in found_in(apart(web=((VOLUME, "/srv/x"),))).summary


def test_several_are_a_choice() -> None:
    found = found_in(apart(("desk", "/sockets/desk.sock")))
    assert found.confidence == "possible" and found.repairs[0].needs[0].choices == ("/run/g/web.sock", "/run/g/desk.sock")


@pytest.mark.parametrize(("app", "words"), [
    (((VOLUME, "/run/g"),), "in a folder that p-web-1 does not share"), ((), "in the writable layer of its own container"),
])
def test_a_folder_that_only_one_has_is_said(app: Any, words: str) -> None:
    found = found_in(apart(web=(), app=app, own="/run/g/app.sock"))
    assert words in found.summary and found.repairs[0].risk == "manual"
    assert not any(isinstance(step, ComposeUp) for step in found.repairs[0].steps)


def test_miss_nobody_has_a_socket() -> None:
    scene = apart()
    scene.listeners.pop()
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    scene = apart()
    scene.services[0] = replace(scene.services[0], bindings=Known(()))
    assert CAUSE not in roots(diagnose(scene.snapshot()))


@pytest.mark.parametrize(("pids", "expected"), [(Known((200,)), True), (Unknown("no right"), True), (Known((999,)), False)])
def test_a_socket_in_a_folder_that_two_containers_share(pids: object, expected: bool) -> None:
    held = replace(socket(ASKED), node="app", pids=pids)
    made = container_service("app", pid=200, bindings=told(ASKED).bindings)
    gone = {"listener": Known(held), "tcp": Known(probe(error="no-socket")), "http": Known(probe(error="no-socket"))}
    page = Scene(node="web", back="app").with_service(made, held).refused(unix=ASKED, host="", port=0, written=ASKED)
    diagnosis = diagnose(page.endpoint(**gone).snapshot())
    assert (CAUSE in roots(diagnosis)) is expected


def test_miss_the_very_socket_that_came_a_moment_after_the_connect() -> None:
    """A program that ends again and again listens for a moment: its socket is at no other path."""
    held = replace(socket(ASKED), node="app", pids=Known((200,)))
    made = container_service("app", pid=200, bindings=told(ASKED).bindings, box={"restart_count": 8, "started_at": NOW - 1})
    gone = {"tcp": Known(probe(error="no-socket")), "http": Known(probe(error="no-socket")), "node": "web"}
    page = Scene(node="web", back="app").with_service(made, held).refused(unix=ASKED, host="", port=0, written=ASKED)
    assert CAUSE not in roots(diagnose(page.endpoint(**gone).snapshot()))


CRASHED: dict[str, Any] = {"status": "restarting", "restart_count": 6, "exit_code": 1, "pid": 0}


def ended(scene: Scene, *lines: str, **box: Any) -> Scene:
    """The application of the scene ends again and again; its last run wrote these lines."""
    made = scene.services[0]
    assert made.container is not None
    scene.services[0] = replace(
        made, pids=(), container=replace(made.container, **{**CRASHED, **box}),
        log=Known(tuple(LogLine(NOW - 5, line, "docker logs p-app-1") for line in lines)))
    scene.listeners.pop()
    return scene


NO_MODULE = ("Traceback (most recent call last):", '  File "/srv/app/main.py", line 3, in <module>', "    import lines",
             "ModuleNotFoundError: No module named 'lines'")


@pytest.mark.parametrize(("own", "seen"), [("/sockets/web.sock", "/run/g/web.sock"), ("/sockets/v2/app.sock", "/run/g/v2/app.sock")])
def test_what_ends_again_and_again_still_owns_the_folder(own: str, seen: str) -> None:
    diagnosis = diagnose(ended(apart(own=own), *NO_MODULE).snapshot())
    assert roots(diagnosis) == [CAUSE, "crash-code-error"]
    found = finding_of(diagnosis, CAUSE)
    assert found.confidence == "likely" and f"listen on unix:{own}, which nginx sees as {seen}" in found.summary
    assert f"unix:{seen}" in found.repairs[0].manual and found.repairs[0].risk == "manual"


def test_what_was_never_started_owns_the_folder() -> None:
    error = "unable to find user shop: no matching entries in passwd file"
    scene = ended(apart(), status="created", restart_count=0, exit_code=126, error=error, started_at=0.0)
    assert {CAUSE, "unit-misconfigured"} <= set(roots(diagnose(scene.snapshot())))


@pytest.mark.parametrize("change", [
    {"app": (("/var/lib/docker/volumes/other/_data", "/sockets"),)},          # another folder
    {"own": "/tmp/web.sock"},                                                 # in its own layer
    {"web": (), "app": ()},
])
def test_a_folder_that_nginx_does_not_see_makes_no_owner(change: Any) -> None:
    assert roots(diagnose(ended(apart(**change), *NO_MODULE).snapshot())) == []


def test_of_two_that_are_down_an_operator_chooses() -> None:
    scene = ended(ended(apart(("desk", "/sockets/desk.sock"))), *NO_MODULE)
    other = scene.services[1]
    assert other.container is not None
    scene.services[1] = replace(other, pids=(), container=replace(other.container, **CRASHED))
    assert roots(diagnose(scene.snapshot())) == []
