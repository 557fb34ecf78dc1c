"""Tests of fixer/repairs/container_settings.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ComposeUp, WriteFile
from fixer.model.snapshot import Compose, ComposeSetting, EnvSlot
from fixer.model.target import TargetRef
from tests.causes.nginx_down.lost_workers_builders import down
from tests.causes.nginx_down.nginx_down_builders import no_nginx
from tests.causes.snapshot_builders import Scene, container_service, file, log_lines, roots

DOWN = "nginx-down"

MKDIR = '2027/01/15 08:00:00 [emerg] 1#1: mkdir() "{}" failed (30: Read-only file system)'
COMPOSE = "services:\n  web:\n    image: nginx\n    read_only: true\n"


def read_only(path: str = "/var/lib/nginx/body", *, key: str = "", **box: object) -> Scene:
    text = COMPOSE + key
    settings = (ComposeSetting("tmpfs", "/x", "/p/compose.yaml", 5),) if key else ()
    web = container_service("web", 80, pid=None, is_app_server=False, log=log_lines(MKDIR.format(path)), compose_settings=settings,
                setting_slot=EnvSlot("engine", "/p/compose.yaml", len(text) - 1, "\n    {name}: {value}", "yaml-map"),
                box={"status": "restarting", "exit_code": 1, "read_only": True,
                     "labels": (("com.docker.compose.config-hash", "h"),), **box})
    scene = no_nginx(service=web, test=Unknown("not running"))
    scene.files.append(file("/p/compose.yaml", text, node="engine"))
    scene.extra = {
        "target": TargetRef("compose", "p"),
        "compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("web", True),), Known(True)),
    }
    return scene


def test_a_read_only_container_gets_folders() -> None:
    diagnosis = diagnose(read_only().snapshot())
    assert roots(diagnosis) == [DOWN]
    (repair,) = diagnosis.findings[0].repairs
    write, up = repair.steps
    assert isinstance(write, WriteFile) and isinstance(up, ComposeUp) and repair.risk == "disruptive"
    assert write.after == COMPOSE.encode() + b"    tmpfs: [/var/lib/nginx, /run]\n"
    only_run = down(read_only("/run/nginx.pid")).repairs[0].steps[0]
    assert isinstance(only_run, WriteFile) and b"tmpfs: [/run]" in (only_run.after or b"")


@pytest.mark.parametrize(("given", "last", "after"), [
    ("/x", False, '["/x", /var/lib/nginx, /run]'),
    ("'/x:size=1m,mode=1777'", False, "['/x:size=1m,mode=1777', /var/lib/nginx, /run]"),
    ("[/a, /x]", True, "[/a, /x, /var/lib/nginx, /run]"),
    ("[/a, /run]", True, "[/a, /run, /var/lib/nginx]"),
    ("\n      - /a\n      - /x", True, "\n      - /a\n      - /x\n      - /var/lib/nginx\n      - /run"),
])
def test_folders_in_memory_that_the_file_gives_stay(given: str, last: bool, after: str) -> None:
    """One that stood there alone was replaced, and what lay in it failed next."""
    text = f"    tmpfs: {given}\n".replace(": \n", ":\n")
    scene = read_only(key=text)
    whole = COMPOSE + text
    end = len(whole) - 1 - (1 if given.startswith("[") else 0)
    start = whole.rfind("/run" if "/run" in given else "/x", 0, end) if last else whole.index(given)
    words = given.strip("[]'").replace("- ", "").replace(",", "" if last else ",")
    settings = [ComposeSetting("tmpfs", words, "/p/compose.yaml", 5, None if last else start, None if last else end)]
    settings += [ComposeSetting("tmpfs.last", words.split()[-1], "/p/compose.yaml", 5, start, end)] if last else []
    scene.nginx["service"] = replace(scene.nginx["service"], compose_settings=tuple(settings))
    write = down(scene).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.after is not None
    assert write.after.decode() == COMPOSE + f"    tmpfs: {after}\n".replace(": \n", ":\n")


def test_folders_that_the_file_gives_already_are_no_repair() -> None:
    scene = read_only("/run/nginx.pid")
    setting = ComposeSetting("tmpfs", "/run:size=1k", "/p/compose.yaml", 5, 0, 1)
    scene.nginx["service"] = replace(scene.nginx["service"], compose_settings=(setting,))
    assert down(scene).repairs[0].risk == "manual"


@pytest.mark.parametrize("scene", [read_only("/etc/nginx/x"), read_only(key="    tmpfs: [/x]\n")])
def test_folders_that_cannot_be_given(scene: Scene) -> None:
    found = down(scene)
    assert found.variant == "readonly-rootfs-nginx" and found.repairs[0].risk == "manual"


def test_folders_need_the_projects_files() -> None:
    for changes in ({"target": TargetRef("docker", "web")}, {"files": ()}):
        scene = read_only()
        scene.extra.update(changes)
        repair = down(scene).repairs[0]
        assert repair.risk == "manual" and "/var/lib/nginx" in repair.manual
    flow = read_only()
    flow.nginx["service"] = replace(flow.nginx["service"], setting_slot=None)
    assert down(flow).repairs[0].risk == "manual"


def test_a_writable_container_is_not_blamed() -> None:
    assert down(read_only(read_only=False)).variant == "nginx-stopped"


def test_its_container_lacks_what_it_mounts() -> None:
    """The engine would refuse the start, and says so to nobody but whoever asks for it."""
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "exited", "missing_sources": ("/opt/shop/tls.key",)})
    found = down(no_nginx(service=web, test=Unknown("not running")))
    assert "/opt/shop/tls.key" in found.summary and found.repairs[0].risk == "manual"
    assert "put it back" in found.repairs[0].manual
