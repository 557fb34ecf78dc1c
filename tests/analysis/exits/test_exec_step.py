"""Tests of fixer/analysis/exits/exec_step.py."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.analysis.exits.exec_step import (
    StepFailure,
    has_failed_before_start,
    is_executable_file,
    is_missing,
    program_line_evidence,
    setting_of,
    stat_of,
    step_failure,
    working_directory_of,
)
from fixer.managers import manager_of
from fixer.model.snapshot import CommandArgument, Service, UnitValue
from tests.causes.snapshot_builders import failed_service, healthy_scene, log_lines, service, stat, supervised_service

UNIT = "/etc/systemd/system/backend.service"
STEP = "backend.service: Failed at step {} spawning /srv/shop/serve: {}"


def unit_failed(status: int, *lines: str, **changes: Any) -> Service:
    return failed_service(unit_changes={"exec_main_status": status, **changes}, log=log_lines(*lines))


def program_failed(ended: str, *lines: str, state: str = "FATAL") -> Service:
    return supervised_service(state, program={"ended": ended}, log=log_lines(*lines))


def facts_of(failure: StepFailure | None) -> tuple[int, str, int] | None:
    return None if failure is None else (failure.status, failure.why, len(failure.lines))


@pytest.mark.parametrize(("made", "expected"), [
    (unit_failed(203, STEP.format("EXEC", "No such file or directory")), (203, "missing", 1)),
    (unit_failed(203, STEP.format("EXEC", "Permission denied")), (203, "denied", 1)),
    (unit_failed(203, STEP.format("EXEC", "Exec format error")), (203, "format", 1)),
    (unit_failed(200, STEP.format("CHDIR", "Structure needs cleaning")), (200, "unknown", 1)),
    (unit_failed(217, STEP.format("USER", "No such process")), (217, "missing", 1)),
    (unit_failed(203), (203, "unknown", 0)),                                            # its log is gone
    (unit_failed(203, STEP.format("CHDIR", "Permission denied")), (203, "unknown", 0)),  # of another try
    (unit_failed(1, STEP.format("EXEC", "Permission denied")), None),
    (unit_failed(233, STEP.format("RUNTIME_DIRECTORY", "Permission denied")), (233, "denied", 1)),
    (unit_failed(233), None),                                    # a program may end with that number itself
    (unit_failed(203, STEP.format("EXEC", "Permission denied"), result="signal"), None),
    (unit_failed(203, STEP.format("EXEC", "Permission denied"), main_pid=7), None),
])
def test_the_step_at_which_systemd_failed(made: Service, expected: tuple[int, str, int] | None) -> None:
    assert facts_of(step_failure(made)) == expected
    assert has_failed_before_start(made) is bool(expected and expected[2])


@pytest.mark.parametrize(("made", "why"), [
    (program_failed("can't find command '/srv/shop/serve'"), "missing"),
    (program_failed("command at '/srv/shop/serve' is not executable"), "denied"),
    (program_failed("Exited too quickly (process log may have details)"), None),
    (program_failed("can't find command '/srv/shop/serve'", state="RUNNING"), None),
])
def test_the_step_at_which_supervisord_failed(made: Service, why: str | None) -> None:
    failure = step_failure(made)
    assert (failure.why if failure is not None else None) == why


def test_the_last_try_counts() -> None:
    made = unit_failed(203, STEP.format("EXEC", "No such file or directory"), STEP.format("EXEC", "Permission denied"))
    assert facts_of(step_failure(made)) == (203, "denied", 1)


def test_folder_and_account_are_those_of_the_manager() -> None:
    assert (working_directory_of(service()), manager_of(service()).account_name()) == ("/srv/shop", "shop")
    assert manager_of(service(unit_changes={"user": ""})).account_name() == "root"
    conf = "/etc/supervisor/conf.d/shop.conf"
    values = (UnitValue("directory", "/srv/shop ", conf, 3, 0, 0), UnitValue("user", "app", conf, 4, 0, 0))
    made = supervised_service(unit_values=values)
    assert (working_directory_of(made), manager_of(made).account_name()) == ("/srv/shop", "app")
    assert (working_directory_of(supervised_service()), manager_of(supervised_service()).account_name()) == ("", "root")


def test_an_empty_assignment_takes_the_earlier_ones_back() -> None:
    values = tuple(UnitValue("Restart", value, UNIT, line, 0, 0) for line, value in enumerate(("no", "always"), 1))
    found = setting_of(service(unit_values=values), "Restart")
    assert found is not None and (found.value, found.line) == ("always", 2)
    assert setting_of(service(unit_values=(*values, UnitValue("Restart", "", UNIT, 3, 0, 0))), "Restart") is None


def test_a_link_counts_as_what_it_leads_to() -> None:
    end = stat(mode=0o100755)
    scene = healthy_scene()
    scene.node_changes["local"] = {
        "files": (("/a", stat(kind="link", target=end)), ("/b", stat(kind="link"))), "missing_paths": frozenset({"/b", "/c"})}
    snapshot = scene.snapshot()
    assert stat_of(snapshot, "local", "/a") == end and is_executable_file(stat(kind="link", target=end))
    assert stat_of(snapshot, "local", "/b") is None and stat_of(snapshot, "elsewhere", "/a") is None
    assert [is_missing(snapshot, "local", path) for path in ("/a", "/b", "/c", "/d")] == [False, True, True, False]
    assert not is_executable_file(None) and not is_executable_file(stat()) and not is_executable_file(stat(kind="dir", mode=0o40755))


def test_the_line_that_names_the_program() -> None:
    entry = CommandArgument("/srv/shop/serve", UNIT, 6, 10, 25)
    made = service(entry=entry, unit_values=(UnitValue("ExecStart", "/srv/shop/serve  --fast", UNIT, 6, 0, 0),))
    (shown,) = program_line_evidence(made)
    assert (shown.where, shown.text) == (f"{UNIT}:6", "ExecStart=/srv/shop/serve --fast")
    script = CommandArgument("/srv/shop/run", "/srv/shop/start.sh", 2)
    assert [(e.where, e.text) for e in program_line_evidence(made, script)] == [("/srv/shop/start.sh:2", "/srv/shop/run")]
    assert program_line_evidence(service(entry=entry)) == ()
