"""unit-misconfigured where the program is well: systemd ends it, a command before it fails, an edit was never read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.plan import DaemonReload, ProgramAction, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument, PreCommand, UnitValue
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    binding,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    roots,
    service,
    stat,
    supervised_service,
    verdict_of,
)

CAUSE = "unit-misconfigured"
UNIT = "/etc/systemd/system/backend.service"
TIMED_OUT = "backend.service: start operation timed out. Terminating."
WATCHDOG = "backend.service: Watchdog timeout (limit 3s)!"
TIME_UP = "backend.service: Service reached runtime time limit. Stopping."


def value(text: str) -> tuple[UnitValue, str]:
    """The one setting of a unit file, and the file's text."""
    key, _, wanted = text.partition("=")
    at = len("[Service]\n" + key + "=")
    return UnitValue(key, wanted, UNIT, 2, at, at + len(wanted)), f"[Service]\n{text}\n"


def unit_with(text: str, line: str, *, now_well: bool = False, **changes: object) -> Scene:
    setting, content = value(text)
    about = {"unit_values": (setting,), "log": log_lines(line, line), **changes}
    if now_well:
        scene = Scene().with_service(service(**about), listener(8000, 200))   # type: ignore[arg-type]
    else:
        scene = Scene().with_service(failed_service(**about)).refused()   # type: ignore[arg-type]
    scene.files.append(file(UNIT, content))
    return scene


def found(scene: Scene, **inputs: str) -> Finding:
    diagnosis = diagnose(scene.snapshot(), inputs)
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)


STARTING = {"active_state": "activating", "sub_state": "start", "n_restarts": 2}


@pytest.mark.parametrize(("text", "line", "variant", "after"), [
    ("Type=notify", TIMED_OUT, "start-type-notify-timeout", b"Type=exec\n"),
    ("Type=forking", TIMED_OUT, "start-type-notify-timeout", b"Type=exec\n"),
    ("WatchdogSec=3", WATCHDOG, "unit-watchdog-restarts", b"WatchdogSec=0\n"),
])
@pytest.mark.parametrize("now_well", [True, False])
def test_hit_systemd_ends_what_is_well(text: str, line: str, variant: str, after: bytes, *, now_well: bool) -> None:
    state = STARTING if now_well else {"result": "timeout"}
    finding = found(unit_with(text, line, now_well=now_well, unit_changes=state))
    assert finding.variant == variant and finding.evidence[0].where == f"{UNIT}:2"
    write, reload, *rest = finding.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(reload, DaemonReload) and finding.repairs[0].risk == "disruptive"
    assert write.after == b"[Service]\n" + after
    verbs = [step.verb for step in rest if isinstance(step, UnitAction)]
    assert verbs == (["restart"] if now_well else ["reset-failed", "start"])


