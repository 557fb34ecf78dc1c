"""What a person is asked, and how many plans are remembered."""

from __future__ import annotations

import pytest

from fixer.agent.issued_plans import IssuedPlan, IssuedPlans, RefusedPlan, approval_text, command_line
from tests.agent.agent_builders import PLAN


def issued(**more: object) -> IssuedPlan:
    return IssuedPlan(0.0, "web", {**PLAN, **more}, ("ssh://root@web1", "--only", "x"))


def test_the_question_holds_all_that_is_agreed_to() -> None:
    text = approval_text(issued())
    for part in (PLAN["summary"], *PLAN["steps"], *PLAN["warnings"], "-8001", "+8000", "repair on web, safe", "wrong-port"):
        assert str(part) in text
    assert text.endswith("Apply this repair?") and "quoted from the host" in text
    assert "proof: mechanism" in approval_text(issued(proof="mechanism"))


def test_what_cannot_be_shown_is_not_agreed_to() -> None:
    with pytest.raises(RefusedPlan, match="too long") as refused:
        approval_text(issued(diff="+x\n" * 10_000))
    assert refused.value.hint == "run on the command line: fixer repair ssh://root@web1 --only x"


def test_the_command_line_for_a_person() -> None:
    assert command_line(IssuedPlan(0.0, "local", PLAN, ("local",))) == "fixer repair"
    chosen = IssuedPlan(0.0, "local", PLAN, ("local", "--set", "keep=/etc/nginx/a b; reboot"))
    assert command_line(chosen) == "fixer repair --set 'keep=/etc/nginx/a b; reboot'"


def test_the_question_holds_no_character_that_a_screen_obeys() -> None:
    text = approval_text(issued(summary="x\x1b[2J\u202ey", diff="-a\x07\n+\tb\n"))
    assert "x\\x1b[2J\\u202ey" in text and "-a\\x07\n" in text and "+\tb" in text and not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_hundred_plans_are_remembered() -> None:
    plans = IssuedPlans()
    for number in range(101):
        plans.issue("local", {**PLAN, "id": f"{number}"}, ("local",))
    with pytest.raises(RefusedPlan):
        plans.take("0", "repair")
    assert plans.take("100", "repair").target == "local"
