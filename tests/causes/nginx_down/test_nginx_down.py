"""nginx-down, nginx-config-invalid, nginx-not-reloaded and slow-start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Found, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import CheckNginx, ContainerAction, StartNginx, UnitAction
from fixer.model.snapshot import BlockingUnit, Compose, UncreatedService
from fixer.model.target import TargetRef
from tests.causes.nginx_down.nginx_down_builders import DOWN, INVALID, SLOW_START, ended_box, nginx_unit, no_nginx
from tests.causes.snapshot_builders import (
    NOW,
    REFUSED,
    Scene,
    container_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    process,
    roots,
    service,
    stopped_service,
    verdict_of,
)


def test_down_hit() -> None:
    diagnosis = diagnose(no_nginx().snapshot())
    assert roots(diagnosis) == [DOWN] and diagnosis.verdict == "broken"
    found = diagnosis.findings[0]
    assert (found.variant, found.repairs[0].risk) == ("nginx-stopped", "safe")
    check, start, _ = found.repairs[0].steps
    assert isinstance(check, CheckNginx) and isinstance(start, UnitAction) and start.verb == "start"


def test_down_miss_and_unknown() -> None:
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), DOWN), RuledOut)
    hidden = no_nginx(service=None)
    hidden.node_changes["local"] = {"processes": Unknown("denied")}
    assert isinstance(verdict_of(diagnose(hidden.snapshot()), DOWN), Undetermined)
    nowhere = healthy_scene()
    nowhere.extra = {"nginxes": ()}
    diagnosis = diagnose(nowhere.snapshot())
    assert isinstance(verdict_of(diagnosis, DOWN), Undetermined)


@pytest.mark.parametrize(("nginx", "kind"), [
    ({"service": None}, StartNginx),
    ({"service": nginx_unit(unit_file_state="disabled")}, UnitAction),
    ({"service": container_service("web", 80, pid=None, is_app_server=False, box={"status": "exited"})}, ContainerAction),
])
def test_down_is_started_by_whoever_manages_it(nginx: dict[str, object], kind: type) -> None:
    steps = finding_of(diagnose(no_nginx(**nginx).snapshot()), DOWN).repairs[0].steps
    assert any(isinstance(step, kind) for step in steps)


def test_down_is_not_known_while_root_runs_what_calls_itself_nginx() -> None:
    scene = no_nginx()
    scene.processes.append(process(77, "nginx: master process /opt/web/sbin/webd -p /opt/web/", uid=0))
    verdict = verdict_of(diagnose(scene.snapshot()), DOWN)
    assert isinstance(verdict, Undetermined) and "pid 77" in verdict.missing[0]
    scene.processes[-1] = replace(scene.processes[-1], uid=1000)       # anybody may take the title
    assert roots(diagnose(scene.snapshot())) == [DOWN]


@pytest.mark.parametrize(("state", "meant"), [
    ({}, False), ({"unit_file_state": "enabled"}, True), ({"active_state": "failed", "result": "exit-code"}, True),
])
def test_a_packaged_nginx_that_was_put_to_rest_and_hands_nothing_on_is_not_started(
        state: dict[str, object], *, meant: bool) -> None:
    scene = Scene()
    rest = stopped_service("nginx.service", 80, unit_changes={"unit_file_state": "disabled", **state})
    made = scene.snapshot()
    config = made.nginxes[0].config
    assert isinstance(config, Known)
    bare = replace(made.nginxes[0], service=rest, master_pid=None, worker_pids=(),
                   config=Known(replace(config.value, routes=())))
    diagnosis = diagnose(replace(made, nginxes=(bare,), routes=(), endpoints=(), services=(rest,)))
    verdict = verdict_of(diagnosis, "nginx-down")
    assert isinstance(verdict, Found) is meant
    if not meant:
        assert diagnosis.verdict == "unknown"
        assert isinstance(verdict, Undetermined) and "which nginx should run" in verdict.missing[0]


def test_one_that_was_built_by_hand_and_that_no_unit_starts_is_for_a_person() -> None:
    scene = no_nginx(service=None)
    scene.nginx.update({"binary": "/usr/local/nginx/sbin/nginx"})
    scene.node_changes["local"] = {"init": "systemd"}
    found = finding_of(diagnose(scene.snapshot()), DOWN)
    assert (found.confidence, found.repairs[0].risk) == ("likely", "manual")
    assert "`/usr/local/nginx/sbin/nginx -t`" in found.repairs[0].manual


def test_down_for_a_person() -> None:
    masked = no_nginx(service=nginx_unit(load_state="masked"))
    assert finding_of(diagnose(masked.snapshot()), DOWN).repairs[0].risk == "manual"
    supervised = service("nginx", 80, None, unit=None, manager="supervisord", is_app_server=False)
    assert finding_of(diagnose(no_nginx(service=supervised).snapshot()), DOWN).repairs[0].risk == "manual"


def test_down_because_a_backends_name_is_gone_comes_after_the_backend() -> None:
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "exited", "exit_code": 1},
                log=log_lines('nginx: [emerg] host not found in upstream "app" in /etc/nginx/conf.d/x.conf:3'))
    back = container_service(box={"status": "exited", "pid": 0}, pid=None)
    scene = Scene("app:8000", node="web", back="app").with_service(back).refused(node=None, addresses=Known(()))
    scene.probes[0] = Unknown("nginx does not run")
    scene.nginx.update({"master_pid": None, "service": web, "config": scene.nginx.get("config", Unknown("-"))})
    diagnosis = diagnose(scene.snapshot())
    assert [f.cause for f in diagnosis.findings] == ["backend-down", DOWN]


@pytest.mark.parametrize(("host", "first"), [("app", "backend-down"), ("10.0.0.7", DOWN)])
def test_of_two_stopped_containers_the_one_that_is_asked_by_name_comes_first(host: str, first: str) -> None:
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "exited", "exit_code": 0}, log=Known(()))
    back = container_service(box={"status": "exited", "pid": 0, "exit_code": 0}, pid=None)
    scene = Scene(f"{host}:8000", node="web", back="app").with_service(back).refused(node=None, addresses=Known(()))
    scene.probes[0] = Unknown("nginx does not run")
    scene.nginx.update({"master_pid": None, "worker_pids": (), "service": web})
    scene.listeners.pop(0)
    scene.processes.pop(0)
    diagnosis = diagnose(scene.snapshot())
    assert {f.cause for f in diagnosis.findings} == {"backend-down", DOWN}
    assert diagnosis.findings[0].cause == first
    repair = finding_of(diagnosis, DOWN).repairs[0]
    assert repair.risk == ("safe" if first == DOWN else "manual"), repair.manual


def test_of_a_container_that_restarts_and_a_stopped_nginx_the_latter_is_the_root() -> None:
    """nginx's files mark its server `down`, so no cause asks why it ends; that nginx does not run is proven."""
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "exited", "exit_code": 0}, log=Known(()))
    back = container_service(box={"status": "restarting", "pid": 0, "exit_code": 1, "restart_count": 7}, pid=None)
    scene = Scene("app:8000", node="web", back="app").with_service(back).refused(node=None, addresses=Known(()), down=True)
    scene.probes[0] = Unknown("nginx does not run")
    scene.nginx.update({"master_pid": None, "worker_pids": (), "service": web})
    scene.listeners.pop(0)
    scene.processes.pop(0)
    assert roots(diagnose(scene.snapshot())) == [DOWN]


