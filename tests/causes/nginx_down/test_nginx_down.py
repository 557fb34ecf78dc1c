"""nginx-down, nginx-config-invalid, nginx-not-reloaded and slow-start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Found, RuledOut, Undetermined
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.nginx_config import PIPE, ConfigProblem, Listen, Span
from fixer.model.plan import CheckNginx, ContainerAction, ReloadNginx, SignalProcess, StartNginx, UnitAction, WriteFile
from fixer.model.snapshot import Compose, ProbeResult, UncreatedService
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    REFUSED,
    SITE,
    STOPPED,
    Scene,
    container_service,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    process,
    roots,
    service,
    stat,
    stopped_service,
    supervised_service,
    unit,
    verdict_of,
    wrong_port_scene,
)

DOWN, INVALID, OLD, SLOW_START = "nginx-down", "nginx-config-invalid", "nginx-not-reloaded", "slow-start"


def nginx_unit(**changes: object) -> object:
    return service("nginx.service", 80, None, unit=unit("nginx.service", **{**STOPPED, **changes}),   # type: ignore[arg-type]
                   is_app_server=False, bindings=Known(()))


def no_nginx(**nginx: object) -> Scene:
    scene = healthy_scene().answers(REFUSED)
    scene.listeners.pop(0)
    scene.processes.pop(0)
    scene.nginx.update({"master_pid": None, "worker_pids": (), "loaded_at": Unknown("not running"),
                        "service": nginx_unit(), "test": Known((0, "ok"))})
    scene.nginx.update(nginx)
    return scene


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


@pytest.mark.parametrize(("error", "variant", "said"), [
    ("driver failed programming external connectivity on endpoint p-web-1: Bind for 127.0.0.1:8080 failed: port is already "
     "allocated", "nginx-port-taken", "127.0.0.1:8080, which it is to publish, is taken"),
    ("something else", "nginx-stopped", "the engine says: something else"),
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


def refuses(text: str, **nginx: object) -> Scene:
    scene = no_nginx(**nginx) if nginx.pop("down", True) else healthy_scene()
    scene.nginx["test"] = Known((1, text))
    return scene


UNEXPECTED = f'nginx: [emerg] unexpected "}}" in {SITE}:4\nnginx: configuration file /etc/nginx/nginx.conf test failed\n'


def test_invalid_hit_explains_that_nginx_is_down() -> None:
    scene = refuses(UNEXPECTED)
    scene.problems = (ConfigProblem("unexpected", "x", SITE, 4, near=3),)
    diagnosis = diagnose(scene.snapshot())
    assert [(f.cause, f.role) for f in diagnosis.findings] == [(INVALID, "root"), (DOWN, "consequence")]
    found = diagnosis.findings[0]
    assert found.evidence[0].where == f"{SITE}:4" and found.repairs[0].risk == "manual"
    assert f"{SITE}:3" in found.repairs[0].manual and found.evidence[1].where == f"{SITE}:3"


@pytest.mark.parametrize("down", [True, False])
def test_a_pipe_that_is_included_needs_no_word_of_nginx(down: bool) -> None:
    """It would give none: it waits there for whoever writes into it."""
    scene = no_nginx() if down else healthy_scene()
    scene.nginx["test"] = Unknown("nginx -t would wait for ever")
    scene.problems = (ConfigProblem(PIPE, '"/etc/nginx/conf.d/x.conf" is a pipe (FIFO), where nginx waits for ever', SITE, 4),)
    found = diagnose(scene.snapshot()).findings
    assert [(f.cause, f.role) for f in found] == ([(INVALID, "root"), (DOWN, "consequence")] if down else [(INVALID, "advice")])
    assert "waits for ever" in found[0].summary and not any(f.repairs for f in found[1:])


def test_a_file_that_nginx_cannot_use_is_shown_where_it_is_named() -> None:
    words = 'cannot load certificate "/etc/ssl/shop.pem": BIO_new_file() failed (SSL: error:80000002:system library)'
    scene = refuses(f"nginx: [emerg] {words}\nnginx: configuration file /etc/nginx/nginx.conf test failed\n")
    page = scene.files[0]
    text = b"# /etc/ssl/shop.pem\nserver {\n    ssl_certificate /etc/ssl/shop.pem;\n"
    scene.files[0] = replace(page, data=text + page.data)
    found = finding_of(diagnose(scene.snapshot()), INVALID)
    assert found.evidence[1].where == f"{SITE}:3" and f"{SITE}:3" in found.repairs[0].manual
    scene.files[0] = page
    assert "/etc/nginx/nginx.conf" in finding_of(diagnose(scene.snapshot()), INVALID).summary


def test_invalid_while_pages_answer_is_advice() -> None:
    scene = healthy_scene()
    scene.nginx["test"] = Known((1, UNEXPECTED))
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "healthy"
    assert [(f.cause, f.role, f.repairs) for f in diagnosis.findings] == [(INVALID, "advice", ())]


def test_invalid_beside_another_fault_contributes() -> None:
    scene = Scene().with_service(stopped_service()).refused()
    scene.nginx["test"] = Known((1, UNEXPECTED))
    assert [(f.cause, f.role) for f in diagnose(scene.snapshot()).findings] == [
        ("backend-down", "root"), (INVALID, "contributing")]


def test_invalid_miss_and_unknown() -> None:
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), INVALID), RuledOut)
    tested = healthy_scene()
    tested.nginx["test"] = Known((0, "ok"))
    assert isinstance(verdict_of(diagnose(tested.snapshot()), INVALID), RuledOut)
    blind = healthy_scene()
    blind.nginx["config"] = Unknown("not root")
    assert isinstance(verdict_of(diagnose(blind.snapshot()), INVALID), Undetermined)
    for text in ("nginx: [emerg] host not found in upstream \"app\" in /x:1", "nginx: [emerg] bind() to 0.0.0.0:80 failed"):
        assert isinstance(verdict_of(diagnose(refuses(text).snapshot()), INVALID), Undetermined | RuledOut)


def test_invalid_by_our_own_reading_where_nginx_could_not_be_asked() -> None:
    scene = no_nginx(test=Unknown("no binary"))
    scene.problems = (ConfigProblem("unterminated", "no semicolon", SITE, 5, near=3),)
    found = finding_of(diagnose(scene.snapshot()), INVALID)
    assert found.confidence == "likely" and "no semicolon" in found.summary
    quoted = [e for e in found.evidence if e.source == "nginx-config"]
    assert quoted and all("no semicolon" not in e.text for e in quoted)      # the lines themselves, not our words
    assert finding_of(diagnose(refuses("what?").snapshot()), INVALID).evidence[0].text == "what?"


@pytest.mark.parametrize(("said", "told"), [
    ('open() "/var/log/nginx/error.log" failed (2: No such file or directory)', "make the folder /var/log/nginx again"),
    ('open() "/var/log/nginx/error.log" failed (2: No such file or directory)', "LogsDirectory=nginx"),
    ('open() "/etc/nginx/snippets/tls.conf" failed (2: No such file or directory)', "put /etc/nginx/snippets/tls.conf back"),
    ('cannot load certificate key "/etc/ssl/k.pem": BIO_new_file() failed (SSL: error:80000002:system library::'
     "No such file or directory:calling fopen(/etc/ssl/k.pem, r))", "put /etc/ssl/k.pem back, or correct"),
    ('dlopen() "/usr/lib/m.so" failed (/usr/lib/m.so: cannot open shared object file: No such file or directory)',
     "put /usr/lib/m.so back"),
    ('open() "/var/log/nginx/error.log" failed (13: Permission denied)', ""), ('unknown directive "proxy_pas"', ""),
])
def test_what_is_gone_is_put_back_and_the_line_that_names_it_may_be_right(said: str, told: str) -> None:
    found = diagnose(refuses(f"nginx: [emerg] {said} in {SITE}:4\n").snapshot()).findings
    manual = " ".join(r.manual for f in found for r in f.repairs)
    assert told in manual and ("again" in manual or "back" in manual) is bool(told)


GONE = "/etc/nginx/sites-enabled/gone"
DANGLING = f'nginx: [emerg] open() "{GONE}" failed (2: No such file or directory) in /etc/nginx/nginx.conf:60'


def dangling(scene: Scene) -> Scene:
    link = stat(kind="link", link_target="/etc/nginx/sites-available/gone")
    scene.node_changes.setdefault(scene.node, {})["files"] = ((GONE, link), (f"{GONE}2", link), ("/x", stat()))
    return scene


def test_a_dangling_link_is_removed() -> None:
    found = finding_of(diagnose(dangling(refuses(DANGLING)).snapshot()), INVALID)
    assert (found.variant, found.repairs[0].risk) == ("sites-enabled-dangling", "safe")
    first, second, check, start, _ = found.repairs[0].steps
    assert isinstance(first, WriteFile) and isinstance(second, WriteFile) and isinstance(check, CheckNginx)
    assert (first.path, first.after, first.link_target) == (GONE, None, "/etc/nginx/sites-available/gone")
    assert isinstance(start, UnitAction)
    running = dangling(Scene().with_service(stopped_service()).refused())
    running.nginx["test"] = Known((1, DANGLING))
    steps = finding_of(diagnose(running.snapshot()), INVALID).repairs[0].steps
    assert isinstance(steps[-1], ReloadNginx)


def test_the_link_of_the_only_site_is_not_removed() -> None:
    """nginx would start and listen nowhere, and the site would be gone from its folder too."""
    scene = refuses(DANGLING)
    config = scene.snapshot().nginxes[0].config
    assert isinstance(config, Known)
    scene.nginx["config"] = Known(replace(config.value, routes=()))
    repair = finding_of(diagnose(dangling(scene).snapshot()), INVALID).repairs[0]
    assert (repair.risk, repair.steps) == ("manual", ()) and "put /etc/nginx/sites-available/gone back" in repair.manual


def test_a_dangling_link_that_is_none_or_lies_in_a_container() -> None:
    assert finding_of(diagnose(refuses(DANGLING).snapshot()), INVALID).variant == "nginx-config-invalid"
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "running"})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.nginx.update({"master_pid": None, "service": web, "test": Known((1, DANGLING))})
    assert finding_of(diagnose(dangling(scene).snapshot()), INVALID).repairs[0].risk == "manual"


def test_a_check_that_ends_without_a_word_is_told_as_that() -> None:
    scene = healthy_scene().answers(REFUSED)
    scene.nginx.update(master_pid=None, test=Known((-11, "")))
    found = finding_of(diagnose(scene.snapshot()), INVALID)
    assert "without a word" in found.summary and "''" not in found.summary + found.repairs[0].manual


def edited(**nginx: object) -> Scene:
    """The file is right and younger than the workers; pages still fail."""
    scene = healthy_scene().answers(BAD_GATEWAY).logs("connect() failed (111: Connection refused)", 111, "connecting to upstream")
    scene.nginx.update({"config_mtime": Known(NOW - 60), **nginx})
    return scene


def test_old_hit() -> None:
    diagnosis = diagnose(edited().snapshot())
    assert roots(diagnosis) == [OLD]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("config-edited-not-reloaded", "certain", "safe")
    check, reload = found.repairs[0].steps
    assert isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx) and not reload.explicit


def test_old_miss_and_unknown() -> None:
    for scene in (healthy_scene(), edited(config_mtime=Known(NOW - 7200)), wrong_port_scene(), edited(test=Known((1, UNEXPECTED))),
                  edited().endpoint(http=Known(REFUSED))):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), OLD), RuledOut)
    for scene in (edited(config_mtime=Unknown("denied")), edited().endpoint(http=Unknown("--no-probe"))):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), OLD), Undetermined)


def test_old_and_answering_is_no_fault() -> None:
    scene = healthy_scene()
    scene.nginx["config_mtime"] = Known(NOW - 60)
    assert diagnose(scene.snapshot()).findings == ()
    empty = wrong_port_scene().answers(GOOD)
    empty.events.clear()
    empty.nginx["config_mtime"] = Known(NOW - 60)
    diagnosis = diagnose(empty.snapshot())
    assert diagnosis.verdict == "healthy"
    assert [(f.cause, f.role, f.repairs) for f in diagnosis.findings] == [(OLD, "advice", ())]
    empty.nginx["loaded_at"] = Unknown("denied")
    assert diagnose(empty.snapshot()).findings == ()


@pytest.mark.parametrize(("heard", "told"), [
    (probe(error="tls"), "speak TLS and nobody takes it"), (probe(400, body="Client sent an HTTP request to an HTTPS server."),
                                                            "takes TLS only"), (probe(error="slow"), ""), (GOOD, ""),
])
def test_pages_that_the_next_reload_would_break(heard: ProbeResult, told: str) -> None:
    """A repair ended well, and the next restart read what somebody had written before: it is said beforehand."""
    scene = healthy_scene().answers(GOOD).endpoint(http=Known(heard))
    scene.nginx["config_mtime"] = Known(NOW - 60)
    diagnosis = diagnose(scene.snapshot())
    advice = [f.summary for f in diagnosis.findings if f.cause == OLD]
    assert diagnosis.verdict == "healthy" and [told in text for text in advice] == ([True] if told else [])


@pytest.mark.parametrize("loaded", [3000.0, 60.2, 59.8])
def test_a_reload_that_could_not_bind(loaded: float) -> None:
    """Also where file and workers are so close that which came first cannot be told."""
    scene = edited(loaded_at=Known(NOW - loaded))
    scene.listeners.append(listener(80, 700, "10.0.0.1"))
    scene.processes.append(process(700, "apache2"))
    scene.logs("bind() to 0.0.0.0:80 failed (98: Address already in use)", 98, "", ago=30)
    scene.events[-1] = replace(scene.events[-1], level="emerg")
    found = finding_of(diagnose(scene.snapshot()), OLD)
    assert found.variant == "reload-bind-failed" and found.repairs[0].risk == "disruptive" and not found.repairs[0].steps
    end, check, reload = finding_of(diagnose(scene.snapshot(), {"stop": "apache2"}), OLD).repairs[0].steps
    assert isinstance(end, SignalProcess) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)


@pytest.mark.parametrize(("mtime", "found"), [(Known(NOW - 60.0), True), (Unknown("denied"), False)])
def test_a_reload_that_could_not_bind_and_a_new_address_that_nobody_knows(mtime: Fact[float], found: bool) -> None:
    """The name that the new files hold leads nowhere: the reload has to be made first, or no other repair is read."""
    scene = edited(config_mtime=mtime, loaded_at=Known(NOW - 3000.0), test=Known((0, "ok")))
    scene.endpoint(tcp=Unknown("no address"), http=Unknown("no address"), listener=Unknown("no address"))
    scene.listeners.append(listener(80, 700, "10.0.0.1"))
    scene.processes.append(process(700, "apache2"))
    scene.logs("bind() to 0.0.0.0:80 failed (98: Address already in use)", 98, "", ago=30)
    scene.events[-1] = replace(scene.events[-1], level="emerg")
    told = [f for f in diagnose(scene.snapshot()).findings if f.cause == OLD]
    assert [(f.variant, f.confidence) for f in told] == ([("reload-bind-failed", "likely")] if found else [])


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


@pytest.mark.parametrize(("new", "said"), [
    ("{ proxy_pass http://app:9009; }", "hands pages to app:9009, where nothing listens"),
    ("{ proxy_pass http://elsewhere:9009; }", "hands pages to elsewhere:9009"),
    ("{ proxy_pass http://app:8000 }", "which nginx would refuse"), ("{ proxy_pass http://app:8000; } #", "takes the new one"),
    ("", ""), (None, "takes the new one"),
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


def test_an_explicit_configuration_is_named_when_it_is_checked() -> None:
    scene = edited()
    scene.processes[0] = process(100, "nginx: master process /usr/sbin/nginx -c /opt/n.conf")
    assert all(step.explicit for step in finding_of(diagnose(scene.snapshot()), OLD).repairs[0].steps)   # type: ignore[union-attr]
    other = edited(conf_path="/opt/nginx.conf")
    assert all(step.explicit for step in finding_of(diagnose(other.snapshot()), OLD).repairs[0].steps)   # type: ignore[union-attr]


def starting(**changes: object) -> Scene:
    values = {"active_enter": NOW - 5, "state_change": NOW - 5, **changes}
    return Scene().with_service(service(unit_changes=values)).refused()


def test_slow_start_hit_waits() -> None:
    diagnosis = diagnose(starting().snapshot())
    assert roots(diagnosis) == [SLOW_START] and diagnosis.findings[0].repairs[0].waits
    assert roots(diagnose(starting(active_state="activating", sub_state="start").snapshot())) == [SLOW_START]


@pytest.mark.parametrize("ago", [5, 400])
def test_slow_start_hit_before_the_program(ago: float) -> None:
    """What a unit runs first may take minutes: systemd itself says that the program's turn has not come."""
    before = {"active_state": "activating", "sub_state": "start-pre", "active_enter": 0.0, "state_change": NOW - ago}
    diagnosis = diagnose(starting(**before).snapshot())
    assert roots(diagnosis) == [SLOW_START]
    (found,) = diagnosis.findings
    assert found.variant == "start-execstartpre-long" and found.confidence == "certain" and found.repairs[0].waits
    waiting = starting(**before)
    waiting.processes[-1:] = [process(200, "/usr/bin/python3", "/srv/migrate.py", started_at=NOW - ago)]
    told = diagnose(waiting.snapshot()).findings[0].detail
    assert "/srv/migrate.py" in told[0] and (len(told) == 2) is (ago > 15)      # what it waits for is a person's to see
    late = starting(**{**before, "sub_state": "start", "state_change": NOW - 400})
    assert isinstance(verdict_of(diagnose(late.snapshot()), SLOW_START), RuledOut)


