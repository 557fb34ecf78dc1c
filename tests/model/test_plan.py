"""Steps of a plan: whether they only start what is down, and which services they touch."""

from __future__ import annotations

import pytest

from fixer.model.plan import (
    CheckNginx,
    ComposeUp,
    ContainerAction,
    DaemonReload,
    NetworkAction,
    ProgramAction,
    Step,
    UnitAction,
    WaitForListener,
    affected_services,
    has_only_starts,
)

START = UnitAction("local", "a.service", "start", "inactive", "enabled")
ENABLE = UnitAction("local", "a.service", "enable", "inactive", "disabled")
RESTART = UnitAction("local", "a.service", "restart", "active", "enabled")
UNPAUSE = ContainerAction("abc", "shop-app-1", "unpause", "paused")
STOP = ContainerAction("abc", "shop-app-1", "stop", "running")
PROGRAM = ProgramAction("local", "shop:*", "shop", "start", "/etc/supervisord.conf", "STOPPED")
UPDATE = ProgramAction("local", "shop:*", "shop", "update", "/etc/supervisord.conf", "FATAL")
WAIT = WaitForListener("local", "127.0.0.1", 8000)
UP = ComposeUp("shop", "app", "/srv", ("compose.yaml",), (), "hash")
CHECK = CheckNginx("local", "nginx", "/etc/nginx/nginx.conf", "/etc/nginx")
JOIN = NetworkAction("abc", "shop-app-1", "shop_default", "connect")


@pytest.mark.parametrize(("steps", "expected"), [
    ((START, WAIT), True), ((ENABLE, START), True), ((UNPAUSE,), True), ((PROGRAM, WAIT), True), ((WAIT,), True),
    ((), False), ((RESTART,), False), ((START, RESTART), False), ((STOP,), False), ((UPDATE,), False), ((UP, WAIT), False),
    ((DaemonReload("local"), START), False), ((CHECK,), False), ((JOIN,), False),
])
def test_whether_steps_only_start_what_is_down(steps: tuple[Step, ...], expected: bool) -> None:
    assert has_only_starts(steps) is expected


def test_each_service_that_steps_touch_is_named_once_in_order() -> None:
    steps = (CHECK, ENABLE, START, PROGRAM, UNPAUSE, UP, STOP, JOIN, DaemonReload("local"), WAIT)
    assert affected_services(steps) == ("a.service", "shop:*", "shop-app-1", "app")
    assert affected_services((CHECK, WAIT)) == ()