@pytest.mark.parametrize(("error", "variant", "said"), [
    ("driver failed programming external connectivity on endpoint p-web-1: Bind for 127.0.0.1:8080 failed: port is already "
     "allocated", "nginx-port-taken", "its published port 127.0.0.1:8080 is in use by something else"),
    ("something else", "nginx-stopped", "the engine reports: something else"),
])
def test_a_container_that_the_engine_could_not_start_is_not_started_in_vain(error: str, variant: str, said: str) -> None:
    web = container_service("web", 80, pid=None, is_app_server=False, log=Known(()),
                box={"status": "created", "exit_code": 128, "error": error, "started_at": 0.0})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.probes[0] = Unknown("nginx does not run")
    scene.nginx.update({"master_pid": None, "worker_pids": (), "service": web})
    scene.listeners.pop(0)
    scene.processes.pop(0)
    found = finding_of(diagnose(scene.snapshot()), DOWN)
    assert found.variant == variant and said in found.summary and found.repairs[0].risk == "manual"
    assert "docker compose up -d web" in found.repairs[0].manual


def test_a_name_of_a_service_without_a_container_comes_before_nginx() -> None:
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "exited", "exit_code": 1}, log=log_lines(NO_NAME))
    scene = Scene("app:8000", node="web", back="app").answers(REFUSED)
    scene.endpoint(addresses=Known(()), listener=Unknown("-"), tcp=Unknown("-"), http=Unknown("-"), node=None, configured_service=None)
    scene.probes[0] = Unknown("nginx does not run")
    scene.nginx.update({"master_pid": None, "worker_pids": (), "service": web})
    scene.listeners.pop(0)
    scene.processes.pop(0)
    gone = UncreatedService("app", ("app",), Evidence("file", "/srv/compose.yaml:3", "app:"), ("full",))
    scene.extra = {"compose": Compose("p", "/srv", ("/srv/compose.yaml",), (), (), Known(True), (gone,))}
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["backend-down"]
    found = finding_of(diagnosis, DOWN)
    assert found.role != "root" and not any(repair.risk == "safe" for repair in found.repairs)


