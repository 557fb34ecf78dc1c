"""The rest of nginx-down: a port that is taken, a read-only container, workers that stop or end, a master on its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, Found, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import CheckNginx, ComposeUp, ContainerAction, SignalProcess, UnitAction, WriteFile
from fixer.model.service import UnitSetting
from fixer.model.snapshot import Compose, ComposeSetting, EnvSlot, Snapshot
from fixer.model.target import TargetRef
from tests.causes.nginx_down.test_nginx_down import no_nginx
from tests.causes.snapshot_builders import (
    GOOD,
    NOW,
    SLOW,
    STOPPED,
    Scene,
    container_service,
    file,
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


def taken(*pids: int, unit_name: str | None = None, comm: str = "apache2", **state: object) -> Scene:
    scene = no_nginx()
    scene.listeners.append(replace(listener(80, 700, "0.0.0.0"), pids=Known(pids)))
    scene.processes += [process(pid, f"/usr/sbin/{comm}", unit=unit_name, ppid=1 if pid == pids[0] else pids[0])
                        for pid in pids]
    if unit_name is not None:
        scene.services.append(service(unit_name, 80, pids[0], unit=unit(unit_name, main_pid=pids[0], **state),
                                      is_app_server=False, bindings=Known(())))
    return scene


def down(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), DOWN)


def test_who_holds_the_port_is_stopped_only_when_named() -> None:
    found = down(taken(700, 701))
    assert (found.variant, found.role) == ("nginx-port-taken", "root")
    (repair,) = found.repairs
    assert (repair.risk, repair.steps, repair.needs[0].key, repair.needs[0].choices) == (
        "disruptive", (), "stop", ("apache2",))
    assert down(taken(700), stop="nginx").repairs[0].steps == ()
    first, second, check, start, _ = down(taken(701, 700), stop="apache2").repairs[0].steps
    assert isinstance(first, SignalProcess) and isinstance(second, SignalProcess)
    assert (first.pid, second.pid, first.signal) == (701, 700, "TERM")       # the parent first
    assert isinstance(check, CheckNginx) and isinstance(start, UnitAction)


@pytest.mark.parametrize(("state", "verbs"), [("enabled", ["disable", "stop"]), ("static", ["stop"])])
def test_a_unit_on_the_port_does_not_take_it_again_at_boot(state: str, verbs: list[str]) -> None:
    found = down(taken(700, unit_name="apache2.service", unit_file_state=state), stop="apache2.service")
    steps = [s for s in found.repairs[0].steps if isinstance(s, UnitAction) and s.unit == "apache2.service"]
    assert [s.verb for s in steps] == verbs


@pytest.mark.parametrize("scene", [taken(700, comm="docker-proxy"), taken(1, comm="systemd"), taken()])
def test_who_listens_for_another_is_left_to_a_person(scene: Scene) -> None:
    repair = down(scene).repairs[0]
    assert repair.risk == "manual" and "0.0.0.0:80" in repair.manual


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
    assert risk != "manual" or "app-1 first" in repair.manual


def ended(*probes: object, ago: float = 30.0, message: str = "worker process 77 exited on signal 9") -> Scene:
    scene = healthy_scene().answers(*probes).logs(message, None, "", ago=ago, count=2)   # type: ignore[arg-type]
    scene.events = [replace(event, level="alert") for event in scene.events]
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
    scene.events = [replace(event, level=level) for event in scene.events]
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
