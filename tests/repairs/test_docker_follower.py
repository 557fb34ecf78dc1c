"""nginx's files that a program writes from Docker's events: the change belongs to what it reads, never to the file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.plan import ComposeUp, WriteFile
from fixer.model.snapshot import Compose, EnvAssignment, EnvSlot
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import NOW, Scene, container_service, file, finding_of, listener, stat
from tests.repairs.docker_follower_project import write_project

NGINX = 100
SOCKET = ("/var/run/docker.sock", "/tmp/docker.sock", False)
VOLUME = "/var/lib/docker/volumes/p_conf/_data"
YAML = "services:\n  app:\n    environment:\n      VIRTUAL_PORT: \"8001\"\n"


def followed(*, writer: str = "gen", variables: tuple[tuple[str, int], ...] = (("VIRTUAL_PORT", 8001),), **box: Any) -> Scene:
    """nginx asks port 8001 of a container that listens at 8000. A program with Docker's socket wrote that file."""
    scene = Scene("app:8001", node="web", back="app")
    app = container_service(env=tuple(EnvAssignment(name, f"/p/compose.yaml:{4 + at}", False)
                                      for at, (name, _) in enumerate(variables)), box={"port_variables": variables})
    scene.with_service(app, listener(8000, 7, "0.0.0.0", "app"))
    scene.endpoint(addresses=Known(("172.18.0.2",))).refused()
    inside, shared = {"mounts": (SOCKET,)}, {"shares": ((VOLUME, "/etc/nginx/sites-enabled"),)}
    web = container_service("web", 80, pid=NGINX, is_app_server=False, box=inside if writer == "web" else shared)
    scene.nginx["service"] = web
    scene.services.append(web)
    if writer == "gen":
        gen = {"mounts": (SOCKET,), "shares": ((VOLUME, "/etc/nginx/conf.d"), SOCKET[:2]), **box}
        scene.services.append(container_service("gen", 1, pid=300, is_app_server=False, box=gen))
    first = scene.files[0]
    scene.files[0] = file(first.path, first.data, "web", stat=stat(mtime=NOW - 60))
    scene.files.append(file("/p/compose.yaml", YAML, "engine"))
    scene.files.append(file(f"{VOLUME}/{first.path.rpartition('/')[2]}", first.data, "engine"))      # the volume was read
    scene.extra["compose"] = Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True), ("web", True)), Known(True))
    scene.extra["target"] = TargetRef("compose", "p")
    return scene


@pytest.mark.parametrize("writer", ["gen", "web"])
def test_the_variable_is_changed_from_which_the_port_comes(writer: str) -> None:
    repair = finding_of(diagnose(followed(writer=writer).snapshot()), "wrong-port").repairs[0]
    write, up = repair.steps[:2]
    assert (repair.id, repair.risk) == ("set-port-variable", "disruptive")
    assert isinstance(write, WriteFile) and (write.node, write.path) == ("engine", "/p/compose.yaml")
    assert write.after == YAML.replace("8001", "8000").encode()
    assert isinstance(up, ComposeUp) and up.service == "app"
    assert "/etc/nginx" not in {getattr(step, "path", "")[:10] for step in repair.steps}


@pytest.mark.parametrize(("changes", "said"), [
    ({"variables": ()}, "follows Docker's events"),                                           # a default of the program
    ({"variables": (("PORT", 8001), ("VIRTUAL_PORT", 8001))}, "follows Docker's events"),     # nobody can tell which
])
def test_without_one_variable_a_person_acts(changes: dict[str, Any], said: str) -> None:
    repair = finding_of(diagnose(followed(**changes).snapshot()), "wrong-port").repairs[0]
    assert (repair.risk, repair.steps) == ("manual", ()) and said in repair.manual


SITE_NAME = "shop.example.org"
BARE = "services:\n  app:\n    environment:\n      VIRTUAL_HOST: shop.example.org\n"
HOSTS = (("VIRTUAL_HOST", (SITE_NAME, "www.example.org")),)


def guessed(hosts: tuple[tuple[str, tuple[str, ...]], ...] = HOSTS, *, env: tuple[str, ...] = ("VIRTUAL_HOST",),
            variables: tuple[tuple[str, int], ...] = (), down: bool = False) -> Scene:
    """The application's container has no variable for its port: the program took another one of several."""
    scene = followed(variables=variables)
    slot = EnvSlot("engine", "/p/compose.yaml", len(BARE) - 1, "\n      {name}: {value}", "yaml-map")
    app = scene.services[0]
    assert app.container is not None
    box = replace(app.container, host_variables=hosts, env_names=env)
    scene.services[0] = replace(app, container=box, env_slots=(slot,), env=() if not variables else app.env)
    scene.files[1] = file("/p/compose.yaml", BARE, "engine")
    scene.route[0] = {"server_names": (SITE_NAME,), **({"upstream": SITE_NAME} if down else {})}
    scene.endpoint(configured_service=scene.services[0].id, **({"down": True} if down else {}))
    return scene


