"""The rest of nginx-down: a port that is taken, a read-only container, workers that stop or end, a master on its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, Found, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known
from fixer.model.plan import CheckNginx, ContainerAction, SignalProcess, WriteFile
from fixer.model.service import UnitSetting
from fixer.model.snapshot import Snapshot
from tests.causes.nginx_down.lost_workers_builders import down
from tests.causes.snapshot_builders import (
    GOOD,
    NOW,
    SLOW,
    STOPPED,
    Scene,
    at_level,
    container_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    process,
    roots,
    service,
    unit,
    verdict_of,
)

DOWN = "nginx-down"


def halted(*states: str, master: str = "S") -> Scene:
    scene = healthy_scene().answers(SLOW)
    scene.processes[0] = replace(scene.processes[0], state=master)
    scene.processes += [process(101 + n, "nginx: worker process", ppid=100, state=s) for n, s in enumerate(states)]
    scene.nginx["worker_pids"] = tuple(101 + n for n in range(len(states)))
    return scene


def test_stopped_workers_go_on() -> None:
    diagnosis = diagnose(halted("T", "T", master="T").snapshot())
    assert roots(diagnosis) == [DOWN] and diagnosis.verdict == "broken"
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("worker-stopped", "certain", "safe")
    assert [(s.pid, s.signal) for s in found.repairs[0].steps if isinstance(s, SignalProcess)] == [
        (101, "CONT"), (102, "CONT"), (100, "CONT")]


def test_one_of_two_workers_stopped() -> None:
    assert down(halted("T", "S")).role == "root"
    well = diagnose(halted("T", "S").answers(GOOD).snapshot())
    assert well.verdict == "healthy" and [(f.role, f.repairs) for f in well.findings] == [("advice", ())]
    assert isinstance(verdict_of(diagnose(halted("S", "S", master="T").snapshot()), DOWN), RuledOut)


def test_stopped_workers_in_a_container() -> None:
    web = container_service("web", 80, pid=100, is_app_server=False)
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.answers(SLOW).services.append(web)
    scene.nginx.update({"service": web, "worker_pids": (100,)})
    scene.processes[0] = replace(scene.processes[0], state="T")
    (repair,) = down(scene).repairs
    assert repair.risk == "disruptive" and isinstance(repair.steps[0], ContainerAction)


LOST = Known((1, 'nginx: [emerg] host not found in upstream "app:8000" in /etc/nginx/nginx.conf:9'))


@pytest.mark.parametrize(("box", "tested", "risk"), [
    ({"status": "restarting", "restart_count": 4}, LOST, "manual"),
    ({"status": "restarting", "restart_count": 4}, Known((0, "ok")), "manual"),      # there between two tries
    ({"status": "exited", "exit_code": 1}, LOST, "manual"),
    ({"status": "exited", "exit_code": 1}, Known((0, "ok")), "disruptive"),          # a variable's name: asked for later
])
def test_stopped_workers_in_a_container_that_would_not_start_again(
    box: dict[str, object], tested: Known[tuple[int, str]], risk: str,
) -> None:
    """nginx asks for all its names when it starts: what lacks one is mended first, and nginx in a later round."""
    web = container_service("web", 80, pid=100, is_app_server=False)
    lost = container_service(box=box, pid=None, log=log_lines("KeyError: 'SECRET_KEY'"))
    scene = Scene("app:8000", node="web", back="app").with_service(lost).refused().answers(SLOW)
    scene.services.append(web)
    scene.nginx.update({"service": web, "worker_pids": (100,), "test": tested})
    scene.processes[0] = replace(scene.processes[0], state="T")
    (repair,) = down(scene).repairs
    assert (repair.id, repair.risk) == ("restart-nginx-container", risk)
    assert risk != "manual" or (repair.after == "p-app-1" and repair.manual.startswith("first "))


def ended(*probes: object, ago: float = 30.0, message: str = "worker process 77 exited on signal 9") -> Scene:
    scene = healthy_scene().answers(*probes).logs(message, None, "", ago=ago, count=2)   # type: ignore[arg-type]
    scene.events = [at_level(event, "alert") for event in scene.events]
    return scene


def test_a_worker_that_ended_and_was_replaced_is_advice() -> None:
    diagnosis = diagnose(ended(GOOD).snapshot())
    assert diagnosis.verdict == "healthy"
    assert [(f.variant, f.role, f.repairs) for f in diagnosis.findings] == [("worker-crash", "advice", ())]


def test_workers_that_end_while_they_serve_are_a_fault() -> None:
    found = down(ended(probe(error="closed")))
    assert (found.role, found.confidence, found.repairs[0].risk) == ("root", "likely", "manual")


@pytest.mark.parametrize("scene", [
    ended(GOOD, ago=900), ended(GOOD, message="worker process 77 exited with code 0"), ended(GOOD, message="x")])
def test_workers_that_ended_long_ago_or_as_told(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DOWN), RuledOut)


def alone(unit_name: str | None = None, **state: object) -> Snapshot:
    scene = healthy_scene()
    scene.processes[0] = replace(scene.processes[0], unit=unit_name)
    values = {**STOPPED, "exec_start": ("/usr/sbin/nginx", "-g", "daemon on;"), **state}
    scene.services.append(service("nginx.service", 80, None, unit=unit("nginx.service", **values), is_app_server=False,
                                  bindings=Known(())))
    return scene.snapshot()


@pytest.mark.parametrize("state", [{"active_state": "failed"}, {}])
def test_a_master_outside_its_unit_is_advice(state: dict[str, object]) -> None:
    diagnosis = diagnose(alone(**state))   # type: ignore[arg-type]
    assert diagnosis.verdict == "healthy"
    (found,) = diagnosis.findings
    assert (found.variant, found.role, found.repairs) == ("nginx-unmanaged-master", "advice", ())
    assert "kill -QUIT 100" in found.detail[0]


def test_a_master_that_belongs_where_it_is() -> None:
    for made in (alone("nginx.service", active_state="active"), alone(unit_file_state="disabled"),
                 alone(exec_start=("/opt/other",))):
        assert isinstance(verdict_of(diagnose(made), DOWN), RuledOut)
    assert isinstance(verdict_of(diagnose(alone("supervisor.service", active_state="failed")), DOWN), Found)


BUFFERS = "    proxy_buffer_size 128m;\n    proxy_buffers 4 256m; # from the web\n    proxy_busy_buffers_size 262144k;\n"
INTERNAL = probe(500, body="<html><center><h1>500 Internal Server Error</h1></center><hr><center>nginx</center>")


def greedy(size: int = 128 << 20, text: str = BUFFERS, ago: float = 5.0, level: str = "emerg") -> Scene:
    """nginx asked for so many bytes and got none, and its site asks for buffers."""
    scene = healthy_scene().answers(INTERNAL).logs(
        f"malloc({size}) failed (12: Cannot allocate memory)", 12, "reading response header from upstream", ago=ago)
    scene.events = [at_level(event, level) for event in scene.events]
    page = scene.files[0]
    scene.files[0] = replace(page, data=page.data.replace(b"}\n}\n", b"}\n" + text.encode() + b"}\n"))
    return scene


def test_a_buffer_of_the_very_size_that_nginx_could_not_get() -> None:
    diagnosis = diagnose(greedy().snapshot())
    assert roots(diagnosis) == [DOWN]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.routes) == ("nginx-out-of-memory", "certain", ("r1",))
    assert found.evidence[0].where.endswith("shop:4") and found.evidence[0].text == "proxy_buffer_size 128m;"
    assert any("malloc(134217728)" in e.text for e in found.evidence)
    (repair,) = found.repairs
    write, check, _ = repair.steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and repair.risk == "safe"
    assert (b"    proxy_buffer_size 128k;\n    proxy_buffers 4 256k; # from the web\n    proxy_busy_buffers_size 256k;\n"
            in (write.after or b""))


def test_a_limit_on_nginx_is_shown_beside_it() -> None:
    scene = greedy()
    limit = UnitSetting("LimitAS", "140M", Evidence("unit", "/etc/systemd/system/nginx.service.d/a.conf:2", "LimitAS=140M"))
    scene.nginx["service"] = service("nginx.service", 80, 100, unit=unit("nginx.service"), settings=(limit,))
    found = down(scene)
    assert limit.source in found.evidence and "LimitAS=140M" in found.detail[0]


@pytest.mark.parametrize("scene", [
    greedy(4096),                                               # the host has no memory left, not even a page
    greedy(65536, "    proxy_buffer_size 64k;\n"),              # asked for, and nothing out of the way
    greedy(64 << 20),                                           # nothing asks for that
    greedy(text=""),
])
def test_a_host_that_is_short_of_memory_is_not_told_so(scene: Scene) -> None:
    verdict = verdict_of(diagnose(scene.snapshot()), DOWN)
    assert isinstance(verdict, Undetermined) and "malloc(" in verdict.missing[0]


@pytest.mark.parametrize("scene", [greedy(ago=900), greedy(level="error"), healthy_scene()])
def test_memory_that_was_missing_once_says_nothing_of_now(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DOWN), RuledOut)


def test_what_a_thousandth_does_not_cure_is_for_a_person() -> None:
    (repair,) = down(greedy(40 << 30, "    client_body_buffer_size 40g;\n")).repairs
    assert repair.risk == "manual" and "client_body_buffer_size 40g" in repair.manual


def test_what_nginx_asked_for_is_what_its_file_says_so_the_file_was_loaded() -> None:
    scene = greedy()
    scene.nginx["config_mtime"] = Known(NOW - 6)
    scene.nginx["loaded_at"] = Known(NOW - 6.5)
    assert roots(diagnose(scene.snapshot())) == [DOWN]


SETGID = "setgid(33) failed (1: Operation not permitted)"


def refused_start_alone(*said: str, workers: tuple[int, ...] = ()) -> Scene:
    scene = healthy_scene().answers(SLOW)
    for text in said:
        scene.logs(text, None, "", ago=30.0)
    levels = ["alert" if text.startswith("worker process") else "emerg" for text in said]
    scene.events = [at_level(event, level) for event, level in zip(scene.events, levels, strict=True)]
    scene.nginx["worker_pids"] = workers
    return scene


def lost(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [DOWN] and diagnosis.verdict == "broken"
    return finding_of(diagnosis, DOWN)


GIVEN_UP = "worker process 7 exited with fatal code 2 and cannot be respawned"


def test_a_master_whose_workers_all_ended_serves_nobody() -> None:
    found = lost(refused_start_alone(SETGID, GIVEN_UP))
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("worker-crash", "certain", "manual")
    assert SETGID in found.summary and "cap_add" in found.repairs[0].manual
    assert lost(refused_start_alone(GIVEN_UP)).confidence == "likely"
    assert "epoll" in lost(refused_start_alone("epoll_create() failed (38: Function not implemented)", GIVEN_UP)).repairs[0].manual


def test_workers_that_are_there_or_pages_that_answer() -> None:
    for scene in (refused_start_alone(SETGID, GIVEN_UP, workers=(101,)), refused_start_alone(SETGID, GIVEN_UP).answers(GOOD)):
        assert DOWN not in roots(diagnose(scene.snapshot()))


def test_workers_that_get_too_few_open_files_are_a_consequence_of_that_limit() -> None:
    diagnosis = diagnose(refused_start_alone("epoll_create() failed (24: Too many open files)", GIVEN_UP).snapshot())
    assert roots(diagnosis) == ["fd-exhausted"]
    assert (finding_of(diagnosis, DOWN).role, finding_of(diagnosis, DOWN).repairs) == ("consequence", ())
