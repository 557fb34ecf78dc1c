"""sandbox-denied: settings of a unit that keep nginx and the backend apart."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from fixer.model.service import UnitSetting
from tests.causes.packet_filter_builders import dropping_scene, saved_firewall
from tests.causes.snapshot_builders import (
    FAILED,
    SLOW,
    Scene,
    container_service,
    failed_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    roots,
    service,
    stopped_service,
    verdict_of,
    wrong_port_scene,
)

DENIED = "sandbox-denied"


def settings(**values: str) -> tuple[UnitSetting, ...]:
    where = "/etc/systemd/system/backend.service.d/x.conf:2"
    return tuple(UnitSetting(key, value, Evidence("unit", where, f"{key}={value}")) for key, value in values.items())


def mute(unit_changes: dict[str, Any] | None = None, **values: str) -> Scene:
    """The unit runs, and nothing of it listens."""
    return Scene().with_service(service(settings=settings(**values), unit_changes=unit_changes or {})).refused()


def found(scene: Scene) -> Finding:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [DENIED], roots(diagnosis)
    return diagnosis.findings[0]


def allowed(finding: Finding) -> str:
    write, reload, *rest = finding.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(reload, DaemonReload)
    assert any(isinstance(step, UnitAction) for step in rest) and finding.repairs[0].risk == "disruptive"
    return (write.after or b"").decode()


@pytest.mark.parametrize(("value", "lines"), [
    ("AF_UNIX", "RestrictAddressFamilies=AF_INET\n"), ("AF_UNIX AF_INET6", "RestrictAddressFamilies=AF_INET\n"),
    ("~AF_INET AF_INET6", "RestrictAddressFamilies=\n"),
])
def test_hit_address_families(value: str, lines: str) -> None:
    shown = found(mute(RestrictAddressFamilies=value))
    assert shown.variant == "no-listener-address-family-restricted"
    assert allowed(shown) == f"[Service]\n{lines}"
    looping = {"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 9}
    assert found(mute(looping, RestrictAddressFamilies=value)).service == "backend.service"


def test_hit_a_network_of_its_own() -> None:
    shown = found(mute(PrivateNetwork="yes"))
    assert shown.variant == "private-network-namespace" and allowed(shown) == "[Service]\nPrivateNetwork=no\n"


NO_DATABASE = ("Started backend.service - Office.", "Traceback (most recent call last):",
               'psycopg2.OperationalError: connection to server at "{}", port 5432 failed: Connection refused', "")


def alone(address: str = "127.0.0.1", *, database: bool = True, **values: str) -> Scene:
    """It ended over a database of its own machine, which it cannot see from a network of its own."""
    scene = Scene().with_service(failed_service(log=log_lines(*(line.format(address) for line in NO_DATABASE)),
                                        settings=settings(**(values or {"PrivateNetwork": "yes"})))).refused()
    return scene.with_service(service("postgresql@17-main.service", 5432, 400, is_app_server=False, runtime=""),
                              listener(5432, 400)) if database else scene


def test_hit_it_ends_over_a_database_that_it_cannot_see() -> None:
    """"It accepts by now" would be certain and wrong: to those of the machine only."""
    shown = found(alone())
    assert shown.variant == "private-network-namespace" and allowed(shown) == "[Service]\nPrivateNetwork=no\n"


def test_what_is_down_and_out_of_sight_are_two_faults() -> None:
    assert roots(diagnose(alone(database=False).snapshot())) == ["crash-dependency-down", DENIED]


@pytest.mark.parametrize("scene", [alone(PrivateNetwork="no"), alone("10.1.2.3")])
def test_miss_a_database_that_refuses_everybody_or_is_elsewhere(scene: Scene) -> None:
    assert DENIED not in roots(diagnose(scene.snapshot()))


def test_hit_killed_by_its_filter() -> None:
    killed = {**FAILED, "result": "signal", "exec_main_status": 31}
    scene = Scene().with_service(service(pid=None, settings=settings(SystemCallFilter="~socket"), unit_changes=killed))
    shown = found(scene.refused())
    assert shown.variant == "start-sigsys-filter" and allowed(shown) == "[Service]\nSystemCallFilter=\n"


def test_hit_of_the_one_that_is_left_over_where_nginx_asks_another_port() -> None:
    killed = {**FAILED, "result": "signal", "exec_main_status": 31}
    scene = Scene("127.0.0.1:8001").with_service(
        service(pid=None, settings=settings(SystemCallFilter="~socket"), unit_changes=killed)).refused()
    diagnosis = diagnose(scene.snapshot())
    shown = finding_of(diagnosis, DENIED)
    assert (shown.variant, shown.confidence) == ("start-sigsys-filter", "likely") and roots(diagnosis)[0] == DENIED
    assert "crash-killed" not in roots(diagnosis)


@pytest.mark.parametrize("value", ["any", "localhost", "0.0.0.0/0 ::/0"])
def test_hit_its_packets_are_swallowed(value: str) -> None:
    scene = dropping_scene(saved_firewall())
    scene.services = [service(settings=settings(IPAddressDeny=value))]
    shown = found(scene)
    assert shown.variant == "ip-address-deny" and allowed(shown) == "[Service]\nIPAddressAllow=localhost\n"


@pytest.mark.parametrize(("value", "lines"), [("AF_UNIX", "=AF_INET\n"), ("~AF_INET", "=\n")])
def test_hit_of_nginx_itself(value: str, lines: str) -> None:
    scene = healthy_scene().answers(probe(500, body="<center>nginx</center>"))
    scene.nginx["service"] = service("nginx.service", 80, 100, settings=settings(RestrictAddressFamilies=value))
    scene.logs("socket() failed (97: Address family not supported by protocol)", 97, "connecting to upstream")
    shown = found(scene)
    assert shown.variant == "nginx-unit-address-families" and allowed(shown).endswith(lines)
    assert shown.is_met_first, "nginx connects to nothing, whatever is at fault behind it"


def test_hit_of_a_unix_socket() -> None:
    scene = healthy_scene().answers(probe(500, body="<center>nginx</center>")).endpoint(unix="/run/app.sock", port=0)
    scene.nginx["service"] = service("nginx.service", 80, 100, settings=settings(RestrictAddressFamilies="AF_INET"))
    scene.logs("socket() failed (97: x)", 97, "connecting to upstream")
    assert "AF_UNIX" in found(scene).summary
    v6 = healthy_scene().answers(probe(500, body="<center>nginx</center>")).endpoint(addresses=Known(("::1",)))
    v6.nginx["service"] = service("nginx.service", 80, 100, settings=settings(RestrictAddressFamilies="AF_INET"))
    v6.logs("socket() failed (97: x)", 97, "connecting to upstream")
    assert "AF_INET6" in found(v6).summary


def fine(**values: str) -> Scene:
    return Scene().with_service(service(settings=settings(**values)), listener(8000, 200))


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(), mute(), mute(RestrictAddressFamilies="AF_UNIX AF_INET"), mute(PrivateNetwork="no"),
    mute(IPAddressDeny="any"), fine(PrivateNetwork="yes"), fine(IPAddressDeny="any"),
    Scene().with_service(stopped_service(settings=settings(PrivateNetwork="yes"))).refused(),
    Scene("127.0.0.1:8001").with_service(service(settings=settings(RestrictAddressFamilies="AF_UNIX")),
                                         listener(8000, 200)).refused(),
    dropping_scene(saved_firewall()),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DENIED), RuledOut)


def test_miss_where_this_machine_is_let_in() -> None:
    scene = dropping_scene(saved_firewall())
    scene.services = [service(settings=settings(IPAddressDeny="any", IPAddressAllow="localhost"))]
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DENIED), RuledOut)
    killed = {**FAILED, "result": "signal", "exec_main_status": 31}
    bare = Scene().with_service(service(pid=None, unit_changes=killed)).refused()
    assert roots(diagnose(bare.snapshot())) == ["crash-killed"]


def test_unknown_sockets_are_no_absence() -> None:
    """Nobody could look whether it listens: nothing is claimed of its network."""
    scene = mute(PrivateNetwork="yes").endpoint(listener=Unknown("not root"), tcp=Unknown("not asked"), http=Known(SLOW))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DENIED), RuledOut)
    box = Scene("app:8000", node="web", back="app").with_service(container_service()).refused()
    assert isinstance(verdict_of(diagnose(box.snapshot()), DENIED), RuledOut)


def test_a_network_with_a_name_is_told_and_left_to_a_person() -> None:
    shown = found(mute(NetworkNamespacePath="/run/netns/vpn"))
    assert shown.variant == "private-network-namespace" and "/run/netns/vpn" in shown.summary
    assert [(repair.risk, repair.steps) for repair in shown.repairs] == [("manual", ())]
    elsewhere = mute(NetworkNamespacePath="/run/netns/vpn").endpoint(addresses=Known(("10.200.1.2",)))
    assert DENIED not in roots(diagnose(elsewhere.snapshot()))
    assert DENIED not in roots(diagnose(mute(NetworkNamespacePath="").snapshot()))