def test_slow_start_miss_and_unknown() -> None:
    for scene in (healthy_scene(), starting(active_enter=NOW - 3600), starting(n_restarts=4), wrong_port_scene()):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), SLOW_START), RuledOut)
    bare = Scene().with_service(service(unit=None, manager="none")).refused()
    assert isinstance(verdict_of(diagnose(bare.snapshot()), SLOW_START), RuledOut)
    blind = starting().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(blind.snapshot()), SLOW_START), Undetermined)


@pytest.mark.parametrize(("state", "ago", "restarts", "says", "expected"), [
    ("RUNNING", 5, 0, "Started server process [300]", [SLOW_START]),
    ("RUNNING", 400, 0, "Started server process [300]", []),
    ("STARTING", 1, 0, "Started server process [300]", [SLOW_START]),
    # it opened its socket between two questions
    ("STARTING", 1, 3, "Uvicorn running on http://127.0.0.1:8000", [SLOW_START]),
    ("STARTING", 1, 3, "LedgerError: no shop", ["crash-loop-gave-up"]),
])
def test_slow_start_hit_and_miss_under_supervisord(
    state: str, ago: float, restarts: int, says: str, expected: list[str],
) -> None:
    made = supervised_service(state, program={"started_at": NOW - ago, "restarts": restarts}, log=log_lines(says, ago=0.5))
    diagnosis = diagnose(Scene().with_service(replace(made, pids=(300,))).refused().snapshot())
    assert roots(diagnosis) == expected
    assert expected[:1] != [SLOW_START] or diagnosis.findings[0].repairs[0].waits


