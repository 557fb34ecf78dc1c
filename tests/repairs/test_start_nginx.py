"""Tests of fixer/repairs/start_nginx.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.facts import Known
from fixer.model.plan import CheckNginx, ProgramAction, SignalProcess, UnitAction
from tests.causes.nginx_down.lost_workers_builders import down
from tests.causes.nginx_down.nginx_down_builders import no_nginx
from tests.causes.snapshot_builders import Scene, listener, process, service, supervised_service, unit


def taken(*pids: int, unit_name: str | None = None, comm: str = "apache2", **state: object) -> Scene:
    scene = no_nginx()
    scene.listeners.append(replace(listener(80, 700, "0.0.0.0"), pids=Known(pids)))
    scene.processes += [process(pid, f"/usr/sbin/{comm}", unit=unit_name, ppid=1 if pid == pids[0] else pids[0])
                        for pid in pids]
    if unit_name is not None:
        scene.services.append(service(unit_name, 80, pids[0], unit=unit(unit_name, main_pid=pids[0], **state),
                                      is_app_server=False, bindings=Known(())))
    return scene


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


def test_a_program_is_started_by_its_supervisord_and_nothing_beside_it() -> None:
    program = supervised_service("STOPPED", 80, is_app_server=False, bindings=Known(()), program={"name": "nginx"})
    check, start, _ = down(no_nginx(service=program)).repairs[0].steps
    assert isinstance(check, CheckNginx) and isinstance(start, ProgramAction)
    assert (start.program, start.verb) == ("nginx", "start")
