"""Tests of lab/page/page_actions.py; what the buttons do to a real lab: test_page_browser.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.oracle.types import Check, Verdict
from lab.page import page_actions
from lab.page.access import OWNER_ACTIONS
from lab.page.page_actions import ACTIONS
from lab.stack.command_result import CommandResult
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from tests.lab.course.test_fixer_view import FINDING


@pytest.fixture
def lab(record: LabRecord) -> Lab:
    return Lab(record)


def test_each_action_is_somebodys() -> None:
    assert set(ACTIONS) == set(OWNER_ACTIONS)


def test_a_hint_and_a_check(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ACTIONS["hint"](lab)["text"].startswith("hint 1 of 3")
    monkeypatch.setattr(page_actions, "ask_oracle", lambda lab: Verdict((Check("login page", False, "HTTP 502"),)))
    assert ACTIONS["check"](lab) == {"well": False, "text": "It is broken.", "lines": ["login page: HTTP 502"]}
    monkeypatch.setattr(page_actions, "ask_oracle", lambda lab: Verdict((Check("login page", True),)))
    assert ACTIONS["check"](lab)["debrief"]


def test_the_plan_has_steps_and_diff(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    view: dict[str, Any] = {"verdict": "broken", "finding": FINDING}
    monkeypatch.setattr(page_actions, "look_with_fixer", lambda lab: view)
    said = ACTIONS["plan"](lab)
    assert said["plan"] == "point the route at the listener (safe)" and said["diff"] == "-a\n+b" and len(said["steps"]) == 2
    repair = {**FINDING["repairs"][0], "needs": [{"key": "PORT", "why": "two listen", "choices": ["8000", "8001"]}]}      # type: ignore[index, dict-item]
    view["finding"] = {**FINDING, "repairs": [repair]}
    assert ACTIONS["plan"](lab)["steps"][-1] == "It needs PORT: two listen (8000 or 8001)"
    view["finding"] = {**FINDING, "repairs": []}
    assert ACTIONS["plan"](lab)["plan"] == "fixer would change nothing."
    view["finding"] = None
    assert "finds no cause; its verdict is broken" in ACTIONS["plan"](lab)["text"]


@pytest.mark.parametrize(("document", "code", "text", "lines"), [
    ({"outcome": "repaired", "applied": ["edit a"]}, 0, "fixer: repaired.", ["edit a"]),
    ({"error": {"message": "no nginx"}}, 3, "fixer: not repaired.", ["no nginx"]), ({}, 4, "fixer: waits for a person.", ["said"])])
def test_what_fixer_did_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any], code: int, text: str,
                                lines: list[str]) -> None:
    result = CommandResult((), code, json.dumps(document), "said\n", 0.1)
    monkeypatch.setattr("lab.stack.fixer_command.Fixer.ask", lambda *words: result)
    assert ACTIONS["apply"](lab) == {"text": text, "lines": lines}
    assert ACTIONS["undo"](lab)["text"].startswith("fixer: ")
