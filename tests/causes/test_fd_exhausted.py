"""fd-exhausted: a backend, or a worker of nginx, that may open nothing more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import CheckNginx, ComposeUp, DaemonReload, ReloadNginx, UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import Compose, ComposeSetting, EnvSlot
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import (
    GOOD,
    NOW,
    SLOW,
    TIMED_OUT,
    Scene,
    at_level,
    container_service,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    roots,
    service,
    verdict_of,
)

CAUSE = "fd-exhausted"
SAID = "OSError: [Errno 24] Too many open files"


def full(*lines: str, limit: int = 48, established: int = 40, queued: int = 4, **changes: object) -> Scene:
    values = {"log": log_lines(*lines, ago=4.0), "unit_changes": {"nofile_limit": limit}, **changes}
    scene = Scene().with_service(service(**values),   # type: ignore[arg-type]
                                 listener(8000, 200, established=established, queued=queued))
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    return scene.logs("upstream timed out (110: Connection timed out)", 110, "reading response header from upstream", count=5)


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def test_hit_it_says_so_itself() -> None:
    diagnosis = diagnose(full(SAID).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.repairs[0].risk) == ("backend-fd-limit", "certain", "disruptive")
    write, reload, restart, _ = first.repairs[0].steps
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nLimitNOFILE=65536\n"
    assert write.path.endswith("backend.service.d/50-badgateway-limits.conf")
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction)


def test_hit_it_cannot_even_start() -> None:
    lines = ("Traceback (most recent call last):", SAID, "During handling of the above exception, another exception occurred:",
             "RuntimeError: Cannot close a running event loop")
    scene = Scene().with_service(failed_service(log=log_lines("Started backend.service.", *lines))).refused()
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE] and "cannot even start" in diagnosis.findings[0].summary
    served = failed_service(log=log_lines("Started backend.service.", SAID, "INFO:     Application startup complete.", "Killed"))
    assert CAUSE not in roots(diagnose(Scene().with_service(served).refused().snapshot()))


def test_that_a_run_before_came_up_proves_nothing_of_this_one() -> None:
    lines = (*log_lines("INFO:     Application startup complete.", ago=60.0).value, *log_lines(SAID, "bye", ago=4.0).value)
    looping = {"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 3, "active_enter": NOW - 5}
    scene = Scene().with_service(failed_service(log=Known(lines), unit_changes=looping)).refused()
    assert CAUSE in roots(diagnose(scene.snapshot()))


def test_hit_by_its_connections() -> None:
    assert (found(full()).variant, found(full()).confidence) == ("backend-fd-limit", "likely")
    assert found(full(queued=0).endpoint(http=Known(probe(error="reset")))).confidence == "likely"
    many = found(full(limit=70000, established=60000))
    assert many.repairs[0].needs[0].default == "280000"


def test_the_drop_in_is_the_last_one() -> None:
    scene = full(SAID, unit_changes={"nofile_limit": 48, "drop_in_paths": ("/etc/systemd/system/x.d/limits.conf",)})
    step = found(scene, open_files="999").repairs[0].steps[0]
    assert isinstance(step, WriteFile) and step.path.endswith("zz-badgateway-limits.conf")
    assert b"LimitNOFILE=999\n" in (step.after or b"")


def in_compose(*keys: str, start: int | None = 0) -> Scene:
    text = "48 48\n"
    settings = tuple(ComposeSetting(key, "48", "/p/compose.yaml", 1, n * 3 if start is not None else None,
                             n * 3 + 2 if start is not None else None) for n, key in enumerate(keys))
    back = container_service(log=log_lines(SAID, ago=3.0), compose_settings=settings,
                 setting_slot=EnvSlot("engine", "/p/compose.yaml", 5, "\n  {name}: {value}", "yaml-map"),
                 box={"nofile_limit": 48, "labels": (("com.docker.compose.config-hash", "h"),)})
    scene = Scene("app:8000", node="web", back="app").with_service(back, listener(8000, 7, "0.0.0.0", "app", queued=2))
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    scene.files.append(file("/p/compose.yaml", text, node="engine"))
    scene.extra = {
        "target": TargetRef("compose", "p"),
        "compose": Compose("p", "/p", ("/p/compose.yaml",), (), (("app", True),), Known(True)),
    }
    return scene


def test_limits_of_a_container_are_raised_in_its_file() -> None:
    write, up, _ = found(in_compose("ulimits.nofile.soft", "ulimits.nofile.hard")).repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(up, ComposeUp) and write.after == b"8192 8192\n"


@pytest.mark.parametrize("scene", [in_compose(), in_compose("ulimits.nofile", start=None)])
def test_limits_that_the_file_does_not_hold(scene: Scene) -> None:
    repair = found(scene).repairs[0]
    assert repair.risk == "manual" and "8192" in repair.manual


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


def test_nobody_manages_it() -> None:
    bare = full(SAID, unit=None, manager="none")
    assert found(bare).repairs[0].risk == "manual"
    managed = full(SAID)
    managed.files.append(file("/etc/systemd/system/backend.service.d/50-badgateway-limits.conf", "[Service]\n",
                              managed_by="Ansible"))
    assert "Ansible" in found(managed).repairs[0].summary


@pytest.mark.parametrize("scene", [
    healthy_scene(), full(established=10), full(queued=0), full(established=28), full(limit=0), full('1.2.3.4 - "GET /EMFILE HTTP/1.1" 200', queued=0),
    full(SAID, established=3, queued=0).endpoint(configured_service=None, listening_service=None),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_old_words_and_those_of_before_a_repair() -> None:
    old = full(SAID, established=1, log=log_lines(SAID, ago=300.0))
    assert isinstance(verdict_of(diagnose(old.snapshot()), CAUSE), RuledOut)
    before = replace(full(SAID, established=1).snapshot(), seconds_since_repair=2.0)
    assert isinstance(verdict_of(diagnose(before), CAUSE), RuledOut)


def test_unknown() -> None:
    assert isinstance(verdict_of(diagnose(full(log=Unknown("denied"), queued=0).snapshot()), CAUSE), Undetermined)


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


def test_a_reset_is_an_answer_too() -> None:
    assert found(full(SAID).endpoint(http=Known(probe(error="reset")))).variant == "backend-fd-limit"