@pytest.mark.parametrize("hosts", [
    HOSTS, (*HOSTS, ("LETSENCRYPT_HOST", (SITE_NAME,))), (*HOSTS, ("DB_HOST", ("db.example.org",))), (("WEB_HOST", (SITE_NAME,)),),
])
def test_the_variable_beside_that_of_the_sites_name_is_added(hosts: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    repair = finding_of(diagnose(guessed(hosts).snapshot()), "wrong-port").repairs[0]
    write, up = repair.steps[:2]
    name = "WEB_PORT" if hosts[0][0] == "WEB_HOST" else "VIRTUAL_PORT"
    assert (repair.id, repair.risk) == ("set-port-variable", "disruptive") and "guessed a port" in repair.summary
    assert isinstance(write, WriteFile) and write.after == BARE.encode() + f'      {name}: "8000"\n'.encode()
    assert isinstance(up, ComposeUp) and up.service == "app"


@pytest.mark.parametrize("scene", [
    guessed(()), guessed((("VIRTUAL_HOST", ("other.example.org",)),)),
    guessed((("A_HOST", (SITE_NAME,)), ("B_HOST", (SITE_NAME,)))), guessed(env=("VIRTUAL_HOST", "VIRTUAL_PORT")),
])
def test_a_variable_that_nothing_shows_is_a_persons(scene: Scene) -> None:
    repair = finding_of(diagnose(scene.snapshot()), "wrong-port").repairs[0]
    assert (repair.risk, repair.steps) == ("manual", ()) and "follows Docker's events" in repair.manual


def test_of_two_variables_with_that_port_the_one_beside_the_name_is_changed() -> None:
    scene = guessed(variables=(("PORT", 8001), ("VIRTUAL_PORT", 8001)), env=("VIRTUAL_HOST", "PORT", "VIRTUAL_PORT"))
    scene.files[1] = file("/p/compose.yaml", "services:\n  app:\n    environment:\n      PORT: 8001\n      VIRTUAL_PORT: 8001\n", "engine")
    write = finding_of(diagnose(scene.snapshot()), "wrong-port").repairs[0].steps[0]
    assert isinstance(write, WriteFile) and (write.after or b"").endswith(b"      PORT: 8001\n      VIRTUAL_PORT: \"8000\"\n")


@pytest.mark.parametrize("hosts", [HOSTS, ()])
def test_a_server_that_such_a_program_marked_down_for_want_of_a_port(hosts: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    scene = guessed(hosts, down=True)
    scene.events.clear()
    scene.logs("no live upstreams", None, "connecting to upstream")
    repair = finding_of(diagnose(scene.snapshot()), "no-live-upstreams").repairs[0]
    assert repair.id == ("set-port-variable" if hosts else "remove-down")


@pytest.mark.parametrize("changes", [
    {"mounts": ()},                                                          # it reads no events
    {"mounts": (SOCKET, (VOLUME, "/etc/nginx/conf.d", False))},              # and this one cannot write
])
def test_without_a_writer_the_file_in_the_volume_is_edited(changes: dict[str, Any]) -> None:
    repair = finding_of(diagnose(followed(**changes).snapshot()), "wrong-port").repairs[0]
    first = repair.steps[0]
    assert isinstance(first, WriteFile) and (first.node, first.path.startswith(VOLUME)) == ("engine", True)


@pytest.fixture(params=[True, False], ids=["wrong variable", "no variable"])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"follower{os.getpid()}"
    write_project(tmp_path, name, has_port=request.param)
    compose = ["docker", "compose", "-p", name, "--project-directory", str(tmp_path)]
    subprocess.run([*compose, "up", "-d"], check=True, capture_output=True)
    yield name
    subprocess.run([*compose, "down", "-v", "-t", "1"], check=False, capture_output=True)


def run_fixer(*words: str, state: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "fixer", *words], capture_output=True, text=True, check=False,
                          env={**os.environ, "BADGATEWAY_STATE": str(state)})


@pytest.mark.docker
@pytest.mark.timeout(240)
def test_a_generator_driven_by_docker_is_led_by_its_variable(project: str, tmp_path: Path) -> None:
    """Real: the program asks Docker's API, writes nginx's file into a volume of both and reloads nginx."""
    target, state, compose = f"compose://{project}", tmp_path / "state", tmp_path / "compose.yaml"
    before, deadline = compose.read_bytes(), time.monotonic() + 60
    while "wrong-port" not in (told := run_fixer("diagnose", target, state=state)).stdout:
        assert time.monotonic() < deadline, told
    repaired = run_fixer("repair", target, "--yes", "--max-risk", "disruptive", state=state)
    assert repaired.returncode == 0, repaired
    line, host = b'      VIRTUAL_PORT: "8028"\n', b"      VIRTUAL_HOST: shop.example.org\n"
    assert compose.read_bytes() == before.replace(b'      VIRTUAL_PORT: "8001"\n', b"").replace(host, host + line) != before
    assert run_fixer("undo", target, state=state).returncode == 0
    assert compose.read_bytes() == before
