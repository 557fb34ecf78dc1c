"""crash-killed: a signal from outside, told apart from a stop, a crash loop and a lack of memory."""

from __future__ import annotations

import pytest

from fixer.diagnose import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ContainerAction, DaemonReload, UnitAction, WriteFile
from tests.causes.building import NOW, Scene, boxed, failed, file, finding_of, healthy, log, roots, stopped, verdict_of

CAUSE = "crash-killed"
KILLED = {"result": "signal", "exec_main_code": 2, "exec_main_status": 9}


def killed(**changes: object) -> Scene:
    values = {**KILLED, **changes.pop("unit_changes", {})}   # type: ignore[dict-item]
    return Scene().with_service(failed(unit_changes=values, **changes)).refused()   # type: ignore[arg-type]


def test_hit() -> None:
    scene = killed(log=log("Started backend.service.", "backend.service: Main process exited, code=killed, status=9/KILL"))
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert found.variant == "killed-mid-request" and "KILL" in found.summary
    start, keep = found.repairs
    assert (start.id, start.risk, keep.id, keep.risk) == ("start-service", "safe", "restart-on-failure", "disruptive")
    assert [s.verb for s in start.steps if isinstance(s, UnitAction)] == ["reset-failed", "start"]
    write = keep.steps[0]
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nRestart=on-failure\n"
    assert isinstance(keep.steps[1], DaemonReload)


def test_miss() -> None:
    for scene in (healthy(), Scene().with_service(stopped()).refused(), Scene().with_service(failed()).refused(),
                  killed(unit_changes={"result": "oom-kill"})):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_which_service_is_meant() -> None:
    scene = Scene().refused().endpoint(listener=Unknown("not root"), tcp=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def test_a_log_that_cannot_be_read_hides_no_signal() -> None:
    assert roots(diagnose(killed(log=Unknown("not root")).snapshot())) == [CAUSE]


def test_a_fault_of_its_own() -> None:
    found = finding_of(diagnose(killed(unit_changes={"result": "core-dump", "exec_main_status": 11}).snapshot()), CAUSE)
    assert found.variant == "segfault-mid-request"


def test_a_shell_between_says_137() -> None:
    values = {"result": "exit-code", "exec_main_status": 137}
    assert roots(diagnose(killed(unit_changes=values).snapshot())) == [CAUSE]


def test_a_policy_that_is_there_is_not_offered_again() -> None:
    assert len(finding_of(diagnose(killed(unit_changes={"restart": "always"}).snapshot()), CAUSE).repairs) == 1
    path = "/etc/systemd/system/backend.service.d/50-badgateway-restart.conf"
    assert len(finding_of(diagnose(killed(unit_changes={"drop_in_paths": (path,)}).snapshot()), CAUSE).repairs) == 1


def test_a_named_reason_is_the_root_instead() -> None:
    lines = ("Started backend.service.", "RuntimeError: SECRET_KEY is not set")
    assert roots(diagnose(killed(log=log(*lines)).snapshot())) == ["crash-missing-env"]


def test_the_words_of_a_start_are_not_those_of_a_stop() -> None:
    lines = ("INFO:     Started server process [1]", "INFO:     Waiting for application startup.",
             "INFO:     Application startup complete.")
    made = boxed(box={"status": "exited", "exit_code": 137, "pid": 0}, pid=None, log=log(*lines))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


@pytest.mark.parametrize(("code", "variant"), [(137, "killed-mid-request"), (139, "segfault-mid-request")])
def test_containers(code: int, variant: str) -> None:
    made = boxed(box={"status": "exited", "exit_code": code, "pid": 0}, pid=None)
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(addresses=Known(()), node=None)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.variant == variant and isinstance(found.repairs[0].steps[0], ContainerAction)


def test_a_container_whose_run_before_was_stopped_a_moment_earlier() -> None:
    box = {"status": "exited", "exit_code": 137, "pid": 0, "started_at": NOW - 29.5}
    made = boxed(box=box, pid=None, log=log("INFO:     Shutting down", "INFO:     Finished server process [1]"))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_a_container_that_ran_out_of_memory_is_another_cause() -> None:
    made = boxed(box={"status": "exited", "exit_code": 137, "oom_killed": True}, pid=None)
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    assert file("/x", "").data == b""