def test_between_two_tries_a_start_could_join_the_next_one() -> None:
    pause = {"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 2, "main_pid": 0}
    finding = found(unit_with("Type=forking", TIMED_OUT, now_well=True, unit_changes=pause))
    assert [s.verb for s in finding.repairs[0].steps if isinstance(s, UnitAction)] == ["reset-failed", "restart"]


NO_FILE = "backend.service: Can't open PID file '/run/shop.pid' (yet?) after start: No such file or directory"


def detached(*words: str, lines: tuple[str, ...] = (NO_FILE, TIMED_OUT), pid_file: str = "/run/shop.pid") -> Scene:
    """A program that goes to the background under Type=forking, with the unit's PIDFile=."""
    text = f"[Service]\nType=forking\nPIDFile={pid_file}\n"
    at = text.index(pid_file)
    values = (UnitValue("Type", "forking", UNIT, 2, 15, 22), UnitValue("PIDFile", pid_file, UNIT, 3, at, at + len(pid_file)))
    argv = ("/usr/bin/gunicorn", *words, "shop:app")
    made = failed_service(unit_values=values, log=log_lines(*lines), unit_changes={"result": "timeout"}, runtime="gunicorn", argv=argv,
                  command=tuple(CommandArgument(word, UNIT, 4) for word in argv))
    scene = Scene().with_service(made).refused()
    scene.files.append(file(UNIT, text))
    return scene


@pytest.mark.parametrize("words", [("-D", "-p", "/run/gunicorn.pid"), ("--daemon", "--pid=/run/gunicorn.pid")])
def test_a_program_in_the_background_whose_pid_file_is_another_keeps_its_type(words: tuple[str, ...]) -> None:
    finding = found(detached(*words))
    write = finding.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and finding.confidence == "certain"
    assert write.after == b"[Service]\nType=forking\nPIDFile=/run/gunicorn.pid\n"


@pytest.mark.parametrize("words", [("--daemon",), ("--daemon", "--pid", "run/gunicorn.pid"), ("-D", "-p", "/run/shop.pid")])
def test_a_pid_file_that_is_written_nowhere_known_is_for_a_person(words: tuple[str, ...]) -> None:
    (repair,) = found(detached(*words)).repairs
    assert repair.risk == "manual" and "/run/shop.pid" in repair.manual


def test_a_program_told_to_go_to_the_background_is_not_said_to_stay() -> None:
    scene = detached("--daemon", lines=(TIMED_OUT,))
    assert all("never gives" not in f.summary for f in diagnose(scene.snapshot()).findings)


def slow(limit: str = "TimeoutStartSec=5", *more: str) -> Scene:
    setting, content = value(limit)
    kind = UnitValue("Type", "notify", UNIT, 3, 0, 0)
    made = failed_service(unit_values=(setting, kind), log=log_lines(*more, TIMED_OUT), unit_changes={"result": "timeout"},
                  runtime="gunicorn", argv=("/usr/bin/gunicorn", "--preload", "app.main:app"))
    scene = Scene().with_service(made).refused()
    scene.files.append(file(UNIT, content))
    return scene


def test_a_start_that_is_cut_off_gets_the_usual_time() -> None:
    finding = found(slow())
    assert (finding.variant, finding.confidence) == ("start-timeout-too-short", "likely")
    write = finding.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nTimeoutStartSec=90\n"


@pytest.mark.parametrize("scene", [slow("TimeoutStartSec=120"), slow("TimeoutStartSec=infinity"), slow("Restart=no"),
                                   slow("TimeoutStartSec=5", "/usr/bin/python3: No module named gunicorn")])
def test_a_start_with_time_enough_or_an_error_of_its_own_is_none_of_it(scene: Scene) -> None:
    assert all(f.variant != "start-timeout-too-short" for f in diagnose(scene.snapshot()).findings)


@pytest.mark.parametrize(("text", "line"), [
    ("WatchdogSec=0", WATCHDOG), ("WatchdogSec=0s", WATCHDOG), ("RuntimeMaxSec=infinity", TIME_UP),
])
def test_a_limit_that_is_lifted_by_now_is_no_fault_whatever_the_log_says(text: str, line: str) -> None:
    scene = unit_with(text, line, unit_changes={"result": "timeout"})
    assert CAUSE not in roots(diagnose(scene.snapshot()))


def test_a_limit_that_may_be_meant_is_lifted_by_a_person() -> None:
    scene = unit_with("RuntimeMaxSec=3", TIME_UP, unit_changes={"result": "timeout"})
    (repair,) = found(scene).repairs
    assert repair.needs[0].choices == ("lift",) and not repair.steps
    write = found(scene, **{"runtime-limit": "lift"}).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b"RuntimeMaxSec=infinity" in (write.after or b"")


@pytest.mark.parametrize("changes", [
    {"runtime": "gunicorn"},                                           # it tells systemd that it is ready
    {"log": log_lines(TIMED_OUT, ago=9000)},                                 # long ago
    {"log": log_lines("visitor: backend.service: start operation timed out. Terminating.")},
    {"unit_values": ()},
])
def test_miss_no_proof_that_its_unit_is_at_fault(changes: dict[str, object]) -> None:
    scene = unit_with("Type=notify", TIMED_OUT, unit_changes={"result": "timeout"}, **changes)
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), CAUSE), RuledOut)


@pytest.mark.parametrize(("argv", "written"), [
    ("/bin/sh -c echo no; exit 3", '/bin/sh -c "echo no; exit 3"'), ("/srv/check", "-/srv/other"),
])
def test_a_command_before_the_program_failed(argv: str, written: str) -> None:
    setting, _ = value(f"ExecStartPre={written}")
    lines = ("the licence has expired", "backend.service: Control process exited, code=exited, status=3/NOTIMPLEMENTED",
             "backend.service: Failed with result 'exit-code'.", "Failed to start backend.service - Office.")
    scene = Scene().with_service(failed_service(
        unit_values=(setting,), log=log_lines(*lines), unit_changes={"exec_main_status": 0, "exec_main_code": 0, "pre": (
            PreCommand("/bin/true", "exited", 0), PreCommand(argv, "exited", 3))},
    )).refused()
    finding = found(scene)
    assert finding.variant == "start-execstartpre-failed" and finding.repairs[0].risk == "manual"
    assert f"{UNIT}:2" in finding.repairs[0].manual and "status 3: the licence has expired;" in finding.repairs[0].manual


