"""Tests of lab/verbs/solve.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lab.verbs import solve as verb


class Fixer:
    """fixer, which ends with these exit codes, one run after the other."""

    prefix = ("docker", "exec", "web")

    def __init__(self, codes: list[int], runs: list[tuple[str, ...]]) -> None:
        self.codes, self.runs = codes, runs

    def argv(self, *words: str) -> tuple[str, ...]:
        return (*self.prefix, *words)

    def show(self, *words: str) -> int:
        self.runs.append(words)
        return self.codes.pop(0)


def solved(monkeypatch: pytest.MonkeyPatch, codes: list[int], *, well: bool = True, by_hand: bool = False,
           within: bool = False) -> tuple[bool, list[tuple[str, ...]], list[str], list[str]]:
    """Whether the lab is well; the runs of fixer; what was done by hand and by which fixer; what is shown."""
    runs: list[tuple[str, ...]] = []
    did: list[str] = []
    said: list[str] = []

    def fixer(place: str) -> Any:
        did.append(place)
        return Fixer(codes, runs)

    variant = SimpleNamespace(by_hand_on=lambda stack: by_hand)
    monkeypatch.setattr(verb, "fixer_inside", lambda lab: fixer("inside"))
    monkeypatch.setattr(verb, "fixer_outside", lambda lab: fixer("outside"))
    monkeypatch.setattr(verb, "input_options", lambda lab: ("--set", "port=8000"))
    monkeypatch.setattr(verb, "scenario_named", lambda name: SimpleNamespace(variant=lambda wanted: variant))
    monkeypatch.setattr(verb, "repair_by_hand", lambda lab, wanted: did.append("by hand"))
    monkeypatch.setattr(verb, "ask_oracle", lambda lab: SimpleNamespace(is_well=well, failing=() if well else ("GET / is 502",), load=None))
    monkeypatch.setattr(verb, "debrief_text", lambda lab, *, restarted: f"the lesson of {lab.record.scenario}")
    lab: Any = SimpleNamespace(stack="host", record=SimpleNamespace(scenario="wrong-port", variant="wrong-port"))
    return verb.solve(lab, said.append, within=within), runs, did, said


def test_fixer_repairs_without_a_question_and_the_oracle_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    well, runs, did, said = solved(monkeypatch, [0])
    assert well and runs == [("repair", "--yes", "--max-risk", "disruptive", "--set", "port=8000")] and did == ["outside"]
    assert said[0] == "$ fixer repair --yes --max-risk disruptive --set port=8000"       # as a person would type it
    assert said[-1] == "the lesson of wrong-port"
    assert solved(monkeypatch, [0], within=True)[2] == ["inside"]


def test_what_still_fails_is_shown_with_fixers_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    well, _, _, said = solved(monkeypatch, [3], well=False)
    assert not well and "3" in said[-2] and said[-1] == "  GET / is 502"


@pytest.mark.parametrize(("codes", "by_hand", "done"), [
    ([4, 0], True, ["outside", "by hand"]), ([4], False, ["outside"]), ([0], True, ["outside"]), ([3], True, ["outside"]),
])
def test_what_fixer_leaves_to_an_operator_is_done_by_hand_once(
    monkeypatch: pytest.MonkeyPatch, codes: list[int], by_hand: bool, done: list[str],
) -> None:
    """Only where fixer ends with 4, needs an operator, and the scenario says what he does."""
    count = len(codes)
    _, runs, did, _ = solved(monkeypatch, codes, by_hand=by_hand)
    assert did == done and len(runs) == count and len(set(runs)) == 1
