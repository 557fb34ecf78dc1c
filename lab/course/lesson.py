"""The rules of a course: which difficulty comes next, what a lesson is worth, which named cause is right. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.scenario.scenario_file import Expect

HARDEST = 4
_SOLVED_PER_LEVEL = 2  # lessons of a difficulty before the next one
_WORTH = 100  # points of a lesson of difficulty 1
_CAUSE_SHARE = 0.4  # the rest is for the repair
HINT_SHARE = 0.1  # of the worth, for each hint
_LATE_SHARE = 0.5  # what counts after the clock
_MINUTES = {1: 15, 2: 20, 3: 30, 4: 45}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One lesson of one person. Times are in seconds since 1970; `ended` is 0 while it runs.

    `cause` is what the person named, empty for nothing. `fixed` is the oracle's word; it tells nothing of the cause."""

    number: int
    person: str
    lab_id: str
    scenario: str
    variant: str
    stack: str
    seed: int
    difficulty: int
    started: float
    limit: float  # seconds
    ended: float = 0.0
    hints: int = 0
    cause: str = ""
    cause_right: bool = False
    fixed: bool = False
    gave_up: bool = False
    points: int = 0

    @property
    def is_open(self) -> bool:
        """Return whether it still runs."""
        return not self.ended

    @property
    def solved(self) -> bool:
        """Return whether the page is repaired and the cause is named."""
        return self.fixed and self.cause_right

    def seconds(self, now: float = 0.0) -> float:
        """Return how long it took, or takes until now."""
        return (self.ended or now) - self.started


def next_difficulty(before: Sequence[Attempt]) -> int:
    """Return the difficulty of the next lesson: one more after every two solved ones of the present difficulty."""
    level, solved = 1, 0
    for attempt in before:
        if attempt.difficulty >= level and attempt.solved:
            solved += 1
        if solved == _SOLVED_PER_LEVEL:
            level, solved = level + 1, 0
    return min(level, HARDEST)


def time_limit(difficulty: int) -> float:
    """Return the clock of a lesson, in seconds; after it points count half."""
    return 60.0 * _MINUTES[min(max(difficulty, 1), HARDEST)]


def is_right(expect: Expect, named: str) -> bool:
    """Return whether the named cause is one that the scenario accepts: its cause, all that its repair mends, or its
    variant, which is more exact. What may merely be reported too is not right."""
    accepted = {expect.cause, expect.variant, *expect.mends} - {None, ""}
    return named in accepted


def points_of(difficulty: int, *, fixed: bool, cause_right: bool, hints: int, late: bool) -> int:
    """Return the points of a lesson. Each hint costs a tenth of its worth; after the clock the rest counts half."""
    worth = _WORTH * difficulty
    earned = worth * ((1 - _CAUSE_SHARE) * fixed + _CAUSE_SHARE * cause_right) - hints * HINT_SHARE * worth
    return max(0, round(earned * (_LATE_SHARE if late else 1.0)))


def minutes_text(seconds: float) -> str:
    """Return a time as minutes and seconds."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    return f"{minutes}:{rest:02}"