@pytest.mark.parametrize(("ago", "above", "expected"), [
    (5, "/usr/bin/bash", [SLOW_START]), (400, "/usr/bin/bash", []), (5, "/usr/bin/runsvdir", []), (5, "runsv", []),
])
def test_slow_start_hit_and_miss_of_a_program_that_somebody_started(
    ago: float, above: str, expected: list[str],
) -> None:
    scene = Scene().with_service(service(unit=None, manager="none")).refused()
    scene.processes[-1:] = [process(90, above, uid=0), process(200, started_at=NOW - ago, ppid=90, uid=0)]
    assert roots(diagnose(scene.snapshot())) == expected


@pytest.mark.parametrize(("port", "holder", "confidence"), [
    (3032, None, "possible"),      # nobody may see whose it is, and nobody is told to open it
    (3032, 900, "likely"), (80, None, "likely"), (9000, None, "likely"),
])
def test_a_start_is_only_possible_beside_a_socket_whose_holder_is_not_to_be_seen(
    port: int, holder: int | None, confidence: str,
) -> None:
    scene = starting().with_service(service("other.service", 9000, 300))
    scene.listeners = [*scene.listeners[1:], listener(port, holder)]
    (found,) = [f for f in diagnose(scene.snapshot()).findings if f.cause == SLOW_START]
    assert found.confidence == confidence and found.repairs[0].waits
    assert any(f"127.0.0.1:{port} is not to be seen" in line for line in found.detail) is (confidence == "possible")