@pytest.mark.parametrize(("last", "commands", "told"), [
    ("Control process exited, code=exited, status=3/NOTIMPLEMENTED", 1, True),
    ("Control process exited, code=exited, status=3/NOTIMPLEMENTED", 2, False),     # which of them, nobody says
    ("Main process exited, code=exited, status=3/NOTIMPLEMENTED", 1, False),
])
def test_a_command_before_the_program_is_told_in_the_midst_of_one_more_try(last: str, commands: int, told: bool) -> None:
    """systemd has forgotten by then how the try before ended."""
    setting, _ = value("ExecStartPre=/srv/check")
    lines = ("the licence has expired", f"backend.service: {last}", "backend.service: Failed with result 'exit-code'.",
             "backend.service: Scheduled restart job, restart counter is at 4.")
    scene = Scene().with_service(failed_service(
        unit_values=(setting,), log=log_lines(*lines), unit_changes={
            "active_state": "activating", "sub_state": "start-pre", "result": "success", "n_restarts": 4,
            "exec_main_status": 0, "exec_main_code": 0, "pre": (PreCommand("/srv/check", "", 0),) * commands},
    )).refused()
    findings = [f for f in diagnose(scene.snapshot()).findings if f.variant == "start-execstartpre-failed"]
    assert bool(findings) is told
    assert not told or "ended with status 3" in findings[0].summary


@pytest.mark.parametrize(("changes", "told"), [
    ({}, True), ({"result": "start-limit-hit"}, True), ({"result": "resources"}, False),
    ({"exec_main_code": 1, "exec_main_status": 3}, False),
])
def test_it_is_told_by_the_log_where_the_units_were_read_again_since(changes: dict[str, object], told: bool) -> None:
    """daemon-reload forgets how a command before the program ended, and a start that comes too soon does not run it."""
    setting, _ = value("ExecStartPre=/srv/check")
    lines = ("INFO: Finished server process [69]", "Stopped backend.service - Shop.",
             "backend.service: Control process exited, code=exited, status=1/FAILURE",
             "backend.service: Failed with result 'exit-code'.", "backend.service: Start request repeated too quickly.",
             "backend.service: Failed with result 'exit-code'.", "Failed to start backend.service - Shop.")
    scene = Scene().with_service(failed_service(
        unit_values=(setting,), log=log_lines(*lines), unit_changes={
            "active_state": "failed", "sub_state": "failed", "result": "exit-code", "n_restarts": 4, "main_pid": 0,
            "exec_main_status": 0, "exec_main_code": 0, "pre": (PreCommand("/srv/check", "", 0),), **changes},
    )).refused()
    findings = [f for f in diagnose(scene.snapshot()).findings if f.variant == "start-execstartpre-failed"]
    assert bool(findings) is told
    assert not told or (findings[0].role == "root" and "ended with status 1" in findings[0].summary)
    assert "Finished" not in repr(findings)


def test_an_edit_that_systemd_never_read() -> None:
    told = binding(8001)
    running = replace(binding(8000), source=Evidence("process", "pid 200", "uvicorn --port 8000"))
    made = service(bindings=Known((told, running)), unit_changes={"need_daemon_reload": True})
    scene = Scene("127.0.0.1:8001").with_service(made, listener(8000, 200)).refused()
    finding = found(scene)
    assert finding.variant == "unit-edited-no-daemon-reload"
    reload, restart, *_ = finding.repairs[0].steps
    assert isinstance(reload, DaemonReload) and isinstance(restart, UnitAction) and restart.verb == "restart"
    read = service(bindings=Known((told, running)))
    other = Scene("127.0.0.1:8001").with_service(read, listener(8000, 200)).refused()
    assert CAUSE not in roots(diagnose(other.snapshot()))


