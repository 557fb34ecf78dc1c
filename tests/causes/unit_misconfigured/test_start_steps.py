"""Tests of fixer/causes/unit_misconfigured/start_steps.py."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.plan import WriteFile
from fixer.model.snapshot import CommandArgument, PreCommand, UnitValue
from tests.causes.paper_machine import UNIT, diagnose_machine
from tests.causes.snapshot_builders import Scene, failed_service, file, log_lines, roots, verdict_of
from tests.causes.unit_misconfigured.stopped_by_systemd_builders import found, value
from tests.causes.unit_misconfigured.unit_misconfigured_builders import START
from tests.causes.unit_misconfigured.unit_misconfigured_builders import found as unit_misconfigured_found

STOPPED_BY_SYSTEMD_UNIT = "/etc/systemd/system/backend.service"
TIMED_OUT = "backend.service: start operation timed out. Terminating."

NO_FILE = "backend.service: Can't open PID file '/run/shop.pid' (yet?) after start: No such file or directory"


def detached(*words: str, lines: tuple[str, ...] = (NO_FILE, TIMED_OUT), pid_file: str = "/run/shop.pid") -> Scene:
    """A program that goes to the background under Type=forking, with the unit's PIDFile=."""
    text = f"[Service]\nType=forking\nPIDFile={pid_file}\n"
    at = text.index(pid_file)
    values = (UnitValue("Type", "forking", STOPPED_BY_SYSTEMD_UNIT, 2, 15, 22), UnitValue("PIDFile", pid_file, STOPPED_BY_SYSTEMD_UNIT, 3, at, at + len(pid_file)))
    argv = ("/usr/bin/gunicorn", *words, "shop:app")
    made = failed_service(unit_values=values, log=log_lines(*lines), unit_changes={"result": "timeout"}, runtime="gunicorn", argv=argv,
                  command=tuple(CommandArgument(word, STOPPED_BY_SYSTEMD_UNIT, 4) for word in argv))
    scene = Scene().with_service(made).refused()
    scene.files.append(file(STOPPED_BY_SYSTEMD_UNIT, text))
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
    assert all("never does" not in f.summary for f in diagnose(scene.snapshot()).findings)


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
    assert f"{STOPPED_BY_SYSTEMD_UNIT}:2" in finding.repairs[0].manual and "status 3: the licence has expired." in finding.repairs[0].manual


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


CAUSE = "unit-misconfigured"
PROGRAM = "/srv/shop/venv/bin/uvicorn"
APP = {"/srv/shop/app/main.py": "app = 1\n"}

STEP = "back.service: Failed at step {} spawning " + PROGRAM + ": {}"


@pytest.mark.parametrize(("status", "step", "why", "line", "words"), [
    ("209", "STDOUT", "No such file or directory", "StandardOutput=append:/var/log/shop/out.log", "/var/log/shop is missing"),
    ("243", "CREDENTIALS", "No such file or directory", "LoadCredential=key:/etc/shop/key", "/etc/shop/key is missing"),
    ("225", "NETWORK", "Operation not permitted", "PrivateNetwork=yes", "the step NETWORK: Operation not permitted"),
    ("205", "LIMITS", "Operation not permitted", "LimitNOFILE=9999999", "the step LIMITS: Operation not permitted"),
])
def test_further_steps_are_told_by_the_settings_that_they_carry_out(
    status: str, step: str, why: str, line: str, words: str,
) -> None:
    finding = unit_misconfigured_found(diagnose_machine(f"{START}{line}\n", APP, log=(STEP.format(step, why),), show={"ExecMainStatus": status}))
    assert (finding.variant, finding.confidence) == ("start-step-failed", "certain") and words in finding.summary
    assert finding.evidence[0].text == line and f"{UNIT}:5" in finding.repairs[0].manual


def test_a_file_of_a_further_step_that_is_there_by_now_needs_a_start_and_a_status_alone_is_no_step() -> None:
    unit = f"{START}StandardOutput=append:/var/log/shop/out.log\n"
    said = (STEP.format("STDOUT", "No such file or directory"),)
    files = {**APP, "/var/log/shop": ("dir", 0o755)}
    assert unit_misconfigured_found(diagnose_machine(unit, files, log=said, show={"ExecMainStatus": "209"})).repairs[0].id == "start-service"
    assert isinstance(verdict_of(diagnose_machine(unit, files, log=("x",), show={"ExecMainStatus": "209"}), CAUSE), RuledOut)


POST = f"{START}ExecStartPost=/usr/bin/curl -sf http://127.0.0.1:8001/health\n"
TRY = ("Starting back.service - Back...", "INFO: Application startup complete.",
       "back.service: Control process exited, code=exited, status=7/NOTRUNNING")
LEFT = ("back.service: Failed with result 'exit-code'.", "Failed to start back.service - Back.")


@pytest.mark.parametrize("after", [(), ("back.service: Scheduled restart job, restart counter is at 5.",
                                        "back.service: Start request repeated too quickly.", *LEFT)])
def test_a_command_after_the_program_that_failed_is_why_it_was_ended(after: tuple[str, ...]) -> None:
    finding = unit_misconfigured_found(diagnose_machine(POST, APP, log=(*TRY, *LEFT, *after), show={"ExecMainStatus": "15"}))
    assert (finding.variant, finding.confidence) == ("start-execstartpost-failed", "certain")
    assert "`/usr/bin/curl -sf http://127.0.0.1:8001/health`" in finding.summary and "status 7" in finding.summary
    assert f"{UNIT}:5" in finding.repairs[0].manual


@pytest.mark.parametrize("log", [
    (*TRY[:2], "back.service: Main process exited, code=exited, status=1/FAILURE", TRY[2], *LEFT),   # it ended before
    (*TRY, *LEFT, "Started back.service - Back.", "back.service: Main process exited, code=killed, status=9/KILL"),
    (*TRY[:2], *LEFT),
    (*TRY[:2], "back.service: start operation timed out. Terminating.", TRY[2], *LEFT),        # of the stop
])
def test_a_program_that_ended_by_itself_is_not_laid_to_what_runs_after_it(log: tuple[str, ...]) -> None:
    diagnosis = diagnose_machine(POST, APP, log=log, show={"ExecMainStatus": "1"})
    assert CAUSE not in roots(diagnosis)
