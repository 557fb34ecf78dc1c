"""nginx-config-invalid in a container: a link of a mounted folder that leads nowhere, and how the Docker host sees it."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known
from fixer.model.plan import ContainerAction, ReloadNginx, WriteFile
from fixer.model.query import FileStat
from tests.causes.snapshot_builders import Scene, container_service, finding_of, listener, stat

GONE, TARGET = "/etc/nginx/conf.d/gone.conf", "../sites-available/gone.conf"
SAID = f'nginx: [emerg] open() "{GONE}" failed (2: No such file or directory) in /etc/nginx/nginx.conf:60'
MOUNT = ("/home/me/shop/conf.d", "/etc/nginx/conf.d", False)
THERE = "/home/me/shop/conf.d/gone.conf"
LINK = stat(kind="link", link_target=TARGET)


def scene(outside: dict[str, FileStat], *, running: bool = False, **box: object) -> Scene:
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "restarting", "mounts": (MOUNT,), **box})
    made = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    made.nginx.update({"service": web, "test": Known((1, SAID)), **({} if running else {"master_pid": None})})
    made.node_changes["web"] = {"files": ((GONE, LINK),)}
    made.extra["engine_files"] = tuple(outside.items())
    return made.refused() if running else made


def repair_of(made: Scene) -> Repair:
    found = finding_of(diagnose(made.snapshot()), "nginx-config-invalid")
    assert found.variant == "sites-enabled-dangling"
    return found.repairs[0]


def test_a_link_of_a_mounted_folder_is_removed_on_the_docker_host() -> None:
    repair = repair_of(scene({THERE: LINK}))
    removal, start = repair.steps[:2]
    assert repair.risk == "safe" and isinstance(removal, WriteFile) and isinstance(start, ContainerAction)
    assert (removal.node, removal.path, removal.after, removal.link_target) == ("engine", THERE, None, TARGET)
    assert start.verb == "restart"


def test_the_folder_itself_is_reached_without_a_link() -> None:
    folder = stat(kind="link", link_target="/data/conf.d", real_path="/data/conf.d")
    removal = repair_of(scene({THERE: LINK, "/home/me/shop/conf.d": folder})).steps[0]
    assert isinstance(removal, WriteFile) and removal.path == "/data/conf.d/gone.conf"


def test_a_running_nginx_is_reloaded() -> None:
    assert isinstance(repair_of(scene({THERE: LINK}, running=True)).steps[-1], ReloadNginx)


def test_what_leads_to_a_file_of_the_host_is_meant_and_not_mounted() -> None:
    seen = stat(kind="link", link_target=TARGET, real_path="/home/me/shop/sites-available/gone.conf", target=stat())
    repair = repair_of(scene({THERE: seen}))
    assert (repair.risk, repair.steps) == ("manual", ())
    assert "/home/me/shop/sites-available/gone.conf" in repair.manual and "mount" in repair.manual


@pytest.mark.parametrize(("outside", "box"), [
    ({}, {}),                                                                   # nobody could look there
    ({THERE: stat(kind="link", link_target="elsewhere")}, {}),                  # another link by now
    ({THERE: stat()}, {}),
    ({THERE: LINK}, {"mounts": ((THERE, GONE, False),)}),                       # a mount of the single file
    ({THERE: LINK}, {"shares": (("/var/lib/docker/volumes/x/_data", "/etc/nginx/conf.d"),), "mounts": ()}),
])
def test_elsewhere_a_person_removes_it(outside: dict[str, FileStat], box: dict[str, object]) -> None:
    repair = repair_of(scene(outside, **box))
    assert (repair.risk, repair.steps) == ("manual", ()) and GONE in repair.manual


def test_one_in_the_image_is_removed_there() -> None:
    repair = repair_of(scene({THERE: LINK}, mounts=()))
    assert (repair.risk, repair.steps) == ("manual", ()) and "image of container p-web-1" in repair.manual