@pytest.mark.parametrize(("passed", "upstream", "risk"), [
    ("http://app:8000", "", "manual"), ("http://$where", "", "safe"), ("http://$where", "shop", "manual"),
])
def test_only_a_name_that_nginx_resolves_as_it_starts_must_be_there(passed: str, upstream: str, risk: str) -> None:
    """Of a variable it resolves the name at each request, but for the servers of an upstream block."""
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "exited", "exit_code": 0})
    gone = container_service("app", pid=None, box={"status": "exited", "exit_code": 0})
    scene = Scene("app:8000", node="web", back="app").answers(REFUSED)
    scene.endpoint(addresses=Known(()), listener=Unknown("-"), tcp=Unknown("-"), http=Unknown("-"), node=None,
                   configured_service=gone.id)
    scene.route[0] = {"pass_text": passed, "upstream": upstream}
    scene.probes[0] = Unknown("nginx does not run")
    scene.nginx.update({"master_pid": None, "worker_pids": (), "service": web})
    scene.listeners.pop(0)
    scene.processes.pop(0)
    scene.services += [web, gone]
    assert [repair.risk for repair in finding_of(diagnose(scene.snapshot()), DOWN).repairs] == [risk]


def test_a_service_without_a_container_behind_a_socket_does_not_keep_nginx_from_starting() -> None:
    web = container_service("web", 80, pid=None, is_app_server=False, box={
        "status": "exited", "exit_code": 0, "shares": (("/srv/run", "/run/shop"),)})
    scene = Scene("app:8000", node="web", back="web").answers(REFUSED)
    scene.endpoint(unix="/run/shop/s.sock", host="", port=0, listener=Known(None), tcp=Unknown("-"), http=Unknown("-"),
                   configured_service=None)
    scene.probes[0] = Unknown("nginx does not run")
    scene.nginx.update({"master_pid": None, "worker_pids": (), "service": web})
    scene.listeners.pop(0)
    scene.processes.pop(0)
    scene.with_service(web)
    gone = UncreatedService("app", ("app",), Evidence("file", "/srv/compose.yaml:3", "app:"), sockets=("/srv/run/s.sock",))
    scene.extra = {"compose": Compose("p", "/srv", ("/srv/compose.yaml",), (), (), Known(True), (gone,))}
    assert roots(diagnose(scene.snapshot())) == ["nginx-down", "backend-down"], "each is a fault of its own"


