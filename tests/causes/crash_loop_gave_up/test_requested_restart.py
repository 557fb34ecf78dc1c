"""Tests of fixer/causes/crash_loop_gave_up/requested_restart.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Found
from fixer.model.facts import Known
from tests.causes.crash_loop_gave_up.crash_loop_gave_up_builders import by_hand
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    container_service,
    finding_of,
    listener,
    log_lines,
    service,
    verdict_of,
)

CAUSE = "crash-loop-gave-up"


def restarted(*, ago: float = 20.0, said: str = "Stopping backend.service...", **changes: Any) -> Scene:
    times = {"active_enter": NOW - 20, "inactive_enter": NOW - 25, "state_change": NOW - 20, **changes}
    scene = Scene().with_service(service(unit_changes=times, log=log_lines(said, "Started backend.service.", ago=30)),
                                 listener(8000, 200))
    return scene.logs("connect() failed (111: Connection refused)", 111, "connecting to upstream", ago=ago, count=3)


def test_a_restart_in_order_is_told_and_left_alone() -> None:
    diagnosis = diagnose(restarted().snapshot())
    assert diagnosis.verdict == "healthy"
    found = finding_of(diagnosis, CAUSE)
    assert (found.variant, found.role, found.repairs, found.is_past) == ("restart-window", "advice", (), True)
    assert {"unit", "service-log", "nginx-log"} == {e.source for e in found.evidence} and "3 times" in found.summary


def test_a_restart_that_is_over_stands_behind_what_may_come_again() -> None:
    scene = restarted().logs("upstream timed out (110: Connection timed out)", 110, "reading upstream", ago=5)
    assert [f.variant for f in diagnose(scene.snapshot()).findings] == ["hang-mid-body", "restart-window"]


@pytest.mark.parametrize("scene", [
    restarted(said="INFO: nothing of that kind"), restarted(inactive_enter=0.0), restarted(ago=55.0),
    restarted(inactive_enter=NOW - 5), restarted(n_restarts=2), restarted(active_enter=NOW - 3000, inactive_enter=NOW - 3010),
])
def test_refusals_that_no_restart_explains_are_no_restart(scene: Scene) -> None:
    assert not isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Found)


def test_refusals_between_two_restarts_belong_to_neither() -> None:
    """What failed after a restart, until the next one mended it, was said to have failed meanwhile."""
    scene = restarted(ago=35.0)
    told = (*log_lines("Stopping backend.service...", "Started backend.service.", ago=50).value,
            *log_lines("Stopping backend.service...", "Started backend.service.", ago=25).value)
    scene.services[0] = replace(scene.services[0], log=Known(told))
    assert not isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Found)


def test_a_container_that_was_restarted_in_order() -> None:
    box = {"started_at": NOW - 20, "finished_at": NOW - 25}
    made = container_service(box=box, log=log_lines("INFO:     Shutting down", ago=26))
    scene = Scene("app:8000", node="web", back="app").with_service(made, listener(8000, 7, "0.0.0.0", "app"))
    scene.logs("upstream timed out (110: Connection timed out)", 110, "connecting to upstream", ago=22)
    assert finding_of(diagnose(scene.snapshot()), CAUSE).variant == "restart-window"


@pytest.mark.parametrize(("line", "words"), [
    ("Error: Already running on PID 100 (or pid file '/run/shop/g.pid' is stale)", ("pid 100 is now 'nginx:", "/run/shop/g.pid is stale")),
    ("shop is already running (pid 4711), remove /opt/shop/shop.pid", ("no process has pid 4711", "/opt/shop/shop.pid is stale")),
    ("pidfile /opt/shop/shop.pid exists", ("if no process of backend.service runs",)),
])
def test_what_the_process_of_a_pid_file_is_by_now(line: str, words: tuple[str, ...]) -> None:
    said = by_hand(line)
    assert all(word in said for word in words)


def test_a_log_that_speaks_of_no_pid_file() -> None:
    assert "stale" not in by_hand("ValueError: worker pid 4711 is odd")
    assert "stale" not in by_hand('127.0.0.1:5 - "GET /pid_4711/already-running/x.pid HTTP/1.1" 404')
    assert "stale" not in by_hand('127.0.0.1:5 - "GET /already running on pid 4711 HTTP/1.1" 404')
