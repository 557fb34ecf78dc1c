"""Tests of fixer/causes/nginx_not_reloaded/stale_mount.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.plan import ContainerAction
from fixer.model.target import TargetRef
from tests.causes.nginx_down.nginx_down_builders import OLD
from tests.causes.snapshot_builders import (
    SITE,
    Scene,
    container_service,
    file,
    finding_of,
    listener,
    roots,
    stat,
    wrong_port_scene,
)


def test_a_mount_whose_file_was_replaced() -> None:
    web = container_service("web", 80, pid=100, is_app_server=False)
    scene = Scene("app:8001", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app")).refused()
    scene.services.append(web)
    scene.nginx["service"] = web
    scene.files[0] = replace(scene.files[0], stat=stat(nlink=0))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [OLD] and diagnosis.findings[0].variant == "bind-mount-stale-inode"
    (repair,) = diagnosis.findings[0].repairs
    assert repair.risk == "disruptive" and isinstance(repair.steps[0], ContainerAction)
    machine = wrong_port_scene()
    machine.files[0] = replace(machine.files[0], stat=stat(nlink=0))
    assert finding_of(diagnose(machine.snapshot()), OLD).repairs[0].risk == "manual"
    machine.extra["target"] = TargetRef("docker", "depot")
    told = finding_of(diagnose(machine.snapshot()), OLD).repairs[0]
    assert told.risk == "manual" and "docker restart depot on the Docker host" in told.manual


@pytest.mark.parametrize(("new", "said"), [
    ("{ proxy_pass http://app:9009; }", "hands requests to app:9009, where nothing listens"),
    ("{ proxy_pass http://elsewhere:9009; }", "hands requests to elsewhere:9009"),
    ("{ proxy_pass http://app:8000 }", "which nginx would refuse"), ("{ proxy_pass http://app:8000; } #", "loads the new file"),
    ("", ""), (None, "loads the new file"),
])
def test_a_mount_whose_file_was_replaced_is_told_while_pages_answer(new: str | None, said: str) -> None:
    """Of an editor that renames: nobody notices until the container is made anew."""
    mounts = (("/srv/site.conf", "/etc/nginx/sites-available/shop", False),)
    web = container_service("web", 80, pid=100, is_app_server=False, box={"mounts": mounts})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.services.append(web)
    scene.nginx["service"] = web
    old = scene.files[0]
    assert all(f.role != "advice" for f in diagnose(scene.snapshot()).findings)
    scene.files[0] = replace(old, stat=stat(nlink=0))
    if new is not None:
        data = old.data.replace(b"{ proxy_pass http://app:8000; }", new.encode()) if new else old.data
        scene.files.append(replace(old, node="engine", path="/srv/site.conf", real_path="/srv/site.conf", data=data))
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "healthy"
    told = [f for f in diagnosis.findings if f.cause == OLD]
    assert [(f.variant, f.role, f.repairs) for f in told] == ([("bind-mount-stale-inode", "advice", ())] if said else [])
    assert not said or said in told[0].summary


@pytest.mark.parametrize("runs", [True, False])
def test_it_is_told_whoever_starts_nginx_in_its_container(runs: bool) -> None:
    """supervisord does, beside the application; it may have stopped it, and starts it with the old file."""
    web = container_service("web", 80, pid=100, is_app_server=False, box={"mounts": (("/srv/site.conf", "/etc/nginx/sites-available/shop", False),)})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.services.append(web)
    old = scene.files[0]
    scene.files[0] = replace(old, stat=stat(nlink=0))
    scene.files.append(replace(old, node="engine", path="/srv/site.conf", real_path="/srv/site.conf", data=old.data + b"# more\n"))
    if not runs:
        scene.nginx.update(master_pid=None, worker_pids=())
    told = finding_of(diagnose(scene.snapshot()), OLD)
    assert (told.variant, told.role) == ("bind-mount-stale-inode", "advice")


def test_a_mount_whose_folder_was_replaced() -> None:
    """A deployment that moves a new folder into the place of the old: the container has the old one until it starts."""
    web = container_service("web", 80, pid=100, is_app_server=False, box={"mounts": (("/srv/conf", "/etc/nginx", False),)})
    scene = Scene("app:8001", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app")).refused()
    scene.services.append(web)
    scene.nginx["service"] = web
    read = scene.files[0]
    there = "/srv/conf/" + read.real_path.removeprefix("/etc/nginx/")
    new = file(there, read.data.replace(b":8001", b":8000"), "engine", stat=stat(inode=77))
    scene.files.append(new)
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [OLD] and diagnosis.findings[0].confidence == "likely"
    assert "the folder that holds it on the host was replaced" in diagnosis.findings[0].summary
    (repair,) = diagnosis.findings[0].repairs
    assert repair.risk == "disruptive" and isinstance(repair.steps[0], ContainerAction)
    for other in (replace(new, stat=read.stat), replace(new, data=read.data), replace(new, data=read.data + b"# more\n")):
        scene.files[-1] = other          # edited in between, the same, or no help
        assert roots(diagnose(scene.snapshot())) == ["wrong-port"]


def test_the_files_of_a_stale_mount_are_compared() -> None:
    assert file(SITE, "x").stat.nlink == 1
