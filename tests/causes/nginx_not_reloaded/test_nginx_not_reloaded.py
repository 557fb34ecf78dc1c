"""Tests of fixer/causes/nginx_not_reloaded/__init__.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.precedence import weigh_hidden
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.nginx_config import Listen, Span, UpstreamServer
from fixer.model.plan import CheckNginx, ReloadNginx, SignalProcess
from tests.causes.nginx_down.nginx_down_builders import OLD, UNEXPECTED, edited, no_nginx
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NGINX_PID,
    NOW,
    REFUSED,
    SITE,
    SLOW,
    Scene,
    at_level,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    process,
    roots,
    stopped_service,
    verdict_of,
    wrong_port_scene,
)

# Lines of the log and the routes they can belong to: looked up, with the outcome of comparing each with each.


def test_of_two_nginxes_on_one_node_the_one_that_serves_the_route_is_reloaded() -> None:
    """Its own log and its own age count too."""
    snapshot = wrong_port_scene().snapshot()
    (ours,), (facts,) = snapshot.nginxes, snapshot.routes
    other = replace(ours, binary="/opt/o/sbin/openresty", conf_path="/opt/o/conf/nginx.conf", master_pid=900,
                    worker_pids=(901,), loaded_at=Known(NOW - 9000), errors=Known(()))
    facts = replace(facts, conf=ours.conf_path)
    for nginxes in ((ours, other), (other, ours)):
        diagnosis = diagnose(replace(snapshot, nginxes=nginxes, routes=(facts,)))
        assert roots(diagnosis) == ["wrong-port"]
        assert [s.master_pid for s in diagnosis.findings[0].repairs[0].steps if isinstance(s, ReloadNginx)] == [NGINX_PID]
        assert any(e.source == "nginx-log" for e in diagnosis.findings[0].evidence)


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


def waiting(loaded_ago: float = 3000.0) -> Scene:
    """The page waits, while the address in its file refuses at once, and the service there has failed."""
    scene = Scene().with_service(failed_service(log=log_lines("SyntaxError: invalid syntax"))).refused().answers(SLOW)
    scene.events.clear()
    scene.nginx.update(config_mtime=Known(NOW - 60), loaded_at=Known(NOW - loaded_ago))
    return scene


def test_a_page_that_waits_though_its_address_refuses_is_that_of_an_older_configuration() -> None:
    """nginx has logged nothing yet: it waits a minute. What is at fault at the address in the file comes behind it."""
    diagnosis = diagnose(waiting().snapshot())
    found = finding_of(diagnosis, OLD)
    assert (found.role, found.confidence, found.repairs[0].id) == ("root", "likely", "reload-nginx")
    assert "its page waits, while that address refuses at once" in found.summary
    hidden = {check.cause: check.verdict for check in weigh_hidden(diagnosis)}
    assert isinstance(hidden["firewall-drop"], Undetermined) and isinstance(hidden["crash-code-error"], Undetermined)


@pytest.mark.parametrize("scene", [
    waiting().answers(BAD_GATEWAY), waiting().answers(SLOW, BAD_GATEWAY), waiting(30.0),
    waiting().endpoint(listener=Known(listener(8000, 200)), tcp=Known(GOOD)),
])
def test_a_page_that_its_address_explains_is_no_word_on_the_load(scene: Scene) -> None:
    assert not any(found.cause == OLD for found in diagnose(scene.snapshot()).findings)


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


@pytest.mark.parametrize("loaded", [3000.0, 60.2, 59.8])
def test_a_reload_that_could_not_bind(loaded: float) -> None:
    """Also where file and workers are so close that which came first cannot be told."""
    scene = edited(loaded_at=Known(NOW - loaded))
    scene.listeners.append(listener(80, 700, "10.0.0.1"))
    scene.processes.append(process(700, "apache2"))
    scene.logs("bind() to 0.0.0.0:80 failed (98: Address already in use)", 98, "", ago=30)
    scene.events[-1] = at_level(scene.events[-1], "emerg")
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
    scene.events[-1] = at_level(scene.events[-1], "emerg")
    told = [f for f in diagnose(scene.snapshot()).findings if f.cause == OLD]
    assert [(f.variant, f.confidence) for f in told] == ([("reload-bind-failed", "likely")] if found else [])


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


@pytest.mark.parametrize(("asked", "worker", "change", "confidence"), [
    ("http://127.0.0.1:8022/login", 101, "", "certain"), ("http://unix:/run/old.sock:/login", 101, "", "certain"),
    ("http://127.0.0.1:8022/login", 99, "", "likely"),            # an older worker that ends its connections
    ("http://127.0.0.1:8022/login", 101, "# 8022\n", "likely"),   # a file has it
    ("http://127.0.0.1:8022/login", 101, "server a service=x resolve;\n", "likely"),
    ("http://127.0.0.1:8022/login", 101, "unread", "likely"),
    ("http://127.0.0.1:8022/login", 101, "$office", "likely"),    # no file says what it holds
    ("http://127.0.0.1:8022/login", 101, "$where", "certain"),    # a map, each of whose values a file has
])
def test_a_line_after_the_load_proves_the_old_configuration(
    asked: str, worker: int, change: str, confidence: str,
) -> None:
    scene = healthy_scene().answers(BAD_GATEWAY).logs("connect() failed (111: Connection refused)", 111, "connecting to upstream", ago=30)
    scene.events = [replace(event, upstream=asked, raw=f"2026/01/01 00:00:00 [error] {worker}#{worker}: *5 {event.message}")
                    for event in scene.events]
    scene.nginx.update(loaded_at=Known(NOW - 40), config_mtime=Known(NOW - 39.8))
    if change.startswith("$"):
        server = UpstreamServer("127.0.0.1:8000", "127.0.0.1", 8000, None, Span(SITE, 4, 0, 0), chosen_by="config")
        open_one = replace(server, variable="office") if change == "$office" else server
        scene.route[0] = {"pass_text": f"http://{change}", "servers": (open_one,)}
        scene.files.append(file("/etc/nginx/nginx.conf", "map $host $where { default 127.0.0.1:8000; }\n"))
    elif change != "unread":
        scene.files.append(file("/etc/nginx/nginx.conf", change))
    found = finding_of(diagnose(scene.snapshot()), OLD)
    assert found.confidence == confidence
    assert ("since its last load it connects to" in found.summary) is (confidence == "certain")


@pytest.mark.parametrize(("asked", "first"), [("http://127.0.0.1:8022/login", OLD), ("http://127.0.0.1:8000/login", "backend-down")])
def test_an_older_configuration_is_met_before_the_service_that_is_down(asked: str, first: str) -> None:
    """A start of it would change nothing that visitors see: nginx asks its former port."""
    scene = Scene().with_service(stopped_service("backend.service", 8000)).refused()
    scene.events = [replace(event, upstream=asked, raw=f"2026/01/01 00:00:00 [error] 101#101: *5 {event.message}") for event in scene.events]
    scene.nginx.update(loaded_at=Known(NOW - 40), config_mtime=Known(NOW - 20))
    scene.files.append(file("/etc/nginx/nginx.conf", "include sites-enabled/*;\n"))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis)[0] == first and "backend-down" in roots(diagnosis)
    if first == OLD:
        found = finding_of(diagnosis, OLD)
        assert "where nothing listens now" in found.summary and found.confidence == "certain"


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
        assert ("10.44.0.9:80, but local does not have that address" in found.summary) is told
        assert (found.repairs[0].risk == "manual") is told


@pytest.mark.parametrize(("asked", "error", "found"), [
    ("http://127.0.0.1:8022/login", "slow", True), ("http://127.0.0.1:8000/login", "slow", False),
    ("http://127.0.0.1:8022/login", "reset", True), ("http://127.0.0.1:8000/login", "reset", False),
    ("http://127.0.0.1:8022/login", "closed", True), ("", "closed", False), ("", "slow", False),
])
def test_an_older_configuration_hides_that_its_new_address_gives_no_answer(asked: str, error: str, found: bool) -> None:
    """Who accepts connections refuses none: who is refused has asked elsewhere."""
    scene = edited().endpoint(http=Known(probe(error=error)))
    scene.events[0] = replace(scene.events[0], upstream=asked)
    diagnosis = diagnose(scene.snapshot())
    assert (OLD in roots(diagnosis)) is found
    if found:
        first = finding_of(diagnosis, OLD)
        assert "accepts connections" in first.summary and first.repairs[0].risk == "safe"


@pytest.mark.parametrize(("asked", "found"), [("uwsgi://127.0.0.1:8022", True), ("uwsgi://127.0.0.1:8000", False), ("", False)])
def test_a_backend_of_another_protocol_than_http_need_only_accept(asked: str, found: bool) -> None:
    """Nobody can ask it for a page, and nginx's log names the port of the older configuration."""
    scene = edited().endpoint(http=Unknown("the upstream protocol is not HTTP"), tcp=Known(probe()))
    scene.events[0] = replace(scene.events[0], upstream=asked)
    diagnosis = diagnose(scene.snapshot())
    assert (OLD in roots(diagnosis)) is found
    if found:
        assert "which accepts connections" in finding_of(diagnosis, OLD).summary