def test_what_only_sleeps_does_not_start() -> None:
    made = container_service(argv=("sleep", "600"), bindings=Known(()), is_app_server=False, runtime="", box={"started_at": NOW - 5})
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    scene.processes[-1] = process(7, "sleep", "600")
    assert roots(diagnose(scene.snapshot())) == ["backend-down"]
    found = finding_of(diagnose(scene.snapshot()), "backend-down")
    assert "runs `sleep 600` and no server" in found.summary and found.repairs[0].risk == "manual"
    lent = container_service("guest", 1, box={"network_mode": "container:" + "app" * 4, "networks": (), "started_at": NOW})
    scene.services.append(lent)      # what only lends its network is not meant itself
    assert "backend-down" not in roots(diagnose(scene.snapshot()))
    scene.services.pop()
    scene.services[0] = replace(made, argv=("uvicorn", "app:app"))
    assert SLOW_START in roots(diagnose(scene.snapshot()))


EMERG = '2027/01/15 08:00:00 [emerg] 1#1: unknown directive "proxy_pas" in /etc/nginx/conf.d/site.conf:3'
NO_NAME = '2027/01/15 08:00:00 [emerg] 1#1: host not found in upstream "app" in /etc/nginx/conf.d/site.conf:1'


@pytest.mark.parametrize("status", ["restarting", "running", "exited"])
def test_what_a_container_refused_is_told_by_its_last_words(status: str) -> None:
    diagnosis = diagnose(ended_box(EMERG, status=status).snapshot())
    assert roots(diagnosis) == [INVALID]
    found = diagnosis.findings[0]
    assert "/etc/nginx/conf.d/site.conf:3" in found.summary and found.repairs[0].risk == "manual"


def test_last_words_about_files_that_changed_since_prove_nothing() -> None:
    diagnosis = diagnose(ended_box(EMERG, status="exited", ago=90000.0).snapshot())
    assert roots(diagnosis) == [DOWN] and diagnosis.findings[0].repairs[0].risk == "safe"


def test_a_configuration_that_was_changed_after_the_last_try_is_tried_at_once() -> None:
    """Docker waits longer and longer between its tries."""
    repair = finding_of(diagnose(ended_box(EMERG, ago=90000.0).snapshot()), DOWN).repairs[0]
    act = repair.steps[0]
    assert isinstance(act, ContainerAction) and (act.verb, repair.risk) == ("restart", "safe")
    assert finding_of(diagnose(ended_box("something odd", ago=90000.0).snapshot()), DOWN).repairs[0].risk == "manual"


@pytest.mark.parametrize(("changes", "risk"), [
    ({}, "safe"), ({"started_at": NOW - 3600}, "manual"), ({"networks": (("other", "172.19.0.2", ("app",)),)}, "manual"),
    ({"networks": (("p_default", "172.18.0.2", ("shop",)),), "service": "shop"}, "manual"), ({"status": "exited"}, "manual"),
])
def test_what_nginx_named_in_vain_and_came_up_since_is_no_reason_to_wait(changes: dict[str, Any], risk: str) -> None:
    scene = ended_box(NO_NAME)
    scene.with_service(container_service("app", box={"started_at": NOW - 10, **changes}))
    repair = finding_of(diagnose(scene.snapshot()), DOWN).repairs[0]
    assert repair.risk == risk, repair
    if risk == "safe":
        act = repair.steps[0]
        assert isinstance(act, ContainerAction) and (act.name, act.verb) == ("p-web-1", "restart")
        assert "p-app-1, which it needs by the name app, started" in repair.summary


def test_an_nginx_that_is_started_in_vain_is_not_started_once_more() -> None:
    repair = finding_of(diagnose(ended_box("something odd").snapshot()), DOWN).repairs[0]
    assert repair.risk == "manual" and "something odd" in repair.manual


