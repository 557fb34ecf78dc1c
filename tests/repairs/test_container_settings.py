"""Tests of fixer/repairs/container_settings.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.case import open_case
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ComposeUp, WaitForListener, WriteFile
from fixer.model.snapshot import Compose, ComposeSetting, EnvSlot
from fixer.model.target import TargetRef
from fixer.repairs.container_settings import publish_port_repair, republish_port_repair, write_compose_settings
from fixer.repairs.file_edits import NotEditable
from tests.causes.nginx_down.lost_workers_builders import down
from tests.causes.nginx_down.nginx_down_builders import no_nginx
from tests.causes.snapshot_builders import Scene, container_service, file, listener, log_lines, roots, service

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
    assert "restore it" in found.repairs[0].manual


PORTS = 'services:\n  app:\n    image: i\n    ports:\n      - {}\n'


def published(entry: str = '"8000:8080"', **box: object) -> Scene:
    """nginx on the machine asks for a port that Docker publishes, and it leads to a port where nothing listens."""
    text = PORTS.format(entry)
    start = text.index(entry) + entry.startswith('"')
    value = entry.strip('"')
    port = ComposeSetting("ports.0", value, "/p/compose.yaml", 5, start, start + len(value))
    slot = EnvSlot("engine", "/p/compose.yaml", len(text) - 1, "\n    {name}: {value}", "yaml-map")
    made = container_service("app", 9000, compose_settings=(port,), setting_slot=slot,
                             box={"labels": (("com.docker.compose.config-hash", "h"),), **box})
    scene = Scene("127.0.0.1:8000", back="app").with_service(made, listener(9000, 7, "0.0.0.0", "app")).refused(
        container_port=8080)
    scene.files.append(file("/p/compose.yaml", text, node="engine"))
    scene.extra = {"compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True),), Known(True))}
    return scene


def republished(scene: Scene) -> Repair:
    case = open_case(scene.snapshot(), {})
    return republish_port_repair(case, case.failing_addresses[0], scene.services[0], 9000)


@pytest.mark.parametrize(("entry", "after"), [
    ('"8000:8080"', '"8000:9000"'), ("127.0.0.1:8000:8080", "127.0.0.1:8000:9000"), ('"8000:8080/tcp"', '"8000:9000/tcp"'),
])
def test_a_published_port_leads_to_the_port_in_use(entry: str, after: str) -> None:
    repair = republished(published(entry))
    write, up, heard = repair.steps
    assert isinstance(write, WriteFile) and isinstance(up, ComposeUp) and isinstance(heard, WaitForListener)
    assert (write.after or b"").decode() == PORTS.format(after) and (repair.risk, repair.needs) == ("disruptive", ())
    assert (heard.node, heard.port) == ("app", 9000) and "/p/compose.yaml" in repair.summary


def test_who_manages_the_compose_file_is_named() -> None:
    scene = published()
    scene.files[-1] = replace(scene.files[-1], managed_by="Ansible")
    assert "Ansible" in republished(scene).summary and "Ansible" not in republished(published()).summary


@pytest.mark.parametrize(("published_at", "risk"), [("8000", "disruptive"), ("8001", "manual")])
def test_a_port_in_the_long_syntax(published_at: str, risk: str) -> None:
    """Only the entry whose `published` is nginx's port changes, and of it only the `target`."""
    text = f"ports:\n  - target: 8080\n    published: {published_at}\n"
    scene = published()
    scene.files[-1] = file("/p/compose.yaml", text, node="engine")
    at = text.index("8080")
    scene.services[0] = replace(scene.services[0], compose_settings=(
        ComposeSetting("ports.0.target", "8080", "/p/compose.yaml", 2, at, at + 4),
        ComposeSetting("ports.0.published", published_at, "/p/compose.yaml", 3, len(text) - 5, len(text) - 1)))
    repair = republished(scene)
    assert repair.risk == risk
    if risk == "disruptive":
        write = repair.steps[0]
        assert isinstance(write, WriteFile) and write.after == text.replace("8080", "9000").encode()


@pytest.mark.parametrize("entry", ['"8001:8080"', '"8000:8081"', '"8000-8009:8080-8089"'])
def test_an_entry_for_other_ports_is_not_edited(entry: str) -> None:
    repair = republished(published(entry))
    assert (repair.risk, repair.steps) == ("manual", ()) and "8000:8080" in repair.manual
    assert '"127.0.0.1:8000:9000"' in repair.manual and "docker compose -p p up -d --no-deps app" in repair.manual


def test_a_container_without_a_compose_file_is_created_by_hand() -> None:
    repair = republished(published('"8001:8080"', project=None, service=None))
    assert (repair.risk, repair.steps) == ("manual", ()) and "-p 127.0.0.1:8000:9000" in repair.manual
    assert "docker inspect p-app-1" in repair.manual


def test_a_port_is_published_after_the_operator_names_the_service() -> None:
    scene = published()
    scene.services[0] = replace(scene.services[0], compose_settings=())
    steps = []
    for inputs in ({}, {"service": "another"}, {"service": "p-app-1"}):
        case = open_case(scene.snapshot(), inputs)
        repair = publish_port_repair(case, case.failing_addresses[0], scene.services[0], 9000, proven=False)
        assert [need.choices for need in repair.needs] == [("p-app-1",)]
        steps.append(repair.steps)
    assert steps[:2] == [(), ()] and isinstance(write := steps[2][0], WriteFile)
    assert (write.after or b"").decode() == PORTS.format('"8000:8080"') + '    ports: ["127.0.0.1:8000:9000"]\n'


def test_only_a_container_has_compose_settings() -> None:
    scene = published()
    assert isinstance(refused := write_compose_settings(scene.snapshot(), service(), {"x": "1"}, ""), NotEditable)
    assert refused.reason.startswith("backend.service ")
    assert isinstance(write_compose_settings(scene.snapshot(), scene.services[0], {}, ""), NotEditable)


def test_tmpfs_in_a_file_that_was_not_read_is_for_an_operator() -> None:
    scene = read_only()
    setting = ComposeSetting("tmpfs", "/x", "/p/other.yaml", 5, 3, 5)
    scene.nginx["service"] = replace(scene.nginx["service"], compose_settings=(setting,))
    (repair,) = down(scene).repairs
    assert repair.risk == "manual" and "/p/other.yaml" in repair.manual
