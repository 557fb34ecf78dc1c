"""Tests of fixer/analysis/ownership/tie_break.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import Listen, Span
from fixer.model.snapshot import Binding, Service
from tests.analysis.ownership.resolve_builders import named
from tests.causes.snapshot_builders import (
    Scene,
    finding_of,
    listener,
    process,
    roots,
    service,
    stopped_service,
    unit,
    verdict_of,
    wrong_port_scene,
)


def test_what_roots_watcher_keeps_is_not_just_any_users() -> None:
    """A user may start what he likes; what runit starts for him root has put there."""
    def rule(*watcher: str, uid: int = 0) -> str:
        bare = service("uvicorn", 8000, 300, unit=None, manager="none", bindings=Known(()))
        scene = Scene("127.0.0.1:8001").with_service(bare, listener(8000, 300)).refused(configured_service=None)
        parent = process(250, argv=watcher, uid=uid, ppid=1)
        child = process(300, argv=("/usr/bin/uvicorn", "a:b"), uid=1001, ppid=250)
        scene.node_changes["local"] = {"processes": Known((parent, child)), "kind": "machine"}
        return dict(named(scene)).get("uvicorn", "")

    assert rule("/usr/bin/runsv", "shop") == rule("s6-supervise", "shop") == "bare"
    assert rule("runsv", "shop", uid=1001) != "bare" and rule("bash") != "bare"


def test_what_root_has_a_script_for_is_not_just_any_users_and_nobody_keeps_it() -> None:
    script = BootEntry("local", "by-hand", "/usr/local/bin/start-shop", 3, "uvicorn a:b", "shop", 0, None)

    def rule(entry: BootEntry | None, *others: Service) -> str:
        bare = service("uvicorn", 8000, 300, unit=None, manager="none", boot_entry=entry)
        scene = Scene("127.0.0.1:8001").with_service(bare, listener(8000, 300)).refused(configured_service=None)
        for other in others:
            scene = scene.with_service(other)
        return dict(named(scene)).get("uvicorn", "")

    assert (rule(None), rule(script), rule(replace(script, kind="cron"))) == ("contested", "bare", "alone")
    assert rule(script, stopped_service(port=9000)) == ""       # a service that a manager keeps comes first


def test_of_two_that_are_told_the_same_the_managed_one() -> None:
    bare = service("uvicorn", 8000, 300, unit=None, manager="none")
    scene = Scene().with_service(bare).with_service(stopped_service()).refused(configured_service=None)
    assert named(scene) == [("backend.service", "placed")]


@pytest.mark.parametrize(("runtime", "wins"), [
    ("uvicorn", True), ("waitress-serve", True), ("flask", True), ("puma", True), ("litestar", True), ("node", True),
    ("php-fpm", False), ("django", False), ("java", False),
])
def test_a_server_before_a_script(runtime: str, wins: bool) -> None:
    script = service("job.service", 9000, 300, runtime="python", unit=unit("job.service"))
    scene = wrong_port_scene().with_service(script, listener(9000, 300))
    scene.services[0] = replace(scene.services[0], runtime=runtime)
    assert (named(scene) == [("backend.service", "alone")]) is wins, named(scene)


def test_equals_stay_equals_and_stop_every_repair_but_a_choice() -> None:
    scene = Scene("127.0.0.1:8001").with_service(stopped_service(port=8000)).with_service(stopped_service("other.service", 9000)).refused()
    assert len(named(scene)) == 2
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == []
    for cause in ("backend-down", "wrong-port", "crash-killed"):
        assert isinstance(verdict_of(diagnosis, cause), Undetermined)


def test_a_stopped_gateway_that_could_not_be_read_makes_the_only_application_a_question() -> None:
    where = Unknown("where haproxy.service would listen")
    gateway = stopped_service("haproxy.service", 0, bindings=where, is_app_server=False, runtime="", gateway="haproxy")
    assert named(wrong_port_scene().with_service(gateway)) == [("backend.service", "contested")]
    packaged = {"fragment_path": "/usr/lib/systemd/system/squid.service", "unit_file_state": "disabled", "inactive_enter": 0.0}
    asleep = stopped_service("squid.service", 0, bindings=where, is_app_server=False, runtime="", gateway="squid", unit_changes=packaged)
    assert named(wrong_port_scene().with_service(asleep)) == [("backend.service", "alone")]


def test_a_stopped_gateway_that_is_told_to_listen_there_is_what_is_missed() -> None:
    told = Known((Binding("127.0.0.1", 8001, None, Evidence("file", "/etc/haproxy/haproxy.cfg:9", "bind 127.0.0.1:8001")),))
    scene = wrong_port_scene().with_service(stopped_service("haproxy.service", 8001, bindings=told, is_app_server=False, runtime="", gateway="haproxy"))
    diagnosis = diagnose(scene.snapshot())
    assert named(scene) == [("haproxy.service", "placed")] and roots(diagnosis) == ["backend-down"]


def test_a_running_gateway_that_no_route_names_makes_it_a_question_too() -> None:
    other = service("apache2.service", 8081, 300, bindings=Known(()), is_app_server=False, runtime="", gateway="apache2")
    assert named(wrong_port_scene().with_service(other, listener(8081, 300))) == [("backend.service", "contested")]
    assert named(wrong_port_scene().with_service(other, listener(443, 300), listener(8404, 300))) == [("backend.service", "alone")]
    assert named(wrong_port_scene().with_service(other)) == [("backend.service", "alone")]


def test_a_supervisor_that_nobody_asked_makes_it_a_question_too() -> None:
    for argv in (("runsvdir", "-P", "/etc/service"), ("/usr/bin/s6-svscan", "/etc/s6"), ("PM2 v5.3.0: God Daemon (/root/.pm2)",)):
        scene = wrong_port_scene()
        scene.processes.append(process(77, *argv))
        assert named(scene) == [("backend.service", "contested")]
    scene = wrong_port_scene()
    scene.processes.append(process(77, "/usr/sbin/cron"))
    assert named(scene) == [("backend.service", "alone")]


def test_the_port_that_it_holds_on_another_address_tells_which_of_two_empty_ones_is_meant() -> None:
    scene = Scene("127.0.0.1:4100", "127.0.0.1:9").with_service(
        service(bindings=Unknown("a program of its own"), runtime="node"), listener(4100, 200, "::1"))
    seen = scene.refused(0, configured_service=None).refused(1, configured_service=None).snapshot()
    both = replace(seen.routes[0], endpoints=("e0", "e1"))      # as a map of two addresses leads to both
    found = finding_of(diagnose(replace(seen, routes=(both,))), "wrong-bind-address")
    assert (found.variant, found.routes) == ("bound-ipv6-only", ("r1",))


def spare(**route: object) -> Scene:
    """A site of an application, which answers; a spare copy of that application runs; nothing listens where a second
    location leads."""
    scene = Scene("127.0.0.1:7000", "127.0.0.1:8002").refused()
    scene.route |= {0: {"location": "/check", "server_names": ("hub.test",), **route}, 1: {"location": "/", "server_names": ("hub.test",)}}
    for name, port, pid in (("hub-green.service", 8002, 300), ("hub-blue.service", 8001, 301)):
        scene.with_service(service(name, port, pid, unit=unit(name, main_pid=pid)), listener(port, pid))
    return scene


def test_a_name_that_another_location_has_a_service_of_decides_for_no_second_one() -> None:
    """What guards other pages was gone; its requests were led to a spare copy of the shop, which let everybody in."""
    assert named(spare()) == [("hub-blue.service", "contested")]
    assert named(spare(location="/blue/")) == [("hub-blue.service", "alone")], "the location has its name"
    alone = spare()
    alone.services.pop(0)
    alone.endpoint(1, configured_service=None, listening_service=None)
    assert named(alone) == [("hub-blue.service", "alone")], "nothing else has that name"


def test_what_guards_other_pages_is_never_led_elsewhere_unasked() -> None:
    assert named(wrong_port_scene()) == [("backend.service", "alone")]
    guard = wrong_port_scene()
    guard.route[0] = {"asked_first": True}
    assert named(guard) == [("backend.service", "contested")]
    assert finding_of(diagnose(guard.snapshot()), "wrong-port").repairs[0].needs


def test_an_application_of_another_site_is_no_candidate() -> None:
    there = Span("/etc/nginx/sites-available/notes", 2, 0, 6)
    scene = spare(server_index=1, server_names=("notes.test",), location="/", source=there,
                  listens=(Listen("0.0.0.0", 80, False, False, False, there),))
    assert named(scene) == []
    scene.route[0]["server_names"] = ("hub.test",)
    assert named(scene) == [("hub-blue.service", "alone")]


def test_a_service_that_moved_to_the_other_kind_of_socket_may_be_the_one_that_is_meant() -> None:
    """A release of another colour was shown: it ran on a port, and the right one had just moved to a path."""
    scene = wrong_port_scene()
    scene.route[0] = {"server_names": ("hub.test",)}
    scene.services[0] = replace(scene.services[0], name="hub-blue.service")
    told = Binding("", 0, "/run/hub.sock", Evidence("unit", "/x:1", "--uds"))
    scene.with_service(service("hub-green.service", pid=400, bindings=Known((told,))))
    assert named(scene) == [("hub-blue.service", "contested")]
    found = finding_of(diagnose(scene.snapshot()), "wrong-port")
    assert "hub-green.service listens on unix:/run/hub.sock, which no route names: it may have moved there" in found.detail
