"""Programs of supervisord behind a route: the same causes, told by another manager and repaired through it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Evidence, Known
from fixer.model.plan import UnitAction, WaitForListener, WriteFile
from fixer.model.snapshot import Service, UnitValue
from tests.causes import snapshot_builders
from tests.causes.backend_down.manager_state_builders import supervisord_scene, verbs
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    failed_service,
    finding_of,
    listener,
    log_lines,
    process,
    roots,
    service,
    stopped_service,
    supervised_service,
    unit,
    verdict_of,
)

TEXT = '[program:shop]\ncommand=/usr/bin/uvicorn shop:app\nautostart=false\nenvironment=MODE="x"\n'


def test_a_stopped_program_is_started() -> None:
    diagnosis = diagnose(supervisord_scene(supervised_service("STOPPED")).snapshot())
    assert roots(diagnosis) == ["backend-down"]
    found = diagnosis.findings[0]
    assert (found.variant, found.evidence[0].source) == ("backend-not-running", "program")
    assert (found.repairs[0].risk, verbs(found.repairs[0])) == ("safe", ["start"])
    assert isinstance(found.repairs[0].steps[-1], WaitForListener)


def test_a_program_that_no_boot_starts_is_told_to_be() -> None:
    at = TEXT.index("false")
    made = supervised_service("STOPPED", program={"autostart": False, "autostart_span": (at, at + 5)})
    repair = diagnose(supervisord_scene(made).snapshot()).findings[0].repairs[0]
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.after == TEXT.replace("false", "true").encode()
    assert verbs(repair) == ["update"] and "enable it at boot" in repair.summary


def test_a_program_that_ended_in_order_stays_away() -> None:
    found = diagnose(supervisord_scene(supervised_service("EXITED", program={"ended": "exit status 0"})).snapshot()).findings[0]
    assert (found.cause, found.variant, verbs(found.repairs[0])) == ("backend-down", "clean-exit-not-restarted", ["start"])


@pytest.mark.parametrize(("enabled", "expected"), [("enabled", ["start"]), ("disabled", ["enable", "start"])])
def test_a_supervisord_that_does_not_run_is_the_root(enabled: str, expected: list[str]) -> None:
    own = replace(unit("supervisor.service"), active_state="inactive", unit_file_state=enabled)
    found = diagnose(supervisord_scene(supervised_service("DOWN", program={"unit": own})).snapshot()).findings[0]
    assert found.cause == "backend-down" and "supervisord does not" in found.summary
    assert verbs(found.repairs[0]) == expected
    nobody = diagnose(supervisord_scene(supervised_service("DOWN")).snapshot()).findings[0]
    assert nobody.repairs[0].risk == "manual"


def test_programs_of_a_supervisord_that_was_put_to_rest_are_nobodys_guess() -> None:
    own = replace(unit("supervisor.service"), active_state="inactive", unit_file_state="disabled")
    diagnosis = diagnose(supervisord_scene(supervised_service("DOWN", 9999, program={"unit": own})).snapshot())
    assert all(found.service is None for found in diagnosis.findings)


def test_a_program_that_runs_well_is_left_alone() -> None:
    well = Scene().with_service(supervised_service(), listener(8000, 300))
    assert diagnose(well.snapshot()).findings == ()


def test_a_state_that_nobody_knows_is_not_guessed_at() -> None:
    unknown = Scene().with_service(supervised_service("UNKNOWN")).refused().snapshot()
    assert roots(diagnose(unknown)) == []
    told = replace(unknown.services[0], bindings=Known(()), env=())
    assert told.running is False
    assert Evidence("program", "x", "y").source == "program"


@pytest.mark.parametrize("state", ["failed", "activating"])
def test_a_supervisord_that_ends_by_itself_is_not_started_in_hope(state: str) -> None:
    own = replace(unit("supervisor.service"), active_state=state, result="exit-code", exec_main_status=2)
    (repair,) = diagnose(supervisord_scene(supervised_service("DOWN", program={"unit": own})).snapshot()).findings[0].repairs
    assert repair.risk == "manual" and not repair.steps and "journalctl -u supervisor.service" in repair.manual
    killed = diagnose(supervisord_scene(supervised_service("DOWN", program={"unit": replace(own, result="signal")})).snapshot()).findings[0]
    assert verbs(killed.repairs[0]) == ["start"]


@pytest.mark.parametrize(("said", "expected"), [
    ("Error: The directory named as part of the path /var/log/shop/out.log does not exist in section 'program:shop' "
     "(file: '/etc/supervisor/conf.d/shop.conf')", "mkdir -p /var/log/shop, then start supervisor.service"),
    ("Error: Invalid user name shop in section 'program:shop' (file: '/etc/supervisor/conf.d/shop.conf')",
     "Invalid user name shop in section 'program:shop' (file: '/etc/supervisor/conf.d/shop.conf'); correct that"),
    ("Error: The directory named as part of the path /$(reboot)/x does not exist in section", "correct that, then start"),
])
def test_why_supervisord_itself_ends_is_told_in_its_own_words(said: str, expected: str) -> None:
    own = replace(unit("supervisor.service"), active_state="failed", result="exit-code", exec_main_status=2)
    found = supervisord_scene(supervised_service("DOWN", program={"unit": own}))
    lines = log_lines(f"1795817278.581788 host supervisord[251]: {said}",
                "1795817278.581788 host supervisord[251]: For help, use /usr/bin/supervisord -h")
    found.services.append(service("supervisor.service", 9001, None, unit=own, is_app_server=False, log=lines))
    first = diagnose(found.snapshot()).findings[0]
    assert expected in first.repairs[0].manual and first.repairs[0].risk == "manual"
    assert any(e.source == "service-log" and said.startswith(e.text[:50]) for e in first.evidence)


CAUSE = "backend-down"

UP = "INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)"


@pytest.mark.parametrize(("left", "lines", "is_gone"), [
    ([("sleep", "infinity")], [UP], True), ([("/bin/sh", "/srv/start"), ("sleep", "1")], [UP], True),
    ([("/bin/sh", "/srv/start"), ("sleep", "1")], ["waiting for the database"], False),     # it never began
    ([("/bin/sh", "/srv/start"), ("/usr/bin/python3", "-m", "uvicorn")], [UP], False),
    ([("/srv/agent",)], [UP], False),
])
def test_a_unit_that_outlived_its_server(left: list[tuple[str, ...]], lines: list[str], *, is_gone: bool) -> None:
    pids = tuple(range(200, 200 + len(left) + 1))
    made = service(log=log_lines("Started backend.service.", *lines, ago=900), unit_changes={"active_enter": NOW - 900})
    scene = Scene().with_service(replace(made, pids=pids)).refused()
    scene.processes = [p for p in scene.processes if p.pid not in pids]
    scene.processes += [process(pid, *argv) for pid, argv in zip(pids, left, strict=False)]
    scene.processes.append(replace(process(pids[-1], ""), state="Z", argv=()))
    diagnosis = diagnose(scene.snapshot())
    assert (roots(diagnosis) == [CAUSE]) is is_gone
    if is_gone:
        found = finding_of(diagnosis, CAUSE)
        assert found.confidence == "certain" and "still runs, but the server that it started has ended" in found.summary
        assert found.repairs[0].risk == "disruptive" and isinstance(found.repairs[0].steps[0], UnitAction)


@pytest.mark.parametrize(("state", "enabled", "verbs"), [
    ("inactive", "enabled", ["start"]), ("failed", "disabled", ["enable", "start"]), ("active", "enabled", ["start"]),
])
def test_a_service_that_a_socket_starts_is_started_by_it(state: str, enabled: str, verbs: list[str]) -> None:
    socket = snapshot_builders.unit("backend.socket", active_state=state, unit_file_state=enabled)
    made = stopped_service(socket=socket, unit_changes={"unit_file_state": "static"})
    repair = diagnose(Scene().with_service(made).refused().snapshot()).findings[0].repairs[0]
    actions = [s for s in repair.steps if isinstance(s, UnitAction)]
    assert [a.verb for a in actions] == verbs
    assert {a.unit for a in actions} == {"backend.service" if state == "active" else "backend.socket"}


@pytest.mark.parametrize(("said", "socket", "cause"), [
    ("OSError: [Errno 88] Socket operation on non-socket", "inactive", "backend-down"),
    ("OSError: [Errno 9] Bad file descriptor", "inactive", "backend-down"),
    ("OSError: [Errno 88] Socket operation on non-socket", "active", ""),
    ("ValueError: 88", "inactive", ""), ('127.0.0.1:5 - "GET /[Errno 88] HTTP/1.1" 404', "inactive", ""),
])
def test_a_service_that_was_started_without_its_socket_is_started_by_it(said: str, socket: str, cause: str) -> None:
    unit = snapshot_builders.unit("backend.socket", active_state=socket, unit_file_state="disabled")
    made = snapshot_builders.failed_service(socket=unit, log=snapshot_builders.log_lines("Started backend.service.", "Traceback (most recent call last):", said))
    diagnosis = diagnose(Scene().with_service(made).refused().snapshot())
    assert ("backend-down" in roots(diagnosis)) is bool(cause)
    if cause:
        assert roots(diagnosis) == [cause] and "without backend.socket" in diagnosis.findings[0].summary
        actions = [s for s in diagnosis.findings[0].repairs[0].steps if isinstance(s, UnitAction)]
        assert [(a.verb, a.unit) for a in actions] == [
            ("reset-failed", "backend.service"), ("enable", "backend.socket"), ("start", "backend.socket"),
            ("start", "backend.service")]


CYCLE = ("data.target: Found ordering cycle on backend.service/start",
         "data.target: Found dependency on data.target/start")


@pytest.mark.parametrize(("lines", "told"), [
    ((*CYCLE, "data.target: Unable to break cycle starting with data.target/start"), True),
    ((*CYCLE, "data.target: Job backend.service/start deleted to break ordering cycle starting with data.target/start"),
     True),
    ((*CYCLE, "data.target: Job other.service/stop deleted to break ordering cycle starting with x"), False),
    ((*CYCLE, "data.target: Unable to break cycle starting with data.target/start", "Started backend.service."), False),
])
def test_a_unit_in_a_cycle_of_order_is_not_started_in_vain(lines: tuple[str, ...], told: bool) -> None:
    diagnosis = diagnose(Scene().with_service(stopped_service(log=snapshot_builders.log_lines(*lines))).refused().snapshot())
    (finding,) = diagnosis.findings
    assert ("ordering cycle of backend.service and data.target" in finding.summary) is told
    assert finding.repairs[0].risk == ("manual" if told else "safe")


def test_what_a_unit_started_and_left_alone_is_gone() -> None:
    left = {"active_state": "active", "sub_state": "exited", "main_pid": 0}
    made = snapshot_builders.service("rc-local.service", pid=None, unit_changes=left)
    diagnosis = diagnose(Scene().with_service(made).refused().snapshot())
    found = diagnosis.findings[0]
    assert (found.cause, found.variant, found.repairs[0].risk) == ("backend-down", "backend-not-running", "manual")
    young = snapshot_builders.service("rc-local.service", pid=None, unit_changes={**left, "active_enter": snapshot_builders.NOW - 5})
    assert roots(diagnose(Scene().with_service(young).refused().snapshot())) == ["backend-down"]
    assert "rc-local.service is active, but its processes have ended" in found.summary
    assert "/etc/systemd/system/backend.service:6" in found.repairs[0].manual
    runs = snapshot_builders.service("rc-local.service", pid=200, unit_changes={**left, "sub_state": "running"})
    assert not any(f.cause == "backend-down" for f in diagnose(Scene().with_service(runs).refused().snapshot()).findings)


@pytest.mark.parametrize(("changes", "risk"), [
    ({}, "disruptive"), ({"unit_file_state": "disabled"}, "manual"), ({"type": "simple"}, "manual"),
    ({"unit_name": "rc-local.service"}, "manual"),
])
def test_a_unit_that_starts_one_program_at_boot_and_leaves_it_alone_starts_it_again(
    changes: dict[str, object], risk: str,
) -> None:
    left = {"active_state": "active", "sub_state": "exited", "main_pid": 0, "unit_file_state": "enabled",
            "type": "oneshot"}
    command = UnitValue("ExecStart", "/opt/shop/start.sh", "/etc/systemd/system/shop.service", 3, 0, 18)
    name = str(changes.pop("unit_name", "shop.service"))
    made = snapshot_builders.service(name, pid=None, unit_changes={**left, **changes}, unit_values=(command,))
    (repair,) = diagnose(Scene().with_service(made).refused().snapshot()).findings[0].repairs
    assert repair.risk == risk
    if repair.steps:
        assert isinstance(repair.steps[0], UnitAction) and repair.steps[0].verb == "restart"


FAILED_PROGRAM = {"ended": "exit status 3", "expected": False, "restarts": 2}
FAILED_UNIT = {"result": "exit-code", "exec_main_code": 1, "exec_main_status": 3, "n_restarts": 2}


@pytest.mark.parametrize("made", [
    supervised_service("STOPPED", program=FAILED_PROGRAM, log=Known(())), stopped_service(unit_changes=FAILED_UNIT, log=Known(())),
], ids=["supervisord", "systemd"])
def test_a_stop_after_a_failure_of_which_nothing_is_logged_is_started_to_see_why(made: Service) -> None:
    found = finding_of(diagnose(supervisord_scene(made).snapshot()), "backend-down")
    assert (found.variant, found.confidence) == ("backend-not-running", "likely")
    assert "its log does not say why" in found.detail[-1]
    assert (found.repairs[0].risk, verbs(found.repairs[0])[-1]) == ("safe", "start")


@pytest.mark.parametrize("made", [
    supervised_service("STOPPED", program=FAILED_PROGRAM, log=log_lines("KeyError: 'SECRET'")),
    supervised_service("FATAL", program=FAILED_PROGRAM, log=Known(())), failed_service(log=Known(())),
    # the manager itself says why
    supervised_service("STOPPED", program={**FAILED_PROGRAM, "ended": "exit status 127"}, log=Known(())),
    supervised_service("STOPPED", program={**FAILED_PROGRAM, "ended": "spawnerr: can't find command '/srv/serve'"}, log=Known(())),
    supervised_service("STOPPED", program={**FAILED_PROGRAM, "ended": "terminated by SIGKILL"}, log=Known(())),
    stopped_service(unit_changes={**FAILED_UNIT, "exec_main_status": 217}, log=Known(())),
    stopped_service(unit_changes={**FAILED_UNIT, "result": "timeout"}, log=Known(())),
])
def test_a_failure_that_is_logged_or_that_nobody_stopped_is_no_stop(made: Service) -> None:
    assert isinstance(verdict_of(diagnose(supervisord_scene(made).snapshot()), "backend-down"), RuledOut)
