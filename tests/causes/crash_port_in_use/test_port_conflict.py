"""start-port-in-use: what becomes of the process that holds the socket."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from fixer.model.plan import SignalProcess, UnitAction
from fixer.model.snapshot import UnitValue
from tests.causes.crash_port_in_use.crash_port_in_use_builders import CAUSE, IN_USE, squatted
from tests.causes.snapshot_builders import (
    FAILED,
    NOW,
    Scene,
    binding,
    failed_service,
    finding_of,
    listener,
    log_lines,
    probe,
    process,
    roots,
    service,
    unit,
)


def taken_elsewhere(*, managed: bool) -> Scene:
    """nginx asks for 6002; the unit is told 6001, which another program holds: one that serves a site, or a stray."""
    scene = Scene("127.0.0.1:6002", *(("127.0.0.1:6001",) if managed else ()))
    scene.with_service(failed_service(port=6001, log=log_lines("Started backend.service.", IN_USE)))
    scene.listeners.append(listener(6001, 300))
    scene.processes.append(process(300, "python3", "-m", "uvicorn", "app.main:app"))
    if managed:
        scene.services.append(service("other.service", 6001, 300))
        scene.endpoint(1, configured_service="local/other.service", listening_service="local/other.service").answers(probe(200), route=1)
    return scene.refused()


def test_hit_on_a_port_for_which_nginx_does_not_ask() -> None:
    """Nobody is where nginx asks, so its reason seems gone; it is told another port, and that is somebody's."""
    diagnosis = diagnose(taken_elsewhere(managed=True).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert "other.service holds 127.0.0.1:6001, where it is configured to listen" in first.summary
    assert first.repairs[0].risk == "manual" and "127.0.0.1:6002" in first.repairs[0].manual
    stray = finding_of(diagnose(taken_elsewhere(managed=False).snapshot()), CAUSE)
    assert [s.verb for s in stray.repairs[0].steps if isinstance(s, UnitAction)] == ["reset-failed", "start"]
    free = taken_elsewhere(managed=False)
    free.listeners.clear()
    assert CAUSE not in roots(diagnose(free.snapshot()))


def left_over(main: int = 0, **about: object) -> Scene:
    """Workers of an earlier run, in the unit's own group, hold its port."""
    scene = squatted()
    kill = UnitValue("KillMode", "process", "/etc/systemd/system/backend.service", 7, 90, 97)
    scene.services[0] = replace(
        scene.services[0], pids=(300, 301, *((main,) if main else ())), unit_values=(kill,),
        unit=replace(unit("backend.service", **{**FAILED, "main_pid": main, "active_enter": NOW - 31, **about})))
    scene.processes.append(process(301, "python3", "-m", "uvicorn", "app.main:app", state="T", ppid=1))
    scene.listeners[-1] = replace(scene.listeners[-1], pids=Known((300, 301)))
    return scene.endpoint(listening_service="local/backend.service")


def test_what_its_own_earlier_run_left_in_its_group_is_stopped() -> None:
    diagnosis = diagnose(left_over().snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert "left over from its own earlier run" in first.summary and any("KillMode=process" in e.text for e in first.evidence)
    steps = first.repairs[0].steps
    assert [s.pid for s in steps if isinstance(s, SignalProcess)] == [300, 301]
    assert [s.verb for s in steps if isinstance(s, UnitAction)] == ["reset-failed", "start"]


def test_what_came_of_the_present_run_is_no_leftover() -> None:
    """A worker that left its parent, or came up since the start, is this run's own."""
    scene = left_over(200, active_state="active", sub_state="running", result="success", n_restarts=3)
    scene.processes = [replace(p, started_at=NOW - 30) if p.pid in (300, 301) else p for p in scene.processes]
    scene.processes.append(process(200, "uvicorn"))
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    scene = left_over(200, active_state="active", sub_state="running", result="success", n_restarts=3)
    scene.processes.append(process(200, "uvicorn", started_at=NOW - 31))
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_a_squatter_that_answers_is_advice_and_stays() -> None:
    diagnosis = diagnose(squatted(state="S").endpoint(http=Known(probe(200))).answers(*[probe(200)] * 8).snapshot())
    found = finding_of(diagnosis, CAUSE)
    assert (diagnosis.verdict, found.role, found.repairs, found.routes) == ("healthy", "advice", (), ("r1",))


def test_a_managed_holder_is_never_stopped() -> None:
    scene = squatted()
    other = service("other.service", 8000, 300, unit=unit("other.service", main_pid=300), is_app_server=False,
                    bindings=Known(()))
    scene.services.append(other)
    repair = finding_of(diagnose(scene.endpoint(listening_service=other.id).snapshot()), CAUSE).repairs[0]
    assert repair.risk == "manual" and "other.service" in repair.manual


def test_a_parent_goes_before_its_workers() -> None:
    scene = squatted()
    scene.listeners[-1] = replace(scene.listeners[-1], pids=Known((301, 300)))
    scene.processes.append(process(301, "python3", "worker", ppid=300, start_ticks=1))
    steps = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].steps
    assert [s.pid for s in steps if isinstance(s, SignalProcess)] == [300, 301]


def test_the_manner_of_a_holder_that_closes() -> None:
    closing = squatted(state="S").endpoint(http=Known(probe(error="closed"))).answers(probe(502))
    assert "closed" in finding_of(diagnose(closing.snapshot()), CAUSE).summary
    silent = squatted(state="S").endpoint(http=Unknown("--no-probe"))
    assert "and nginx gets no answer" in finding_of(diagnose(silent.snapshot()), CAUSE).summary


def test_a_program_of_somebodys_session_that_answers_in_its_place_is_no_health() -> None:
    """Visitors get its pages. It is not ended, and an old copy of the service itself stays advice."""
    for argv, cwd, role in ((("python3", "-m", "http.server"), "/home/tom/demo", "root"),
                            (("python3", "-m", "uvicorn", "app:app"), "/home/tom/demo", "advice"),
                            (("python3", "-m", "http.server"), "/srv/shop/public", "advice")):
        scene = squatted(state="S").endpoint(http=Known(probe(200))).answers(*[probe(200)] * 8)
        scene.processes[-1] = process(300, *argv, cwd=Known(cwd), uid=1001,
                                      cgroup="/user.slice/user-1001.slice/session-3.scope")
        diagnosis = diagnose(scene.snapshot())
        found = finding_of(diagnosis, CAUSE)
        assert (found.role, diagnosis.verdict) == (role, "degraded" if role == "root" else "healthy"), argv
        assert all(not repair.steps for repair in found.repairs)


def shared_files(*, managed: bool, is_app: bool = False, in_code: bool = False) -> Scene:
    """A server of files answers in the place of a service that its port shuts out."""
    scene = squatted(state="S").answers(probe(404)).endpoint(http=Known(probe(200)))
    words = ("python3", "-m", "uvicorn", "a:b") if is_app else ("python3", "-m", "http.server", "8000")
    scene.processes[-1] = process(300, *words, cwd=Known("/var/www/share"))
    if managed:
        scene.services.append(service("share.service", 8000, 300, is_app_server=is_app, runtime="uvicorn" if is_app else "http.server"))
    if in_code:
        told = binding(8000)
        scene.services[0] = replace(scene.services[0], bindings=Known(()), code_bindings=(replace(told, host=""),))
        scene.endpoint(configured_service="local/share.service", listening_service="local/share.service")
    return scene


@pytest.mark.parametrize(("scene", "role"), [
    (shared_files(managed=False), "root"), (shared_files(managed=True), "root"), (shared_files(managed=True, in_code=True), "root"),
    (shared_files(managed=True, is_app=True), "advice"),        # another release of the site, perhaps
])
def test_a_server_of_files_in_the_place_of_a_service_is_no_health(scene: Scene, role: str) -> None:
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert (found.role, found.service) == (role, "backend.service")
    assert not found.repairs or found.repairs[0].risk == "manual"
