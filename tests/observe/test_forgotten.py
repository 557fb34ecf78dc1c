"""A unit whose failure systemd has forgotten: its journal still tells it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixer.model.query import Answer
from fixer.observe.forgotten import recalled
from fixer.observe.view import View
from tests.causes.building import STOPPED, unit
from tests.observe.made import BOOT, view

KILLED = ("systemd[1]: solo.service: Main process exited, code=killed, status=11/SEGV",
          "systemd[1]: solo.service: Failed with result 'signal'.")
AGAIN = ("systemd[1]: solo.service: Scheduled restart job, restart counter is at 6.", "systemd[1]: Started solo.service - Solo.")


def told(lines: Sequence[str], at: float = BOOT + 100) -> Answer:
    return Answer("ok", "".join(f"{at + n / 100:.6f} host {line}\n" for n, line in enumerate(lines)).encode())


def seen() -> View:
    return view()


def test_a_failure_that_was_reset_is_recalled() -> None:
    found = recalled(unit("solo.service", **STOPPED), told(("systemd[1]: Started solo.service.", *KILLED)), seen())
    assert (found.result, found.exec_main_code, found.exec_main_status, found.recalled) == ("signal", 2, 11, True)


@pytest.mark.parametrize("lines", [
    (*KILLED, "systemd[1]: Started solo.service.", "systemd[1]: Stopping solo.service...", "systemd[1]: Stopped solo.service."),
    (*KILLED, "systemd[1]: Started solo.service.", "systemd[1]: solo.service: Deactivated successfully."),
    ("systemd[1]: Started solo.service.", "uvicorn[77]: solo.service: Failed with result 'signal'."),   # its own words
    (),
])
def test_who_was_stopped_or_only_says_so_has_not_failed(lines: Sequence[str]) -> None:
    was = unit("solo.service", **STOPPED)
    assert recalled(was, told(lines), seen()) == was


def test_what_was_before_the_boot_is_over() -> None:
    was = unit("solo.service", **STOPPED)
    assert recalled(was, told(KILLED, BOOT - 100), seen()) == was


def test_a_count_of_restarts_that_was_reset_is_recalled() -> None:
    runs = unit("solo.service", active_enter=BOOT + 100)
    assert recalled(runs, told((*KILLED, *AGAIN)), seen()).n_restarts == 6
    by_hand = recalled(runs, told((*KILLED, "systemd[1]: Started solo.service - Solo.")), seen())
    assert by_hand == runs
    old = unit("solo.service", active_enter=BOOT + 500)
    assert recalled(old, told((*KILLED, *AGAIN)), seen()) == old
