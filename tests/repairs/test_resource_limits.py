"""Another value and a start: both or neither, with what stands in the way and who will overwrite the edit."""

from __future__ import annotations

import pytest

from fixer.model.diagnosis import Need
from fixer.model.plan import DaemonReload
from fixer.repairs.file_edits import NotEditable
from fixer.repairs.resource_limits import (
    SettingRepairWording,
    is_memory_refused,
    is_task_refused,
    set_and_start_repair,
)
from fixer.repairs.write_variables import EditSteps
from tests.causes.snapshot_builders import log_lines
from tests.formats.test_run_output import REQUESTS

REFUSED = "RuntimeError: can't start new thread"
NEED = Need("backlog", "value", "how many may wait", default="2048")
SETTING = SettingRepairWording("raise-backlog", "raise --backlog", NEED, "--backlog 2048 instead of 4", by_hand="start it with more",
                  then="restart app")
STEP = DaemonReload("local")
HERE = EditSteps((STEP,), "/etc/app.env:3", "")


@pytest.mark.parametrize(("written", "begin", "why"), [
    (NotEditable("written nowhere"), (STEP,), "written nowhere"), (HERE, NotEditable("nobody starts it"), "nobody starts it"),
    (NotEditable("written nowhere"), NotEditable("nobody starts it"), "written nowhere"),
])
def test_what_stands_in_the_way_is_said(written: EditSteps | NotEditable, begin: tuple[DaemonReload] | NotEditable, why: str) -> None:
    made = set_and_start_repair(SETTING, written, begin)
    assert (made.risk, made.steps, made.needs, made.manual) == ("manual", (), (NEED,), f"start it with more; fixer cannot do this: {why}")


def test_the_edit_comes_before_the_start() -> None:
    made = set_and_start_repair(SETTING, HERE, (STEP, STEP))
    assert (made.risk, len(made.steps), made.needs) == ("disruptive", 3, (NEED,))
    assert made.summary == "--backlog 2048 instead of 4, set in /etc/app.env:3, then restart app"


def test_who_manages_the_file_is_named() -> None:
    made = set_and_start_repair(SETTING, EditSteps((STEP,), "/etc/app.env:3", "Ansible"), (STEP,))
    assert made.summary.endswith("then restart app (Ansible manages that file and will overwrite the edit)")


@pytest.mark.parametrize(("lines", "refused"), [
    ((REFUSED,), True), ((REFUSED, "SystemExit: 1"), True), ((REFUSED, "django.core.exceptions.ImproperlyConfigured: x"), False),
    ((REFUSED, '  File "/srv/a.py", line 1, in <module>', "zlib.error: odd"), False),
    *(((request.format(REFUSED),), False) for request in REQUESTS.values()),
])
def test_a_limit_is_reached_where_the_program_says_so_last(lines: tuple[str, ...], refused: bool) -> None:
    log = log_lines("begun", *lines).value
    assert (is_task_refused(log), is_memory_refused(log)) == (refused, refused)
