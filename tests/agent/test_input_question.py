"""Inputs that a person chooses in a form: which repairs it can complete, and what it never asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from fixer.agent.input_question import MOST_CHOICES, AskedInputs, InputQuestion, input_question
from fixer.agent.issued_plans import RefusedPlan
from fixer.agent.settings import Settings
from fixer.agent.toolbox import CannotAsk, MustAsk
from tests.agent.agent_builders import PLAN, REPORT, YES, Desk

CHOICE = {"key": "upstream", "kind": "choice", "why": "which one is meant?", "choices": ["127.0.0.1:1", "127.0.0.1:2"], "default": None}
SECRET = {"key": "SIGNING_KEY", "kind": "secret", "why": "it needs it", "choices": [], "default": None}
VALUE = {**SECRET, "key": "ODD_NAME", "kind": "value"}
NUMBER = {**VALUE, "key": "workers", "default": "4"}


def report(*needs: dict[str, Any], risk: str = "safe", role: str = "root") -> dict[str, Any]:
    offered = {"id": "point-route-at", "risk": risk, "summary": "point / at another one", "needs": list(needs)}
    return {**REPORT, "findings": [{"cause": "wrong-host", "role": role, "summary": "nobody is there", "repairs": [offered]}]}


def asked(*needs: dict[str, Any], options: tuple[str, ...] = ("local",), max_risk: str = "safe", **more: str) -> InputQuestion | None:
    return input_question("web", options, report(*needs, **more), max_risk)


def test_a_choice_is_asked_for_with_all_that_can_be_chosen() -> None:
    question = asked(CHOICE, NUMBER)
    assert question is not None
    assert question.form()["required"] == ["upstream"] and question.form()["properties"]["upstream"]["enum"] == CHOICE["choices"]
    for part in ("wrong-host on web", "safe: point / at another one", "which one is meant?", "Nothing is changed yet"):
        assert part in question.text
    assert question.words({"upstream": "127.0.0.1:2", "yes": "x"}) == ("--set", "upstream=127.0.0.1:2")


@pytest.mark.parametrize("needs", [
    (), (SECRET,), (VALUE,), (CHOICE, SECRET), (NUMBER,), ({**CHOICE, "choices": []},), ({**CHOICE, "choices": ["a\nb"]},),
    ({**CHOICE, "choices": ["x" * 301]},), ({**CHOICE, "choices": [str(number) for number in range(MOST_CHOICES + 1)]},)])
def test_what_is_no_choice_of_a_short_list_has_no_form(needs: tuple[dict[str, Any], ...]) -> None:
    assert asked(*needs) is None


def test_only_a_repair_that_the_server_may_make_is_asked_about() -> None:
    assert asked(CHOICE, risk="disruptive") is None and asked(CHOICE, risk="disruptive", max_risk="disruptive") is not None
    assert asked(CHOICE, risk="manual") is None and asked(CHOICE, role="advice") is None
    assert asked(CHOICE, options=("local", "--only", "another")) is None
    assert asked(CHOICE, options=("local", "--only", "point-route-at")) is not None


def test_a_character_that_a_screen_obeys_is_shown_as_its_escape() -> None:
    question = asked({**CHOICE, "why": "\x1b[2J\u202ewhich?"})
    assert question is not None and "\x1b" not in question.text + str(question.form()) and "\\x1b[2J" in question.text


@pytest.mark.parametrize("answer", [None, {}, {"upstream": "127.0.0.1:3"}, {"upstream": None}, {"other": "127.0.0.1:1"}])
def test_another_answer_is_refused(answer: dict[str, Any] | None) -> None:
    question = asked(CHOICE)
    assert question is not None
    with pytest.raises(RefusedPlan):
        question.words(answer)


def test_an_answer_counts_once_for_what_was_asked_and_for_five_minutes() -> None:
    now = [0.0]
    waiting, question = AskedInputs(lambda: now[0]), asked(CHOICE)
    assert question is not None
    assert waiting.answered(waiting.wait_for_answer(question), "web", ("local",)) is question
    for name, options, late in (("db", ("local",), 0), ("web", ("local", "--only", "x"), 0), ("web", ("local",), 301)):
        token = waiting.wait_for_answer(question)
        now[0] += late
        for _ in range(2):
            with pytest.raises(RefusedPlan):
                waiting.answered(token, name, options)


class Person:
    """Says what a person chooses."""

    def __init__(self, answer: dict[str, Any] | None, *, can_be_asked: bool = True, later: bool = False) -> None:
        self.answer, self.can_be_asked, self.later = answer, can_be_asked, later
        self.questions: list[InputQuestion] = []

    async def __call__(self, question: InputQuestion) -> dict[str, Any] | None:
        self.questions.append(question)
        if not self.can_be_asked:
            raise CannotAsk
        if self.later:
            raise MustAsk(question)
        return self.answer


WAITING = {**REPORT, "plan": None, "before": report(CHOICE), "withheld": ["point-route-at for wrong-host: which one is meant?"]}
COMPLETE = {**WAITING, "plan": PLAN, "before": REPORT, "withheld": ["it: a dry run (allow it with --yes)"]}
FIRST, CHOSEN = ("local",), ("local", "--set", "upstream=127.0.0.1:2")
LIMITS = ("--yes", "--max-risk", "safe", "--json")


def desk_of(folder: Path, **more: Any) -> Desk:
    """A host whose repair waits for a choice until it is made."""
    def answer(words: tuple[str, ...]) -> dict[str, Any]:
        return COMPLETE if "--set" in words else WAITING

    return Desk(folder, Settings(allow_repair=True, bundle_folder=str(folder / "b"), **more), repair=answer)


def test_a_plan_that_waits_for_a_choice_is_made_with_the_persons(tmp_path: Path) -> None:
    desk, person = desk_of(tmp_path), Person({"upstream": "127.0.0.1:2"})
    assert desk.call("plan", inputs=person)["plan"] == PLAN and len(person.questions) == 1
    desk.call("repair", YES, plan_id=str(PLAN["id"]))
    assert desk.commands.words == [
        ("repair", *FIRST, "--dry-run", *LIMITS), ("repair", *CHOSEN, "--dry-run", *LIMITS),
        ("repair", *CHOSEN, "--plan", str(PLAN["id"]), *LIMITS)]
    assert [(one["inputs"], one["answer"]) for one in desk.records() if one["event"] == "inputs"] == [(["upstream"], "yes")]


def test_without_a_choice_there_is_no_plan(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    assert desk.call("plan", inputs=Person(None))["error"]["kind"] == "refused-plan"
    for nobody in (Person(None, can_be_asked=False), None):
        shown = desk.call("plan", inputs=nobody)
        assert shown["plan"] is None and shown["withheld"]
    assert not [words for words in desk.commands.words if "--set" in words]


def test_a_server_that_only_looks_asks_for_nothing(tmp_path: Path) -> None:
    desk, person = desk_of(tmp_path), Person({"upstream": "127.0.0.1:2"})
    desk.tools._settings = Settings()
    assert desk.call("plan", inputs=person)["plan"] is None and person.questions == []


def test_what_the_client_has_to_ask_is_asked_in_a_second_call(tmp_path: Path) -> None:
    desk, later = desk_of(tmp_path), Person(None, later=True)
    with pytest.raises(MustAsk):
        anyio.run(desk.called, "plan", YES, "", {}, later)
    token = desk.tools.inputs.wait_for_answer(later.questions[0])
    person = Person({"upstream": "127.0.0.1:2"})
    assert desk.call("plan", token="x" * len(token), inputs=person)["error"]["kind"] == "refused-plan"
    assert desk.call("plan", token=token, inputs=person)["plan"] == PLAN
    assert desk.call("plan", token=token, inputs=person)["error"]["kind"] == "refused-plan"