def test_the_files_of_a_stale_mount_are_compared() -> None:
    assert file(SITE, "x").stat.nlink == 1


EMERG = '2027/01/15 08:00:00 [emerg] 1#1: unknown directive "proxy_pas" in /etc/nginx/conf.d/site.conf:3'
NO_NAME = '2027/01/15 08:00:00 [emerg] 1#1: host not found in upstream "app" in /etc/nginx/conf.d/site.conf:1'


def ended_box(words: str, *, status: str = "restarting", ago: float = 30.0) -> Scene:
    """An nginx whose container ends again and again, and can be asked nothing."""
    box = container_service("web", 80, box={"status": status, "restart_count": 4, "restart_policy": "always", "exit_code": 1},
                pid=None, log=log_lines(words, ago=ago), is_app_server=False)
    return no_nginx(service=box, test=Unknown("not running"))


@pytest.mark.parametrize("status", ["restarting", "running", "exited"])
def test_what_a_container_refused_is_told_by_its_last_words(status: str) -> None:
    diagnosis = diagnose(ended_box(EMERG, status=status).snapshot())
    assert roots(diagnosis) == [INVALID]
    found = diagnosis.findings[0]
    assert "/etc/nginx/conf.d/site.conf:3" in found.summary and found.repairs[0].risk == "manual"


