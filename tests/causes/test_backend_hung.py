"""backend-hung and overload-saturated: the same time-outs, told apart by whether anything gets done."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from fixer.analysis.load.pressure import Pressure, stopped_processes
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Found, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import ComposeUp, ContainerAction, DaemonReload, SignalProcess, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument, Compose, Connection, EnvAssignment, EnvSlot
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import (
    GOOD,
    NOW,
    SLOW,
    TIMED_OUT,
    Scene,
    container_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    process,
    roots,
    service,
    verdict_of,
    wrong_port_scene,
)

HUNG, BUSY = "backend-hung", "overload-saturated"
DONE = 'INFO:     10.0.0.9:41 - "GET /api/report HTTP/1.1" 200 OK'


def late(*, queued: int = 1, established: int = 1, state: str = "S", timeouts: int = 4, **changes: object) -> Scene:
    """It accepts, and no answer comes in time."""
    made = service(**changes)   # type: ignore[arg-type]
    scene = Scene().with_service(made, listener(8000, 200, queued=queued, established=established), state=state)
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    return scene.logs(
        "upstream timed out (110: Connection timed out)", 110, "reading response header from upstream", count=timeouts)


def busy(**changes: object) -> Scene:
    """Many wait, and requests get done."""
    numbers = {"queued": changes.pop("queued", 7), "established": changes.pop("established", 9)}
    return late(log=log_lines(DONE, ago=2), **numbers, **changes)   # type: ignore[arg-type]


def test_hung_hit_stopped_by_a_signal() -> None:
    diagnosis = diagnose(late(state="T").snapshot())
    assert roots(diagnosis) == [HUNG]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.repairs[0].risk) == ("backend-sigstop", "certain", "safe")
    (step,) = found.repairs[0].steps
    assert isinstance(step, SignalProcess) and (step.pid, step.signal) == (200, "CONT")


def test_hung_hit_what_an_earlier_run_of_the_unit_left_standing() -> None:
    """KillMode=process: the unit counts as ended, and its old process holds the socket."""
    left = {"active_state": "inactive", "sub_state": "dead", "main_pid": 0}
    diagnosis = diagnose(late(state="T", unit_changes=left).snapshot())
    assert roots(diagnosis) == [HUNG] and diagnosis.findings[0].repairs[0].id == "continue-process"
    assert HUNG not in roots(diagnose(late(unit_changes=left).snapshot()))      # to restart the unit would not end it
    assert HUNG not in roots(diagnose(late(state="T", unit_changes=left).endpoint(listening_service="local/other").snapshot()))


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


def test_hung_and_busy_unknown() -> None:
    scene = late().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"))
    for cause in (HUNG, BUSY):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), cause), Undetermined)
    quiet = late(queued=7, established=9)       # many wait, and its log shows no requests at all
    assert isinstance(verdict_of(diagnose(quiet.snapshot()), HUNG), Undetermined)
    few = late(log=Unknown("not root"), queued=1, established=1)
    assert isinstance(verdict_of(diagnose(few.snapshot()), BUSY), Undetermined)


def test_busy_hit() -> None:
    diagnosis = diagnose(busy().answers(TIMED_OUT, GOOD).snapshot())
    assert roots(diagnosis) == [BUSY] and diagnosis.verdict == "degraded"
    found = diagnosis.findings[0]
    assert (found.confidence, found.repairs[0].risk) == ("certain", "disruptive")
    assert (found.repairs[0].needs[0].key, found.repairs[0].needs[0].default) == ("workers", "13")
    assert not any("timeout" in repair.id for repair in found.repairs)


def test_busy_without_an_access_log_is_likely() -> None:
    assert finding_of(diagnose(late(queued=7, established=9).snapshot()), BUSY).confidence == "likely"


def test_busy_miss() -> None:
    for scene in (healthy_scene(), late(state="T"), late(log=log_lines(DONE, ago=600)), busy(timeouts=1),
                  busy(workers=Known(12)), busy(queued=0, established=0)):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), BUSY), RuledOut)


def test_busy_unknown_number_of_workers() -> None:
    assert isinstance(verdict_of(diagnose(busy(workers=Unknown("no command")).snapshot()), BUSY), Undetermined)


def test_old_time_outs_are_no_load() -> None:
    scene = busy(timeouts=0).answers(GOOD)
    scene.logs("upstream timed out (110)", 110, "reading response header from upstream", ago=4000, count=50)
    assert diagnose(scene.snapshot()).verdict == "healthy"


def repair_steps(scene: Scene, **inputs: str) -> list[object]:
    repair = finding_of(diagnose(scene.snapshot(), inputs), BUSY).repairs[0]
    assert repair.risk != "manual", repair.manual
    return list(repair.steps)


def test_workers_by_drop_in_then_restart() -> None:
    write, reload, restart, _ = repair_steps(busy(), workers="9")
    assert isinstance(write, WriteFile) and write.after == b'[Service]\nEnvironment="WEB_CONCURRENCY=9"\n'
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction) and restart.verb == "restart"


def test_workers_in_the_environment_file_over_an_older_number() -> None:
    scene = busy(env=(EnvAssignment("WEB_CONCURRENCY", "/etc/shop.env:2", False),), env_slots=())
    scene.files.append(file("/etc/shop.env", "PORT=1\nWEB_CONCURRENCY=1\n", managed_by="Puppet"))
    write = repair_steps(scene)[0]
    assert isinstance(write, WriteFile) and write.after == b"PORT=1\nWEB_CONCURRENCY=13\n"
    assert "Puppet" in finding_of(diagnose(scene.snapshot()), BUSY).repairs[0].summary


@pytest.mark.parametrize(("line", "word", "want"), [
    ("ExecStart=/usr/bin/uvicorn app:app --workers 1\n", "1", "--workers 13\n"),
    ("ExecStart=/usr/bin/uvicorn app:app --workers=1\n", "--workers=1", "--workers=13\n"),
    ("ExecStart=/usr/bin/gunicorn app:app -w1\n", "-w1", "-w13\n"),
])
def test_workers_in_the_command(line: str, word: str, want: str) -> None:
    path = "/etc/systemd/system/backend.service"
    start = len(line) - 1 - len(word)
    places = (CommandArgument("--workers"), CommandArgument(word, path, 1, start, start + len(word)))
    scene = busy(command=places if word == "1" else places[1:])
    scene.files.append(file(path, line))
    write, reload, *_ = repair_steps(scene)
    assert isinstance(write, WriteFile) and write.after is not None and write.after.decode().endswith(want)
    assert isinstance(reload, DaemonReload)
    scene.files[-1] = file(path, line.replace("1\n", "2\n"))
    assert finding_of(diagnose(scene.snapshot()), BUSY).repairs[0].risk == "manual"
    scene.files.pop()
    assert finding_of(diagnose(scene.snapshot()), BUSY).repairs[0].risk == "manual"


@pytest.mark.parametrize("changes", [
    {"argv": ("uvicorn", "app:app", "--reload")}, {"argv": ("uvicorn", "app:app", "--workers", "1")},
    {"runtime": "hypercorn"}, {"runtime": ""},
    {"workers": Known(1, (Evidence("file", "/srv/shop/gunicorn.conf.py:3", "workers = 1"),))},
    {"unit": None, "manager": "none"},
])
def test_workers_for_a_person(changes: dict[str, object]) -> None:
    repair = finding_of(diagnose(busy(**changes).snapshot()), BUSY).repairs[0]
    assert repair.risk == "manual" and "workers" in repair.manual


def test_what_its_client_has_given_up_wants_no_worker() -> None:
    """After a long while hundreds wait in the queue; only those that nginx still waits for are there at once."""
    for queued, established, number in ((90, 5, "9"), (90, 2, "8"), (5, 30, "16"), (11, 0, "15")):
        scene = busy(queued=queued, established=established)
        assert finding_of(diagnose(scene.snapshot()), BUSY).repairs[0].needs[0].default == number


def test_many_workers_become_twice_as_many() -> None:
    scene = busy(workers=Known(20), queued=30, established=40)
    assert finding_of(diagnose(scene.snapshot()), BUSY).repairs[0].needs[0].default == "40"


def test_workers_of_a_compose_service() -> None:
    data = "WORD=1\n"
    made = container_service(log=log_lines(DONE, ago=2), workers=Known(1), env_slots=(
        EnvSlot("engine", "/home/lab/.env", len(data), "{name}={value}\n", "env-file"),))
    scene = Scene("app:8000", node="web", back="app").with_service(
        made, listener(8000, 7, "0.0.0.0", "app", queued=6, established=8))
    scene.endpoint(http=Known(SLOW)).answers(TIMED_OUT)
    scene.logs("upstream timed out (110)", 110, "reading response header from upstream", count=9)
    scene.files.append(file("/home/lab/.env", data, node="engine"))
    scene.extra = {"target": TargetRef("compose", "p"),
                   "compose": Compose("p", "/home/lab", (), (), (("app", True),), Known(True))}
    write, up, _ = repair_steps(scene)
    assert isinstance(write, WriteFile) and write.after == b"WORD=1\nWEB_CONCURRENCY=12\n"
    assert isinstance(up, ComposeUp)


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


def test_slow_without_a_failure_is_degraded_when_the_cause_is_seen() -> None:
    scene = busy().answers(SLOW, GOOD)
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "degraded" and diagnosis.health[0].state == "degraded"
    assert replace(diagnosis, notes=()).notes == ()


def test_workers_go_on_before_their_parent_kills_them_for_hung() -> None:
    parent, worker, grandchild = (
        replace(process(pid, "uvicorn"), ppid=ppid, state="T") for pid, ppid in ((7, 1), (9, 7), (12, 9))
    )
    running = replace(process(8, "uvicorn"), ppid=7)
    pressure = cast(Pressure, SimpleNamespace(processes=(parent, running, worker, grandchild)))
    assert [p.pid for p in stopped_processes(pressure)] == [12, 9, 7]


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
