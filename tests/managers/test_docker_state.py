"""What Docker says of a container."""

from __future__ import annotations

import pytest

from fixer.managers import manager_of
from tests.causes.snapshot_builders import NOW, container_service


@pytest.mark.parametrize(("box", "state"), [
    ({"status": "running"}, "running"), ({"status": "paused"}, "paused"), ({"status": "restarting"}, "looping"),
    ({"status": "created"}, "stopped"), ({"status": "created", "error": "no such file"}, "failed"),
    ({"status": "exited"}, "stopped"), ({"status": "exited", "exit_code": 143}, "stopped"), ({"status": "exited", "exit_code": 137}, "failed"),
    ({"status": "dead", "error": "x"}, "failed"), ({"status": "removing"}, "unknown"),
])
def test_the_state_of_a_container(box: dict[str, object], state: str) -> None:
    assert manager_of(container_service(box=box)).run_state() == state


@pytest.mark.parametrize(("box", "number"), [
    ({"exit_code": 137}, 9), ({"exit_code": 137, "oom_killed": True}, None), ({"exit_code": 139}, 11), ({"exit_code": 1}, None),
])
def test_the_signal_that_ended_it(box: dict[str, object], number: int | None) -> None:
    assert manager_of(container_service(box={"status": "exited", **box})).exit_signal() == number


@pytest.mark.parametrize(("box", "started", "intended"), [
    ({}, True, True), ({"status": "restarting"}, True, True), ({"status": "exited", "exit_code": 1}, True, True),
    ({"status": "exited", "restart_policy": "always"}, False, True), ({"status": "exited", "restart_policy": "unless-stopped"}, False, False),
    ({"status": "exited", "exit_code": 137, "restart_policy": "no"}, False, False),
])
def test_what_it_has_started_and_starts_at_boot(box: dict[str, object], started: bool, intended: bool) -> None:
    made = manager_of(container_service(box=box))
    assert (made.is_started(), made.is_intended()) == (started, intended)


def test_when_it_started_and_ended() -> None:
    made = manager_of(container_service(box={"status": "exited", "finished_at": NOW - 9, "restart_count": 2}))
    assert (made.started_at(), made.ended_at(), made.restart_count(), made.has_ended()) == (NOW - 3600, NOW - 9, 2, True)