FOLDER = '2027/01/15 08:00:00 [crit] 1#1: pread() "/etc/nginx/conf.d/site.conf" failed (21: Is a directory)'


def test_a_folder_that_docker_made_in_place_of_a_file_is_told_with_its_place_on_the_host() -> None:
    """nginx ends over it with a [crit] and no [emerg]: to start it again is in vain."""
    scene = ended_box(FOLDER, status="exited")
    web = scene.nginx["service"]
    mounts = (("/srv/shop/site.conf", "/etc/nginx/conf.d/site.conf", True),)
    scene.nginx["service"] = replace(web, container=replace(web.container, mounts=mounts))
    scene.services = [scene.nginx["service"] if s.name == web.name else s for s in scene.services]
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [INVALID]
    repair = diagnosis.findings[0].repairs[0]
    assert repair.risk == "manual" and "rmdir /srv/shop/site.conf" in repair.manual
    asked = refuses('nginx: [crit] pread() "/etc/nginx/conf.d" failed (21: Is a directory)\n')
    assert "is a folder where a file is meant" in finding_of(diagnose(asked.snapshot()), INVALID).repairs[0].manual


def test_a_variable_that_was_left_in_a_template_is_told_with_its_line_and_where_it_comes_from() -> None:
    """envsubst leaves alone what the container has no variable for; nginx says the name in small letters, and no line."""
    scene = ended_box('2027/01/15 08:00:00 [emerg] 1#1: unknown "back_port" variable', status="exited")
    read = scene.files[0]
    scene.files[0] = replace(read, data=read.data.replace(b"127.0.0.1:8000", b"app:${BACK_PORT}"))
    line = scene.files[0].data.partition(b"${BACK")[0].count(b"\n") + 1
    name = read.real_path.rpartition("/")[2]
    scene.node_changes["local"] = {"files": ((f"/etc/nginx/templates/{name}.template", stat()),)}
    found = diagnose(scene.snapshot()).findings[0]
    assert f"{name}:{line}: " in found.summary
    assert f"of /etc/nginx/templates/{name}.template and its variables" in found.repairs[0].manual


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
        assert "p-app-1 came up" in repair.summary


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
    assert repair.risk == "manual" and "start p-app-1 first" in repair.manual


