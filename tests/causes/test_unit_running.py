"""unit-misconfigured where the program is well: systemd ends it, a command before it fails, an edit was never read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose import diagnose
from fixer.model.diagnosis import Finding, RuledOut
from fixer.model.facts import Evidence, Known
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import PreCommand, UnitValue
from tests.causes.building import (
    NOW,
    Scene,
    binding,
    failed,
    file,
    finding_of,
    healthy,
    listener,
    log,
    roots,
    service,
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
    about = {"unit_values": (setting,), "log": log(line, line), **changes}
    if now_well:
        scene = Scene().with_service(service(**about), listener(8000, 200))   # type: ignore[arg-type]
    else:
        scene = Scene().with_service(failed(**about)).refused()   # type: ignore[arg-type]
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


def test_a_limit_that_may_be_meant_is_lifted_by_a_person() -> None:
    scene = unit_with("RuntimeMaxSec=3", TIME_UP, unit_changes={"result": "timeout"})
    (repair,) = found(scene).repairs
    assert repair.needs[0].choices == ("lift",) and not repair.steps
    write = found(scene, **{"runtime-limit": "lift"}).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b"RuntimeMaxSec=infinity" in (write.after or b"")


@pytest.mark.parametrize("changes", [
    {"runtime": "gunicorn"},                                           # it tells systemd that it is ready
    {"log": log(TIMED_OUT, ago=9000)},                                 # long ago
    {"log": log("visitor: backend.service: start operation timed out. Terminating.")},
    {"unit_values": ()},
])
def test_miss_no_proof_that_its_unit_is_at_fault(changes: dict[str, object]) -> None:
    scene = unit_with("Type=notify", TIMED_OUT, unit_changes={"result": "timeout"}, **changes)
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)
    assert isinstance(verdict_of(diagnose(healthy().snapshot()), CAUSE), RuledOut)


@pytest.mark.parametrize(("argv", "written"), [
    ("/bin/sh -c echo no; exit 3", '/bin/sh -c "echo no; exit 3"'), ("/srv/check", "-/srv/other"),
])
def test_a_command_before_the_program_failed(argv: str, written: str) -> None:
    setting, _ = value(f"ExecStartPre={written}")
    lines = ("backend.service: Control process exited, code=exited, status=3/NOTIMPLEMENTED",)
    scene = Scene().with_service(failed(
        unit_values=(setting,), log=log(*lines), unit_changes={"exec_main_status": 0, "exec_main_code": 0, "pre": (
            PreCommand("/bin/true", "exited", 0), PreCommand(argv, "exited", 3))},
    )).refused()
    finding = found(scene)
    assert finding.variant == "start-execstartpre-failed" and finding.repairs[0].risk == "manual"
    assert f"{UNIT}:2" in finding.repairs[0].manual and "status 3" in finding.repairs[0].manual


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


def test_what_answers_and_was_never_restarted_is_left_alone() -> None:
    scene = unit_with("Type=notify", TIMED_OUT, now_well=True)
    assert diagnose(scene.snapshot()).verdict == "healthy" and NOW