@pytest.mark.parametrize(("path", "ago", "stale"), [
    ("/etc/default/shop", 60.0, True), (UNIT, 60.0, True),
    ("/etc/default/shop", 7200.0, False),       # it was started with that: why it listens elsewhere is not told
    ("/etc/default/other", 60.0, False),
])
def test_a_file_that_was_edited_after_the_start_wants_a_restart(path: str, ago: float, stale: bool) -> None:
    told = replace(binding(8001), source=Evidence("unit", f"{'/etc/default/shop' if 'default' in path else UNIT}:2", "PORT=8001"))
    running = replace(binding(8000), source=Evidence("process", "pid 200", "uvicorn --port 8000"))
    scene = Scene("127.0.0.1:8001").with_service(service(bindings=Known((told, running))), listener(8000, 200)).refused()
    scene.files.append(file(path, "PORT=8001\n", stat=stat(mtime=NOW - ago)))
    diagnosis = diagnose(scene.snapshot())
    assert (roots(diagnosis) == [CAUSE]) is stale
    if stale:
        first = diagnosis.findings[0]
        assert first.confidence == "likely" and f"{path} says port 8001 since it was edited" in first.summary
        restart = next(s for s in first.repairs[0].steps if isinstance(s, UnitAction))
        assert (first.repairs[0].risk, restart.verb) == ("disruptive", "restart")


def test_a_program_of_supervisord_that_was_edited_after_its_start_is_updated() -> None:
    conf = "/etc/supervisor/conf.d/shop.conf"
    told = replace(binding(8001), source=Evidence("file", f"{conf}:2", "--port 8001"), file=conf)
    running = replace(binding(8000), source=Evidence("process", "pid 300", "uvicorn --port 8000"))
    made = supervised_service(bindings=Known((told, running)), program={"started_at": NOW - 3600})
    scene = Scene("127.0.0.1:8001").with_service(made, listener(8000, 300)).refused()
    for ago in (60.0, 3599.0, 3601.0):      # also in the moment of the start: with the edit it would listen elsewhere
        scene.files.append(file(conf, "[program:shop]\n", stat=stat(mtime=NOW - ago)))
        (repair,) = found(scene).repairs
        assert [s.verb for s in repair.steps if isinstance(s, ProgramAction)] == ["update"]
        scene.files.pop()


def test_what_answers_and_was_never_restarted_is_left_alone() -> None:
    scene = unit_with("Type=notify", TIMED_OUT, now_well=True)
    assert diagnose(scene.snapshot()).verdict == "healthy" and NOW


STOPPING = "Stopping backend.service - The office application..."
KILLED = "backend.service: State 'stop-sigterm' timed out. Killing."


def killed_at_stops(*ages: float, text: str = "TimeoutStopSec=2", took: float = 2.0, lost: bool = True, said: str = KILLED) -> Scene:
    """Stopped several times, each time killed after so long, with a request in its hands."""
    setting, content = value(text)
    lines = tuple(line for age in ages for line in (*log_lines(STOPPING, ago=age + took).value, *log_lines(said, ago=age).value))
    scene = Scene().with_service(service(unit_values=(setting,) if text.startswith("Timeout") else (), log=Known(lines)),
                                 listener(8000, 200))
    scene.files.append(file(UNIT, content))
    for age in ages if lost else ():
        scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", ago=age)
    return scene


@pytest.mark.parametrize(("text", "took", "after"), [
    ("TimeoutStopSec=2", 2.0, b"TimeoutStopSec=90\n"), ("TimeoutStopSec=1min 5s", 66.0, b"TimeoutStopSec=90\n"),
    ("TimeoutSec=2s", 3.0, b"TimeoutSec=90\n"),
])
def test_hit_requests_that_are_killed_at_each_stop(text: str, took: float, after: bytes) -> None:
    finding = found(killed_at_stops(300, 100, text=text, took=took))
    assert (finding.variant, finding.confidence) == ("stop-timeout-sigkill", "certain")
    assert "2 times within 15 minutes, 2 requests lost" in finding.summary and finding.evidence[0].where == f"{UNIT}:2"
    (repair,) = finding.repairs
    write, reload = repair.steps          # no restart: that would kill what is under way
    assert isinstance(write, WriteFile) and isinstance(reload, DaemonReload) and repair.risk == "disruptive"
    assert write.after == b"[Service]\n" + after
    assert found(killed_at_stops(300, 100, text=text, took=took), **{"stop-timeout": "120"}).repairs[0].steps[0].after.endswith(b"=120\n")   # type: ignore[union-attr]


def test_where_nothing_is_written_or_it_is_long_already_a_person_says_how_long() -> None:
    usual = found(killed_at_stops(300, 150, text="User=x", took=90.5))
    assert usual.repairs[0].steps == () and usual.repairs[0].needs[0].default is None and "systemd's own" in usual.summary
    told = found(killed_at_stops(300, 150, text="User=x", took=90.5), **{"stop-timeout": "300"}).repairs[0]
    assert told.risk == "manual" and "TimeoutStopSec=300" in told.manual
    assert found(killed_at_stops(400, 100, text="TimeoutStopSec=120", took=121)).repairs[0].steps == ()
    bare = killed_at_stops(300, 100)
    bare.files.clear()
    assert found(bare).repairs[0].risk == "manual"