@pytest.mark.parametrize(("there", "said", "risk"), [(True, "taken by container p-thief-1", "manual"), (False, "is no container's now", "safe")])
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


def test_an_unhealthy_container_that_answers_is_advice_and_no_fault() -> None:
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box={"health": "unhealthy", "health_exit": 7}), listener(8000, 7, "0.0.0.0", "app"))
    diagnosis = diagnose(scene.snapshot())
    found = finding_of(diagnosis, SLOW_START)
    assert (found.variant, found.role, found.repairs, diagnosis.verdict) == ("container-unhealthy", "advice", (), "healthy")
    assert "exit code 7" in found.evidence[0].text
    for health in ("healthy", None):
        well = Scene("app:8000", node="web", back="app").with_service(
            container_service(box={"health": health}), listener(8000, 7, "0.0.0.0", "app"))
        assert isinstance(verdict_of(diagnose(well.snapshot()), SLOW_START), RuledOut)


def test_an_edit_and_its_own_reload_closer_than_clocks_tell_are_no_missing_reload() -> None:
    for late, expected in ((0.2, []), (30.0, [OLD])):
        scene = healthy_scene().answers(BAD_GATEWAY).logs("bind(10.0.0.9) failed (99)", 99, "connecting to upstream")
        scene.nginx.update(loaded_at=Known(NOW - 40), config_mtime=Known(NOW - 40 + late))
        assert roots(diagnose(scene.snapshot())) == expected


