"""What supervisord says of a program."""

from __future__ import annotations

import pytest

from fixer.managers import manager_of
from tests.causes.snapshot_builders import NOW, supervised_service


@pytest.mark.parametrize(("word", "about", "state"), [
    ("RUNNING", {}, "running"), ("STARTING", {}, "starting"), ("STARTING", {"restarts": 1}, "looping"), ("BACKOFF", {}, "looping"),
    ("FATAL", {}, "failed"), ("EXITED", {}, "stopped"), ("STOPPED", {"expected": False}, "failed"), ("DOWN", {}, "stopped"),
    ("UNREAD", {}, "stopped"), ("UNKNOWN", {}, "unknown"),
])
def test_the_state_of_a_program(word: str, about: dict[str, object], state: str) -> None:
    assert manager_of(supervised_service(word, program=about)).run_state() == state


@pytest.mark.parametrize(("word", "about", "number"), [
    ("EXITED", {"signal": 9, "expected": False}, 9), ("EXITED", {"signal": 9}, None), ("FATAL", {"signal": 9, "expected": False}, None),
    ("EXITED", {"expected": False}, None),
])
def test_the_signal_that_ended_it(word: str, about: dict[str, object], number: int | None) -> None:
    assert manager_of(supervised_service(word, program=about)).exit_signal() == number


def test_a_stopped_program_is_intended_if_supervisord_starts_it() -> None:
    stopped = manager_of(supervised_service("STOPPED", pids=()))
    assert not stopped.is_started() and stopped.is_intended() and not stopped.has_ended()
    assert not manager_of(supervised_service("STOPPED", pids=(), program={"autostart": False})).is_intended()
    assert manager_of(supervised_service("FATAL", pids=(), program={"autostart": False})).is_started()


def test_when_it_started_and_ended() -> None:
    made = manager_of(supervised_service("EXITED", program={"ended_at": NOW - 9, "restarts": 2, "started_at": NOW - 60}))
    assert (made.started_at(), made.ended_at(), made.restart_count(), made.has_ended()) == (NOW - 60, NOW - 9, 2, True)
