"""unit-misconfigured where the program is well: systemd ends it, a command before it fails, an edit was never read."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import UnitValue
from tests.causes.snapshot_builders import Scene, failed_service, file, healthy_scene, log_lines, roots, verdict_of
from tests.causes.unit_misconfigured.stopped_by_systemd_builders import found, unit_with, value

CAUSE = "unit-misconfigured"
STOPPED_BY_SYSTEMD_UNIT = "/etc/systemd/system/backend.service"
TIMED_OUT = "backend.service: start operation timed out. Terminating."
WATCHDOG = "backend.service: Watchdog timeout (limit 3s)!"
TIME_UP = "backend.service: Service reached runtime time limit. Stopping."

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
    assert finding.variant == variant and finding.evidence[0].where == f"{STOPPED_BY_SYSTEMD_UNIT}:2"
    write, reload, *rest = finding.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(reload, DaemonReload) and finding.repairs[0].risk == "disruptive"
    assert write.after == b"[Service]\n" + after
    verbs = [step.verb for step in rest if isinstance(step, UnitAction)]
    assert verbs == (["restart"] if now_well else ["reset-failed", "start"])


def test_between_two_tries_a_start_could_join_the_next_one() -> None:
    pause = {"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 2, "main_pid": 0}
    finding = found(unit_with("Type=forking", TIMED_OUT, now_well=True, unit_changes=pause))
    assert [s.verb for s in finding.repairs[0].steps if isinstance(s, UnitAction)] == ["reset-failed", "restart"]


def slow(limit: str = "TimeoutStartSec=5", *more: str) -> Scene:
    setting, content = value(limit)
    kind = UnitValue("Type", "notify", STOPPED_BY_SYSTEMD_UNIT, 3, 0, 0)
    made = failed_service(unit_values=(setting, kind), log=log_lines(*more, TIMED_OUT), unit_changes={"result": "timeout"},
                  runtime="gunicorn", argv=("/usr/bin/gunicorn", "--preload", "app.main:app"))
    scene = Scene().with_service(made).refused()
    scene.files.append(file(STOPPED_BY_SYSTEMD_UNIT, content))
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