@pytest.mark.parametrize(("asked", "late", "found"), [
    ("http://127.0.0.1:8022/login", 0.2, True), ("http://127.0.0.1:8022/login", -0.3, True), ("http://127.0.0.1:8000/", 0.2, False),
    ("http://127.0.0.1:8022/login", -5.0, False), ("", 0.2, False), ("http://unix:/run/old.sock:/login", 0.2, True),
])
def test_an_edit_right_after_a_reload_is_told_by_where_nginx_asks(asked: str, late: float, found: bool) -> None:
    scene = healthy_scene().answers(BAD_GATEWAY).logs("connect() failed (111: Connection refused)", 111, "connecting to upstream")
    scene.events[0] = replace(scene.events[0], upstream=asked)
    scene.nginx.update(loaded_at=Known(NOW - 40), config_mtime=Known(NOW - 40 + late))
    if late > 0:        # what it asked for before the edit says nothing, in the same second neither
        ago = 40.1
        scene.events[0] = replace(scene.events[0], at=NOW - ago)
        scene.logs("connect() failed (111: Connection refused)", 111, "connecting to upstream", ago=ago)
        scene.events.insert(0, replace(scene.events.pop(), upstream="http://127.0.0.1:8000/login", where="/var/log/nginx/error.log:0"))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == (["nginx-not-reloaded"] if found else [])
    if found:
        assert diagnosis.findings[0].confidence == "likely" and diagnosis.findings[0].repairs[0].risk == "safe"


def test_an_address_that_is_gone_is_what_nginx_lacks() -> None:
    """As nginx said it in its unit's journal; the kernel has no such address, the configuration wants it."""
    said = "nginx: [emerg] bind() to 10.44.0.9:80 failed (99: Cannot assign requested address)"
    listen = Listen("10.44.0.9", 80, False, False, False, Span(SITE, 2, 0, 0))
    for addresses, told in ((("127.0.0.1",), True), (("127.0.0.1", "10.44.0.9"), False)):
        scene = no_nginx()
        scene.route[0] = {"listens": (listen,)}
        scene.node_changes["local"] = {"addresses": addresses}
        scene.nginx.update(master_pid=None, worker_pids=(), service=failed_service("nginx.service", 80, log=log_lines(said)))
        found = finding_of(diagnose(scene.snapshot()), "nginx-down")
        assert ("10.44.0.9:80, an address that local does not have" in found.summary) is told
        assert (found.repairs[0].risk == "manual") is told


@pytest.mark.parametrize(("asked", "error", "found"), [
    ("http://127.0.0.1:8022/login", "slow", True), ("http://127.0.0.1:8000/login", "slow", False),
    ("http://127.0.0.1:8022/login", "reset", False), ("", "slow", False),
])
def test_an_older_configuration_hides_that_its_new_address_hangs(asked: str, error: str, found: bool) -> None:
    """A stopped process takes connections: who asks it waits, and who is refused at once has asked elsewhere."""
    scene = edited().endpoint(http=Known(probe(error=error)))
    scene.events[0] = replace(scene.events[0], upstream=asked)
    diagnosis = diagnose(scene.snapshot())
    assert (OLD in roots(diagnosis)) is found
    if found:
        first = finding_of(diagnosis, OLD)
        assert "accepts connections" in first.summary and first.repairs[0].risk == "safe"
