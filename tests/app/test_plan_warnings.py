"""What stops, and what cannot come back, is named before a plan is agreed to."""

from __future__ import annotations

import pytest

from fixer.app.plan_warnings import plan_warnings
from fixer.model.plan import CheckNginx, ComposeUp, ContainerAction, DaemonReload, SignalProcess, Step, UnitAction
from fixer.render.plan_text import plan_lines
from tests.render.report_samples import POINT

RESTART = UnitAction("local", "app.service", "restart", "active", "enabled", 51, "running for 27 s")
KILL = SignalProcess("local", 99, 1, "KILL", "old copy of the application, running for 3 h")


@pytest.mark.parametrize(("step", "said"), [
    (RESTART, "This stops what runs now: restart app.service (main process 51, running for 27 s)"),
    (ContainerAction("id", "p-app-1", "restart", "running"), "This stops what runs now: restart container p-app-1"),
    (KILL, "Cannot be undone: kill process 99 (old copy of the application, running for 3 h): cannot be undone"),
])
def test_what_stops_is_named(step: Step, said: str) -> None:
    assert plan_warnings((step,)) == (said,)


def test_bringing_a_running_service_up_again_stops_it() -> None:
    up = ComposeUp("p", "app", "/srv", (), (), "hash")
    assert len(plan_warnings((up,))) == 1


@pytest.mark.parametrize("step", [
    UnitAction("local", "app.service", "restart", "failed", "enabled"), UnitAction("local", "a", "start", "inactive", "enabled"),
    ContainerAction("id", "c", "restart", "exited"), ContainerAction("id", "c", "unpause", "paused"),
    ComposeUp("p", "app", "/srv", (), (), "hash", was="exited"), SignalProcess("local", 1, 1, "CONT", "x"),
    CheckNginx("local", "nginx", "c", "p"), DaemonReload("local"),
])
def test_what_stops_nothing_warns_of_nothing(step: Step) -> None:
    assert plan_warnings((step,)) == ()


def test_warnings_come_before_the_steps() -> None:
    lines = plan_lines("crash-port-in-use", POINT, warnings=plan_warnings((KILL, RESTART)))
    first_step = next(n for n, line in enumerate(lines) if line.startswith("  1. "))
    assert any("Cannot be undone" in line for line in lines[:first_step])
    assert any("This stops what runs now" in line for line in lines[:first_step])
