"""Tests of lab/course/lesson.py."""

from __future__ import annotations

import pytest

from lab.course.lesson import is_right, minutes_text, next_difficulty, points_of, time_limit
from lab.scenario.scenario_file import Expect, ExpectedRepair
from tests.lab.course.course_builders import attempt

REPAIR = ExpectedRepair("safe", 0)


@pytest.mark.parametrize(("solved", "level"), [([], 1), ([1], 1), ([1, 1], 2), ([1, 1, 2], 2), ([1, 1, 2, 2], 3), ([2, 2], 2),
                                               ([1, 1, 2, 2, 3, 3, 4, 4], 4)])
def test_two_solved_lessons_lead_to_the_next_difficulty(solved: list[int], level: int) -> None:
    assert next_difficulty([attempt(difficulty=one) for one in solved]) == level


def test_what_is_not_solved_leads_nowhere() -> None:
    """A repair without the cause, or a cause without the repair, is half of a lesson."""
    assert next_difficulty([attempt(cause_right=False), attempt(fixed=False), attempt()]) == 1


@pytest.mark.parametrize(("named", "right"), [
    ("wrong-port", True), ("port-swap", True), ("", False), ("backend-down", False), ("slow-start", False), ("firewall-drop", True)])
def test_the_scenario_judges_the_cause(named: str, right: bool) -> None:
    expect = Expect("wrong-port", "port-swap", REPAIR, also=("slow-start",), mends=("wrong-port", "firewall-drop"))
    assert is_right(expect, named) is right


def test_nothing_is_right_on_a_healthy_stack() -> None:
    assert not is_right(Expect(None, None, REPAIR), "")


@pytest.mark.parametrize(("fixed", "cause_right", "hints", "late", "points"), [
    (True, True, 0, False, 200), (True, False, 0, False, 120), (False, True, 0, False, 80), (True, True, 3, False, 140),
    (True, True, 3, True, 70), (False, False, 0, False, 0), (True, False, 9, False, 0)])
def test_points(fixed: bool, cause_right: bool, hints: int, late: bool, points: int) -> None:
    assert points_of(2, fixed=fixed, cause_right=cause_right, hints=hints, late=late) == points


def test_harder_lessons_have_more_time() -> None:
    assert [time_limit(level) for level in (1, 2, 3, 4)] == sorted(time_limit(level) for level in (1, 2, 3, 4))
    assert time_limit(5) == time_limit(4) and minutes_text(61.9) == "1:01" and minutes_text(-3) == "0:00"
    assert attempt().seconds() == 300.0 and attempt(ended=0.0).seconds(1010.0) == 10.0