def test_a_backend_whose_name_is_gone_comes_before_nginx() -> None:
    scene = Scene("app:8000", node="web", back="app").answers(REFUSED)
    scene.with_service(container_service("app", box={"status": "exited", "exit_code": 1}, pid=None, log=log_lines("ValueError: x")))
    scene.endpoint(addresses=Unknown("no such name"), listener=Unknown("-"), tcp=Unknown("-"), http=Unknown("-"))
    scene.probes[0] = Unknown("nginx does not run")
    web = container_service("web", 80, box={"status": "exited", "exit_code": 1}, pid=None, log=log_lines(NO_NAME), is_app_server=False)
    scene.nginx.update({"master_pid": None, "worker_pids": (), "loaded_at": Unknown("-"), "service": web,
                        "test": Unknown("-")})
    scene.listeners.pop(0)
    scene.processes.pop(0)
    diagnosis = diagnose(scene.snapshot())
    assert isinstance(verdict_of(diagnosis, "crash-loop-gave-up"), Undetermined)
    repair = finding_of(diagnosis, DOWN).repairs[0]
    assert repair.risk == "manual" and "first start p-app-1" in repair.manual


@pytest.mark.parametrize(("there", "said", "risk"), [(True, "in use by container p-thief-1", "manual"), (False, "no container holds it now", "safe")])
def test_whose_the_port_is_that_nginxs_container_was_refused(there: bool, said: str, risk: str) -> None:
    error = "driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: port is already allocated"
    box = {"status": "exited", "exit_code": 128, "error": error, "published": (("0.0.0.0", 80, 80),)}
    web = container_service("web", 80, pid=None, is_app_server=False, box=box)
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app")).with_service(web)
    if there:
        scene.with_service(container_service("thief", 80, is_app_server=False, box={"published": (("127.0.0.1", 80, 80),)}))
    scene.nginx |= {"master_pid": None, "worker_pids": (), "service": web}
    scene.probes[0] = Unknown("nginx does not run")
    scene.extra["target"] = TargetRef("compose", "p")
    scene.listeners = [line for line in scene.listeners if line.port != 80]
    found = finding_of(diagnose(scene.snapshot()), DOWN)
    assert said in found.summary and found.repairs[0].risk == risk


WARM = "warm.service"


def test_an_nginx_that_waits_its_turn_is_not_started_once_more() -> None:
    found = finding_of(diagnose(no_nginx(service=nginx_unit(job=7, blocked_by=(BlockingUnit(WARM, NOW - 5),))).snapshot()), "nginx-down")
    assert "nginx does not run: the start of nginx.service is queued behind warm.service" in found.summary
    assert [(repair.id, repair.risk, repair.steps) for repair in found.repairs] == [("end-wait", "manual", ())]
    assert any(evidence.where == WARM for evidence in found.evidence)


def test_a_cut_look_shows_no_nginx_only_where_a_manager_says_so() -> None:
    """On a busy host another node may run it, which gave no answer in time."""
    unmanaged = replace(no_nginx(service=None).snapshot(), is_cut=True)
    assert isinstance(verdict_of(diagnose(unmanaged), DOWN), Undetermined)
    assert roots(diagnose(replace(unmanaged, is_cut=False))) == [DOWN]
    assert roots(diagnose(replace(no_nginx().snapshot(), is_cut=True))) == [DOWN]


def test_what_a_container_without_its_nginx_does_instead_is_told() -> None:
    """A start script that ends in nginx, and waits before: its first process is a shell with a pause."""
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "running"}, log=log_lines("ready"))
    scene = Scene("127.0.0.1:8000", node="web", back="web").with_service(web)
    scene.processes = [process(1, "/bin/sh", "/srv/start.sh"), process(9, "sleep", "2", ppid=1)]
    scene.listeners = []
    scene.nginx.update({"master_pid": None, "service": web, "test": Known((0, ""))})
    (repair,) = finding_of(diagnose(scene.snapshot()), DOWN).repairs
    assert "its first process is `/bin/sh /srv/start.sh`, which runs `sleep 2` now" in repair.manual
