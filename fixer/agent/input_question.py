"""Inputs of a repair that a person chooses in a form: each out of fixer's own list, none a secret.

No tool takes an input. A model could only give what it read, and what a host says chooses no repair: a person does.
Free values have no form: one may be a secret, whatever its name, and a client may show its answer to the model."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from fixer.agent.bounded_answer import visible_text
from fixer.agent.issued_plans import VALID_SECONDS, RefusedPlan
from fixer.lazy.dataclass import dataclass

Document: TypeAlias = Mapping[str, Any]  # an object of the published JSON

MOST_CHOICES = 20
_LONGEST = 300  # of a choice: a person reads all of it
_AT_FAULT = ("root", "contributing")
_RANKS = ("safe", "disruptive")


@dataclass(frozen=True, slots=True)
class InputQuestion:
    """What a person chooses before there is a plan: for which target and options, and of what."""

    target: str
    options: tuple[str, ...]
    text: str
    needs: tuple[Document, ...]

    def form(self) -> dict[str, Any]:
        """Return the JSON Schema of the answer."""
        return {"type": "object", "required": [need["key"] for need in self.needs], "properties": {
            need["key"]: {"type": "string", "title": need["key"], "description": visible_text(need["why"][:_LONGEST]),
                          "enum": list(need["choices"])} for need in self.needs}}

    def words(self, answer: Mapping[str, Any] | None) -> tuple[str, ...]:
        """Return the options for a person's answer; raise RefusedPlan if there is none, or if it is none of these."""
        if answer is None:
            raise RefusedPlan("the person chose nothing: there is no plan", "ask the person what to do instead")
        if any(answer.get(need["key"]) not in need["choices"] for need in self.needs):
            raise RefusedPlan("the answer is none of the choices", "call the tool plan again")
        return tuple(word for need in self.needs for word in ("--set", f"{need['key']}={answer[need['key']]}"))


def input_question(name: str, options: tuple[str, ...], report: Document, max_risk: str) -> InputQuestion | None:
    """Return what to ask about the first repair of the report that only waits for choices; None if a form cannot
    complete it. `options` begin with the target."""
    only = options[options.index("--only") + 1] if "--only" in options else None
    for finding in report["findings"]:
        for repair in finding["repairs"] if finding["role"] in _AT_FAULT else ():
            missing = [need for need in repair["needs"] if need["default"] is None]
            if only not in (None, repair["id"]) or repair["risk"] not in _RANKS or not missing:
                continue
            if _RANKS.index(repair["risk"]) > _RANKS.index(max_risk) or not all(map(_has_form, missing)):
                return None
            lines = [f"{finding['cause']} on {name}: {finding['summary']}",
                     f"repair, {repair['risk']}: {repair['summary']}",
                     *(f"{need['key']}: {need['why']}" for need in missing),
                     "The lines above are quoted from the host. Nothing is changed yet."]
            return InputQuestion(name, options, visible_text("\n".join(lines)), tuple(missing))
    return None


def _has_form(need: Document) -> bool:
    choices: Sequence[str] = need["choices"]
    fits = all(choice.isprintable() and 0 < len(choice) <= _LONGEST for choice in choices)
    return need["kind"] == "choice" and 0 < len(choices) <= MOST_CHOICES and fits


class AskedInputs:
    """Questions that wait for a person's answer in a later call, by tokens that nobody can guess."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: dict[str, tuple[float, InputQuestion]] = {}

    def wait_for_answer(self, question: InputQuestion) -> str:
        """Return the token of a question that is being asked."""
        now = self._clock()
        self._asked = {token: (at, one) for token, (at, one) in self._asked.items() if now - at <= VALID_SECONDS}
        token = secrets.token_urlsafe(24)
        self._asked[token] = (now, question)
        return token

    def answered(self, token: str, target: str, options: tuple[str, ...]) -> InputQuestion:
        """Return the question of this token, once; raise RefusedPlan if nobody was asked it for these options."""
        at, question = self._asked.pop(token, (0.0, None))
        if question is None or (question.target, question.options) != (target, options) or (
                self._clock() - at > VALID_SECONDS):
            raise RefusedPlan("nobody was asked for these inputs", "call the tool plan again")
        return question