@pytest.mark.parametrize("scene", [
    killed_at_stops(100), killed_at_stops(1200, 1000), killed_at_stops(300, 100, lost=False),
    killed_at_stops(300, 100, took=9.0),                                   # by a limit that is no more
    killed_at_stops(300, 100, text="TimeoutStopSec=90"), killed_at_stops(300, 100, said="backend.service: killed by hand"),
    killed_at_stops(300, 100, said="it said: backend.service: State 'stop-sigterm' timed out. Killing."),
])
def test_miss_stops_that_are_over_took_nothing_or_ran_into_another_limit(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def busy(gap: float) -> Scene:
    """Its log reaches back for half a minute only; two requests more ended at nearly one moment before that."""
    scene = killed_at_stops(20)
    for ago in (100, 100 + gap):
        scene.logs("upstream prematurely closed connection", None, "reading response header from upstream", ago=ago)
    return scene


def test_a_log_that_holds_the_last_stop_only_is_helped_out_by_nginx() -> None:
    finding = found(busy(0.3))
    assert (finding.variant, finding.confidence) == ("stop-timeout-sigkill", "likely") and "(1 time within" in finding.summary
    assert isinstance(verdict_of(diagnose(busy(40.0).snapshot()), CAUSE), RuledOut)


def test_what_another_route_lost_is_none_of_this_services() -> None:
    scene = killed_at_stops(300, 100)
    scene.events = [replace(event, server="other.example") for event in scene.events]
    scene.route[0] = {"server_names": ("shop.example",)}
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_what_is_said_of_a_service_that_loses_requests() -> None:
    scene = killed_at_stops(300, 100)
    scene.services[0] = replace(scene.services[0], log=Unknown("not in the group adm"))
    verdict = verdict_of(diagnose(scene.snapshot()), CAUSE)
    assert isinstance(verdict, Undetermined) and any("not in the group adm" in fact for fact in verdict.missing)


REFUSED = {"load_state": "bad-setting", "load_error": 'org.freedesktop.systemd1.BadUnitSetting "bad"', "active_state": "inactive",
           "sub_state": "dead", "main_pid": 0, "need_daemon_reload": False}
PLACE = "/etc/systemd/system/backend.service"


@pytest.mark.parametrize(("line", "words"), [
    (f"{PLACE}:3: Neither a valid executable name nor an absolute path: ./venv/bin/uvicorn",
     f"Neither a valid executable name nor an absolute path: ./venv/bin/uvicorn ({PLACE}:3)"),
    ("backend.service: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.", f"Refusing. ({PLACE})"),
    ("something else", "systemd cannot load backend.service"),
])
def test_a_unit_that_systemd_could_not_load(line: str, words: str) -> None:
    finding = found(Scene().with_service(service(pid=None, log=log_lines(line), unit_changes=REFUSED)).refused())
    assert (finding.variant, finding.confidence) == ("unit-not-loaded", "certain") and words in finding.summary
    assert finding.repairs[0].risk == "manual" and "daemon-reload" in finding.repairs[0].manual


def test_a_unit_that_was_corrected_and_not_read_yet_is_another_matter() -> None:
    scene = Scene().with_service(service(pid=None, unit_changes={**REFUSED, "need_daemon_reload": True})).refused()
    assert all(f.variant != "unit-not-loaded" for f in diagnose(scene.snapshot()).findings)


def test_a_program_of_several_processes_that_was_edited_after_its_start_is_updated() -> None:
    conf = "/etc/supervisor/conf.d/shop.conf"
    told = tuple(binding(port, f"{conf}:3") for port in (9001, 9002))
    made = supervised_service(bindings=Known(told), program={"started_at": NOW - 3600, "name": "shop:*"}, pids=(200, 201))
    scene = Scene("127.0.0.1:9001", "127.0.0.1:9002").with_service(made, listener(8001, 200), listener(8002, 201))
    scene.files.append(file(conf, "[program:shop]\n", stat=stat(mtime=NOW - 60)))
    for index in (0, 1):
        scene.refused(index, configured_service=made.id)
    diagnosis = diagnose(scene.snapshot())
    assert set(roots(diagnosis)) == {CAUSE}
    assert {f.variant for f in diagnosis.findings if f.cause == CAUSE} == {"unit-edited-no-daemon-reload"}
