"""Ctrl-C, a polite kill and a closed terminal at the points of a repair, once or twice: after the first the step under
way ends and the round goes back, a second leaves the rest to the next run. What fixer said is so, and the way back is
open. BADGATEWAY_KILLS=all interrupts at every point; without it at a few that are drawn.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.crash.broken_targets import BrokenTarget
from tests.crash.crash_draw import ALL, choose_points
from tests.crash.test_concurrent_runs import box, place
from tests.crash.test_sigkill import REPAIR, Killing, began, told

__all__ = ["box", "place"]

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 600)]

SIGNALS = ("INT", "TERM", "HUP")
# What may be said of a run that was interrupted before its first record, in a round, and after its last.
STATES = ("none", "nothing", "rolled-back", "unfinished", "committed")


def interrupted(killing: Killing, at: int, begin: str) -> tuple[int, str]:
    """A repair that is interrupted there: how it ended, and what fixer says of it."""
    with killing.place.with_fault(begin, {}):
        done = killing.fixer("repair", *REPAIR, *killing.place.words, "--json",
                             module=("tests.crash.killed_fixer", str(at), killing.place.inside or str(killing.folder)))
    assert "Traceback" not in done.stderr and "a bug in fixer" not in done.stdout, done.stdout + done.stderr
    said = json.loads(done.stdout) if done.stdout else {}
    told(f"  at {at}: {begin}: exit {done.returncode}, {said.get('outcome')}, {said.get('error')}")
    return done.returncode, killing.last_state()


def ends_as_said(killing: Killing, name: str, points: list[str], often: int) -> None:
    """So many signals at each chosen point, the second at some moment of the way back."""
    killing.place.forget(killing.folder / "state")      # the runs that the points were learnt from are no answer
    for number, at in enumerate(choose_points(points, name)):
        signal = SIGNALS[number % len(SIGNALS)]
        again = f"(sleep 0.{at % 10}; kill -{signal} $PPID) & " if often == 2 else ""
        code, state = interrupted(killing, at, f"{again}kill -{signal} $PPID")
        where = f"{name}: {often} of {signal} at {at} {points[at]}: exit {code}, {state}"
        told(f"  {where}")
        assert code in (0, 130) and state in STATES, where
        if code == 0 or state == "committed":      # it was over already
            assert state == "committed" and killing.place.wait_for_state(killing.new, well=True) == [], where
        elif state == "unfinished":
            assert often == 2, where
            killing.is_told()
        else:
            assert killing.place.wait_for_state(killing.old, well=False) == [], where
        killing.back()
        killing.place.forget(killing.folder / "state")


@pytest.mark.parametrize("often", [1, 2], ids=["once", "twice"])
def test_interrupted_anywhere(place: BrokenTarget, tmp_path: Path, often: int, request: pytest.FixtureRequest) -> None:
    killing, points = began(place, tmp_path)
    ends_as_said(killing, request.node.name, points["repair"], often)
