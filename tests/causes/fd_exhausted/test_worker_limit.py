"""fd-exhausted: a worker of nginx that may open nothing more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Known
from fixer.model.plan import CheckNginx, ComposeUp, DaemonReload, ReloadNginx, UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import Compose, ComposeSetting
from tests.causes.fd_exhausted.fd_exhausted_builders import CAUSE, found, in_compose
from tests.causes.snapshot_builders import (
    GOOD,
    SLOW,
    Scene,
    at_level,
    container_service,
    file,
    healthy_scene,
    roots,
    service,
    verdict_of,
)


def boxed_worker(limit: int, main: str = "user www-data;\n", *keys: str) -> Scene:
    """nginx in a container; its main file is mounted."""
    scene = in_compose()
    scene.answers(SLOW).logs("accept4() failed (24: Too many open files)", 24, "", count=3)
    scene.events = [at_level(e, "crit") for e in scene.events[-3:]]
    settings = tuple(ComposeSetting(key, "48", "/p/compose.yaml", 1, 0, 2) for key in keys)
    web = container_service("web", 80, pid=100, is_app_server=False, compose_settings=settings, box={
        "nofile_limit": limit, "mounts": (("/p/nginx.conf", CONF, False),), "labels": (("com.docker.compose.config-hash", "h"),)})
    scene.services = [replace(scene.services[0], log=Known(())), web]
    scene.nginx["service"] = web
    scene.extra["compose"] = Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True), ("web", True)), Known(True))
    scene.files.append(file(CONF, main, node="web", single_file_mount=True))
    return scene


def test_a_worker_gets_no_more_than_its_container_was_given() -> None:
    """nginx would say `setrlimit(RLIMIT_NOFILE, 65536) failed (1: Operation not permitted)` and go on as before."""
    first = found(boxed_worker(24, "user www-data;\n", "ulimits.nofile"))
    assert (first.variant, first.repairs[0].risk) == ("worker-fd-limit", "disruptive")
    write, up, wait = first.repairs[0].steps
    assert isinstance(write, WriteFile) and (write.path, write.after) == ("/p/compose.yaml", b"8192 48\n")
    assert isinstance(up, ComposeUp) and up.service == "web" and isinstance(wait, WaitForListener)
    assert found(boxed_worker(24)).repairs[0].risk == "manual"       # it was given elsewhere
    asks_more = found(boxed_worker(24, "worker_rlimit_nofile 512;\n", "ulimits.nofile"))
    assert asks_more.repairs[0].risk == "disruptive"


def test_a_worker_that_nginx_itself_gives_less_than_its_container_has() -> None:
    write, *_ = found(boxed_worker(1024, "worker_rlimit_nofile 24;\n", "ulimits.nofile")).repairs[0].steps
    assert isinstance(write, WriteFile) and (write.path, write.after) == ("/p/nginx.conf", b"worker_rlimit_nofile 1024;\n")


def test_a_master_that_may_not_raise_its_limit_gives_a_worker_no_more() -> None:
    """setrlimit(RLIMIT_NOFILE, 65536) failed, and the worker kept what it had."""
    scene = worker()
    scene.nginx["file_limits"] = (1024, 20000)
    write, *_ = found(scene).repairs[0].steps
    assert isinstance(write, WriteFile) and (write.after or b"").decode() == "user www-data;\nworker_rlimit_nofile 20000;\n"
    scene.nginx["file_limits"] = (1024, 0)
    assert found(scene).repairs[0].needs[0].default == "65536"


def test_a_unit_whose_workers_have_all_that_it_may_give() -> None:
    scene = worker("user www-data;\n")
    unit = service("nginx", 80, pid=100, is_app_server=False)
    scene.nginx.update(service=unit, file_limits=(24, 24))
    write, reload, restart, wait = found(scene).repairs[0].steps
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nLimitNOFILE=65536\n"
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction) and isinstance(wait, WaitForListener)
    scene.nginx["file_limits"] = (24, 20000)        # nginx can give them more without a restart
    assert found(scene).repairs[0].id == "raise-worker-files"


CONF = "/etc/nginx/nginx.conf"


def worker(text: str = "user www-data;\nworker_rlimit_nofile 24;\n", message: str = "accept4() failed (24: Too many open files)",
           *, level: str = "crit") -> Scene:
    scene = healthy_scene().answers(SLOW).logs(message, 24, "", count=3)
    scene.events = [at_level(e, level) for e in scene.events]
    scene.files.append(file(CONF, text))
    return scene


@pytest.mark.parametrize(("text", "want"), [
    ("user www-data;\nworker_rlimit_nofile 24;\n", "user www-data;\nworker_rlimit_nofile 65536;\n"),
    ("worker_processes 1;\n", "worker_processes 1;\nworker_rlimit_nofile 65536;\n"),
])
def test_hit_a_worker(text: str, want: str) -> None:
    diagnosis = diagnose(worker(text).snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "broken"
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("worker-fd-limit", "certain", "safe")
    write, check, reload = first.repairs[0].steps
    assert isinstance(write, WriteFile) and (write.after or b"").decode() == want
    assert isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)


@pytest.mark.parametrize("scene", [worker("http { }\n"), worker("worker_rlimit_nofile 24")])
def test_a_main_file_that_cannot_be_edited(scene: Scene) -> None:
    assert found(scene).repairs[0].risk in ("manual", "safe")
    scene.files.pop()
    assert found(scene).repairs[0].risk == "manual"


@pytest.mark.parametrize("scene", [
    worker(message='open() "/x/24: a" failed (2: No such file)').answers(GOOD), worker(level="error").answers(GOOD),
])
def test_miss_a_worker(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)
