"""backend-hung and overload-saturated: the same time-outs, told apart by whether anything gets done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import Found, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ContainerAction, SignalProcess, UnitAction
from fixer.model.snapshot import Connection
from tests.causes.backend_hung_builders import BUSY, HUNG, busy, late, late_handshake
from tests.causes.snapshot_builders import (
    GOOD,
    NOW,
    SLOW,
    TIMED_OUT,
    Scene,
    container_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    roots,
    service,
    verdict_of,
    wrong_port_scene,
)

DONE = 'INFO:     10.0.0.9:41 - "GET /api/report HTTP/1.1" 200 OK'


def test_hung_hit_stopped_by_a_signal() -> None:
    diagnosis = diagnose(late(state="T").snapshot())
    assert roots(diagnosis) == [HUNG]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("backend-sigstop", "certain", "safe")
    assert found.is_seen_directly
    (step,) = found.repairs[0].steps
    assert isinstance(step, SignalProcess) and (step.pid, step.signal) == (200, "CONT")


def test_hung_hit_what_an_earlier_run_of_the_unit_left_standing() -> None:
    """KillMode=process: the unit counts as ended, and its old process holds the socket."""
    left = {"active_state": "inactive", "sub_state": "dead", "main_pid": 0}
    diagnosis = diagnose(late(state="T", unit_changes=left).snapshot())
    assert roots(diagnosis) == [HUNG] and diagnosis.findings[0].repairs[0].id == "continue-process"
    assert HUNG not in roots(diagnose(late(unit_changes=left).snapshot()))      # to restart the unit would not end it
    assert HUNG not in roots(diagnose(late(state="T", unit_changes=left).endpoint(listening_service="local/other").snapshot()))


@pytest.mark.parametrize(("state", "variant"), [("T", "backend-sigstop"), ("S", "event-loop-blocked")])
def test_hung_hit_behind_tls_no_handshake_is_answered(state: str, variant: str) -> None:
    """Whether a request or a handshake stays without an answer, the process is the same."""
    scene = Scene().with_service(service(), listener(8000, 200, queued=2, established=2), state=state).answers(TIMED_OUT)
    scene.route[0] = {"scheme": "https", "pass_text": "https://127.0.0.1:8000"}
    silent = replace(SLOW, phase="tls")
    scene.endpoint(http=Known(silent), other_scheme_probe=Known(silent), tls_names=(("shop.example", silent), ("", silent)))
    scene.logs("upstream timed out (110: Connection timed out)", 110, "SSL handshaking to upstream", count=4)
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [HUNG] and diagnosis.findings[0].variant == variant


def test_hung_hit_stuck_in_one_call() -> None:
    for lines in (log_lines(DONE, ago=600), Known(())):
        diagnosis = diagnose(late(log=lines).snapshot())
        assert roots(diagnosis) == [HUNG]
        found = diagnosis.findings[0]
        assert (found.variant, found.repairs[0].risk) == ("event-loop-blocked", "disruptive")
        assert isinstance(found.repairs[0].steps[0], UnitAction)


def test_what_was_finished_before_the_first_visitor_waited_in_vain_is_no_work() -> None:
    stuck = late(log=log_lines(DONE, ago=12), queued=9)          # the first time-out is 5 s old
    assert roots(diagnose(stuck.snapshot())) == [HUNG]
    early = late(log=log_lines(DONE, ago=2), queued=9, timeouts=0)
    early.logs("upstream timed out (110: Connection timed out)", 110, "reading response header from upstream", ago=1)
    for cause in (HUNG, BUSY):
        assert not isinstance(verdict_of(diagnose(early.snapshot()), cause), Found)


def test_hung_hit_a_paused_container() -> None:
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box={"status": "paused"}), listener(8000, 7, "0.0.0.0", "app"))
    scene.endpoint(listener=Unknown("paused"), tcp=Unknown("paused"), http=Known(SLOW)).answers(SLOW)
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [HUNG] and diagnosis.verdict == "broken"
    step = diagnosis.findings[0].repairs[0].steps[0]
    assert isinstance(step, ContainerAction) and step.verb == "unpause"


@pytest.mark.parametrize(("status", "address", "told"), [
    ("paused", "172.18.0.9", True), ("running", "172.18.0.9", False), ("paused", "172.18.0.77", False),
])
def test_hung_for_a_database_that_is_paused(status: str, address: str, told: bool) -> None:
    """Each request waits for it, and the backend itself has nothing wrong."""
    store = container_service("store", 5432, pid=31, is_app_server=False, bindings=Known(()),
                  box={"status": status, "networks": (("p_default", "172.18.0.9", ("store",)),)})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app")).with_service(store)
    scene.endpoint(http=Known(SLOW)).answers(SLOW)
    scene.node_changes["app"] = {"connections": (Connection(address, 5432, "open", 998, (7,)),)}
    found = [f for f in diagnose(scene.snapshot()).findings if f.role == "root"]
    assert [(f.cause, f.variant, f.service) for f in found] == ([(HUNG, "container-paused", "p-store-1")] if told else [])
    if told:
        assert "it waits for p-store-1 (172.18.0.9:5432), which is paused" in found[0].summary
        step = found[0].repairs[0].steps[0]
        assert isinstance(step, ContainerAction) and (step.name, step.verb) == ("p-store-1", "unpause")


def test_hung_in_a_container_is_restarted_from_outside() -> None:
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(), listener(8000, 7, "0.0.0.0", "app", queued=2), state="T")
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    repair = finding_of(diagnose(scene.snapshot()), HUNG).repairs[0]
    assert repair.risk == "disruptive" and isinstance(repair.steps[0], ContainerAction)


def beside_nginx(state: str, **changes: Any) -> Scene:
    """A server hangs in the container that nginx runs in."""
    one = service("uvicorn[200]", unit=None, manager="none", node="web", **changes)
    scene = Scene("127.0.0.1:8000", node="web", back="web").with_service(
        one, listener(8000, 200, "127.0.0.1", "web", queued=2, established=1), state=state)
    scene.services.append(container_service("web", 80, pid=1, is_app_server=False, bindings=Known(())))
    scene.endpoint(http=Known(SLOW), configured_service=None).answers(TIMED_OUT)
    return scene.logs(
        "upstream timed out (110: Connection timed out)", 110, "reading response header from upstream", count=4)


def test_hung_beside_nginx_in_its_container_is_continued_where_it_is() -> None:
    repair = finding_of(diagnose(beside_nginx("T").snapshot()), HUNG).repairs[0]
    assert repair.risk == "safe" and isinstance(repair.steps[0], SignalProcess) and repair.steps[0].node == "web"


def test_hung_beside_nginx_without_an_end_is_restarted_with_its_container() -> None:
    entry = BootEntry("web", "entrypoint", "/entry.sh", 4, "uvicorn a:b --port 8000", "", 8000, None, name="p-web-1")
    repair = finding_of(diagnose(beside_nginx("S", boot_entry=entry).snapshot()), HUNG).repairs[0]
    step = repair.steps[0]
    assert repair.risk == "disruptive" and isinstance(step, ContainerAction)
    assert (step.name, step.verb) == ("p-web-1", "restart") and "nginx and its other programs restart" in step.describe
    assert finding_of(diagnose(beside_nginx("S").snapshot()), HUNG).repairs[0].risk == "manual"


def test_hung_without_a_manager_is_for_a_person() -> None:
    scene = late(unit=None, manager="none")
    assert finding_of(diagnose(scene.snapshot()), HUNG).repairs[0].risk == "manual"


def test_hung_miss() -> None:
    for scene in (healthy_scene(), wrong_port_scene(), busy(), late().endpoint(http=Known(GOOD))):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), HUNG), RuledOut)
    stranger = late(state="T").endpoint(listening_service="local/other")
    assert isinstance(verdict_of(diagnose(stranger.snapshot()), HUNG), RuledOut)
    answering = late(state="T", timeouts=0).answers(GOOD)
    assert diagnose(answering.snapshot()).verdict == "healthy"


def test_a_slow_page_that_nobody_else_waits_for_stays_unknown() -> None:
    scene = healthy_scene().answers(SLOW)
    diagnosis = diagnose(scene.snapshot())
    assert (diagnosis.verdict, diagnosis.findings) == ("unknown", ())
    assert diagnose(healthy_scene().answers(SLOW, GOOD).snapshot()).verdict == "healthy"


@pytest.mark.parametrize("established", [0, 1])
def test_a_service_that_takes_connections_and_is_only_slow_is_not_restarted(established: int) -> None:
    slow = late(queued=0, established=established, timeouts=0).answers(SLOW)
    diagnosis = diagnose(slow.snapshot())
    assert (diagnosis.verdict, diagnosis.findings) == ("unknown", ())
    assert isinstance(verdict_of(diagnosis, HUNG), Undetermined)
    assert roots(diagnose(late(queued=1, timeouts=0).answers(SLOW).snapshot())) == [HUNG]
    assert roots(diagnose(late(queued=0, timeouts=0).answers(TIMED_OUT).snapshot())) == [HUNG]


@pytest.mark.parametrize(("limit", "probe_ms", "hung"), [(1.0, 2001.0, False), (60.0, 2001.0, True), (1.0, 60001.0, True)])
def test_a_page_that_only_a_short_limit_cuts_off_is_not_called_hung(limit: float, probe_ms: float, hung: bool) -> None:
    """Taken at once, answered after 3 s: with a limit of 1 s nobody has seen more than that it is not there by then."""
    seen = late(queued=0).answers(TIMED_OUT).endpoint(http=Known(replace(SLOW, ms=probe_ms))).snapshot()
    routes = tuple(replace(facts, route=replace(facts.route, read_timeout=limit)) for facts in seen.routes)
    diagnosis = diagnose(replace(seen, routes=routes))
    assert (HUNG in roots(diagnosis)) is hung
    assert hung or isinstance(verdict_of(diagnosis, HUNG), Undetermined)


@pytest.mark.parametrize(("limit", "hung"), [(1.0, False), (60.0, True)])
def test_nginx_limits_a_handshake_as_it_limits_a_connect(limit: float, hung: bool) -> None:
    seen = late_handshake(queued=0).snapshot()
    routes = tuple(replace(facts, route=replace(facts.route, connect_timeout=limit)) for facts in seen.routes)
    assert (HUNG in roots(diagnose(replace(seen, routes=routes)))) is hung


def test_an_answer_that_stays_out_half_way_is_advice() -> None:
    scene = healthy_scene().logs("upstream timed out (110: Connection timed out)", 110, "reading upstream", ago=100)
    diagnosis = diagnose(scene.snapshot())
    found = finding_of(diagnosis, "backend-hung")
    assert (found.variant, found.role, found.confidence) == ("hang-mid-body", "advice", "possible")
    assert diagnosis.verdict == "healthy" and found.repairs == ()
    old = healthy_scene().logs("upstream timed out (110: Connection timed out)", 110, "reading upstream", ago=900)
    assert not diagnose(old.snapshot()).findings


def test_a_supervisor_whose_programs_end_at_once_is_not_hung() -> None:
    """It opened the socket for them, and no restart of it would make them last."""
    argv = ("/usr/bin/python3", "/usr/bin/circusd", "/etc/circus.ini")
    scene = late(argv=argv, pids=(200, 201))
    scene.processes = [replace(p, state="Z", started_at=NOW - 1) if p.pid == 201 else p for p in scene.processes]
    verdict = verdict_of(diagnose(scene.snapshot()), HUNG)
    assert isinstance(verdict, Undetermined) and "circusd holds the socket" in str(verdict.missing)
    scene.processes = [replace(p, state="S", started_at=NOW - 99, argv=("uvicorn",)) if p.pid == 201 else p
                       for p in scene.processes]
    assert HUNG in roots(diagnose(scene.snapshot()))


def test_a_server_that_reloads_its_code_and_has_no_program_left_ended_by_that_code() -> None:
    """It keeps the socket, so that visitors wait: a restart would change nothing."""
    words = log_lines("INFO:     Application startup complete.", "WARNING:  WatchFiles detected changes in 'main.py'. Reloading...",
                "Traceback (most recent call last):", '  File "/srv/shop/app/main.py", line 9', "    def x(:",
                "          ^", "SyntaxError: invalid syntax")
    scene = late(argv=("/usr/bin/uvicorn", "app.main:app", "--reload"), pids=(200, 201, 202), log=words)
    helper = ("python3", "-c", "from multiprocessing.resource_tracker import main;main(5)")
    scene.processes = [replace(p, argv=helper) if p.pid == 201 else p for p in scene.processes]
    scene.processes = [replace(p, state="Z", argv=("python3",)) if p.pid == 202 else p for p in scene.processes]
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["crash-code-error"] and "SyntaxError" in diagnosis.findings[0].summary
    assert all(repair.risk == "manual" for repair in diagnosis.findings[0].repairs)


@pytest.mark.parametrize(("runtime", "established", "cause"), [
    ("uvicorn", 0, HUNG), ("uvicorn", 9, HUNG), ("uvicorn", 10, HUNG),      # of ten, one is the call that blocks
    ("uvicorn", 30, BUSY),                  # it has taken 21 of them, and works
    ("gunicorn", 0, BUSY),                  # its worker may be busy with one that its visitor has given up
])
def test_a_loop_that_takes_no_connection_is_no_overload(runtime: str, established: int, cause: str) -> None:
    """Where its log shows no request that it finished: an event loop takes each connection at once while it runs."""
    stuck = late(log=Known(()), queued=9, established=established, runtime=runtime)
    assert roots(diagnose(stuck.snapshot())) == [cause]
