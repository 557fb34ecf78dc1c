"""A machine that goes down in the middle of a repair or an undo, with fixer: when it is up again, /run and all that only
memory held are gone, and `undo` or `repair` ends as a broken machine is after a boot, or as repaired, never between."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab.stack.docker_command import docker
from lab.stack.running_lab import wait_until_booted
from tests.crash.broken_targets import BrokenTarget, State, end_retries, has_retrying_program
from tests.crash.crash_draw import ALL, choose_points
from tests.crash.test_sigkill import Killing, began, raised, told

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 600)]

# Faults that outlive a boot.
WORDS = ("wrong-port/wrong-port", "backend-down/unit-disabled-after-reboot", "crash-missing-env/start-env-var-missing", "unit-misconfigured/start-200-chdir")


def booted(place: BrokenTarget) -> State:
    """It goes down and comes up; how it is then."""
    assert place.lab is not None
    docker("restart", "-t", "0", place.lab.container())
    wait_until_booted(place.lab)
    return settled(place)


def settled(place: BrokenTarget, quiet: float = 8.0) -> State:
    """How it is when no manager tries any more: what ends again and again runs now and then until its manager gives up."""
    state, since, until = place.state(), time.monotonic(), time.monotonic() + 120
    while time.monotonic() - since < quiet and time.monotonic() < until:
        time.sleep(0.5)
        now = place.state()
        if now != state or has_retrying_program(now):
            state, since = now, time.monotonic()
    return end_retries(state)


def recovered(killing: Killing, number: int, old: State) -> None:
    """By `undo`, or by `repair` and then `undo`."""
    place = killing.place
    killing.is_told()
    if number % 2:
        killing.forward()
    done = killing.fixer("undo", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert killing.last_state() in ("none", "nothing", "undone", "rolled-back")
    assert place.wait_for_state(old, well=False) == []
    place.forget(killing.folder / "state")


@pytest.mark.parametrize("word", WORDS)
def test_rebooted_in_the_middle(word: str, tmp_path: Path) -> None:
    with raised(word, "host") as place:
        old = booted(place)
        assert place.wait_for_state(old, well=False) == []
        killing, points = began(place, tmp_path)
        for command in ("repair", "undo") if ALL else ("repair",):
            for number, at in enumerate(choose_points(points[command], f"reboot {word} {command}")):
                if command == "undo":
                    killing.forward()
                if killing.killed(str(at), command):
                    told(f"  reboot {command} {at} {killing.points()[-1]}")
                    booted(place)
                    recovered(killing, number, old)
                else:
                    killing.back()
        assert killing.kills
        told(f"reboot {word}: {killing.kills} kills")
