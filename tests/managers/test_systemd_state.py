"""What systemd says of a unit."""

from __future__ import annotations

import pytest

from fixer.managers import manager_of
from fixer.model.service import BlockingUnit
from tests.causes.snapshot_builders import NOW, service, unit

FAILED = {"active_state": "failed", "result": "exit-code", "exec_main_code": 1}
INACTIVE = {"active_state": "inactive", "sub_state": "dead"}


@pytest.mark.parametrize(("changes", "state"), [
    ({}, "running"), ({"load_state": "masked"}, "masked"), ({"blocked_by": (BlockingUnit("a.service", 0.0),)}, "starting"),
    ({"active_state": "activating", "sub_state": "start"}, "starting"),
    ({"active_state": "activating", "sub_state": "auto-restart"}, "looping"),
    ({"active_state": "activating", "sub_state": "start", "n_restarts": 3}, "looping"),
    ({**FAILED, "exec_main_status": 1}, "failed"), ({**FAILED, "exec_main_status": 143}, "stopped"),
    ({**FAILED, "exec_main_status": 143, "n_restarts": 2}, "failed"), ({**FAILED, "exec_main_status": 143, "result": "signal"}, "failed"),
    (INACTIVE, "stopped"), ({**INACTIVE, "result": "exit-code"}, "failed"), ({**INACTIVE, "result": "exec-condition"}, "stopped"),
    ({**INACTIVE, "load_state": "not-found"}, "unknown"), ({"active_state": "deactivating"}, "unknown"),
])
def test_the_state_of_a_unit(changes: dict[str, object], state: str) -> None:
    assert manager_of(service(unit_changes=changes)).run_state() == state


@pytest.mark.parametrize(("changes", "number"), [
    ({"result": "signal", "exec_main_status": 9}, 9), ({"result": "core-dump", "exec_main_status": 11}, 11),
    ({**FAILED, "exec_main_status": 139}, 11), ({**FAILED, "exec_main_status": 1}, None), ({}, None),
])
def test_the_signal_that_ended_it(changes: dict[str, object], number: int | None) -> None:
    assert manager_of(service(unit_changes=changes)).exit_signal() == number


def test_a_socket_unit_makes_it_started_and_intended() -> None:
    resting = {**INACTIVE, "unit_file_state": "disabled"}
    alone = manager_of(service(unit_changes=resting))
    assert not alone.is_started() and not alone.is_intended() and not alone.has_ended()
    socket = unit("backend.socket", unit_file_state="disabled")
    assert manager_of(service(unit_changes=resting, socket=socket)).is_started()
    enabled = unit("backend.socket", active_state="inactive")
    woken = manager_of(service(unit_changes=resting, socket=enabled))
    assert not woken.is_started() and woken.is_started_at_boot() and woken.is_intended()


def test_when_it_started_and_ended() -> None:
    made = manager_of(service(unit_changes={**FAILED, "inactive_enter": NOW - 9, "n_restarts": 3}))
    assert (made.started_at(), made.ended_at(), made.restart_count(), made.has_ended()) == (NOW - 3600, NOW - 9, 3, True)


def test_a_unit_whose_work_is_done_does_not_watch_its_server() -> None:
    left = {"type": "forking", "main_pid": 0}
    assert manager_of(service(pid=None, unit_changes=left)).is_unwatched()
    assert not manager_of(service(unit_changes=left)).is_unwatched() and not manager_of(service(pid=None)).is_unwatched()


def test_rc_local_starts_at_the_next_boot_even_if_this_one_knew_no_such_file() -> None:
    never = {**INACTIVE, "unit_file_state": "static", "pulled_by": (), "active_enter": 0.0, "inactive_enter": 0.0,
             "state_change": 0.0, "fragment_path": "/usr/lib/systemd/system/rc-local.service"}
    assert manager_of(service("serve.service", unit_changes=never)).is_off_at_boot()
    assert not manager_of(service("rc-local.service", unit_changes=never)).is_off_at_boot()
