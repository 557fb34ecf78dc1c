"""Plans that the server has shown: each may be applied once, within five minutes, and only on its own target."""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fixer.agent.bounded_answer import visible_text
from fixer.errors import FixerError
from fixer.lazy.dataclass import dataclass

VALID_SECONDS = 300
_MOST_PLANS = 100
MOST_CHARACTERS = 16_000  # of a question: a person reads all of what they agree to

Document: TypeAlias = Mapping[str, Any]  # an object of the published JSON


class RefusedPlan(FixerError):
    """The plan is not one that may be applied now."""

    exit_code = 4
    kind = "refused-plan"


_AGAIN = "call the tool plan again, and show its answer to the person"


@dataclass(frozen=True, slots=True)
class IssuedPlan:
    """A plan as it was shown: its target's name, its JSON, and the options that it was made with."""

    at: float
    target: str
    plan: Document
    options: tuple[str, ...]

    @property
    def id(self) -> str:
        """Return the id that the tools take."""
        return str(self.plan["id"])

    @property
    def action(self) -> str:
        """Return `repair` or `undo`."""
        return str(self.plan["action"])


class IssuedPlans:
    """The plans of one server. They live in its memory: another server knows none of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._plans: dict[str, IssuedPlan] = {}
        self._asked: dict[str, IssuedPlan] = {}
        self._used: dict[str, None] = {}

    def issue(self, target: str, plan: Document, options: tuple[str, ...]) -> IssuedPlan:
        """Remember a plan that was shown just now. The same plan shown again counts from now."""
        issued = IssuedPlan(self._clock(), target, plan, options)
        self._plans.pop(issued.id, None)
        self._used.pop(issued.id, None)
        self._plans[issued.id] = issued
        while len(self._plans) > _MOST_PLANS:
            del self._plans[next(iter(self._plans))]
        return issued

    def take(self, plan_id: str, action: str) -> IssuedPlan:
        """Return the plan, which nobody can take again; raise RefusedPlan if it is unknown, used or too old."""
        issued = self._plans.get(plan_id)
        if issued is None:
            known = "has been used" if plan_id in self._used else "is unknown here"
            raise RefusedPlan(f"this plan {known}", _AGAIN)
        if issued.action != action:
            raise RefusedPlan(f"this plan is one for the tool {issued.action}", f"call {issued.action}, or plan again")
        del self._plans[plan_id]
        self._used[plan_id] = None
        while len(self._used) > _MOST_PLANS:
            del self._used[next(iter(self._used))]
        self.require_young(issued)
        return issued

    def require_young(self, issued: IssuedPlan) -> None:
        """Raise RefusedPlan if the plan is older than five minutes. A person's answer takes time, too."""
        if self._clock() - issued.at > VALID_SECONDS:
            raise RefusedPlan(f"this plan is older than {VALID_SECONDS // 60} minutes", _AGAIN)

    def wait_for_answer(self, issued: IssuedPlan) -> str:
        """Return a token for a plan about which a person is being asked. Nobody can guess it."""
        self._asked = {token: plan for token, plan in self._asked.items() if self._clock() - plan.at <= VALID_SECONDS}
        token = secrets.token_urlsafe(24)
        self._asked[token] = issued
        return token

    def answered(self, token: str, plan_id: str, action: str) -> IssuedPlan:
        """Return the plan that a person was asked about with this token, once."""
        issued = self._asked.pop(token, None)
        if issued is None or (issued.id, issued.action) != (plan_id, action):
            raise RefusedPlan("nobody was asked about this plan", _AGAIN)
        self.require_young(issued)
        return issued


def approval_text(issued: IssuedPlan) -> str:
    """Return the question about a plan; raise RefusedPlan if it is too long to be read."""
    plan = issued.plan
    risk = f", {plan['risk']}" if plan["risk"] else ""
    lines = [f"{issued.action} on {issued.target}{risk}: {plan['summary']}", f"cause: {plan['cause']}"]
    if plan["proof"] == "mechanism":
        lines.append("proof: mechanism (too few requests failed for a measurement)")
    lines += [f"warning: {text}" for text in plan["warnings"]]
    lines += ["steps:", *(f"  {number}. {text}" for number, text in enumerate(plan["steps"], 1))]
    if plan["diff"]:
        lines += ["diff:", *(f"  {line}" for line in plan["diff"].splitlines())]
    lines += ["The lines above are quoted from the host.", f"Apply this {issued.action}?"]
    text = visible_text("\n".join(lines))
    if len(text) > MOST_CHARACTERS:
        raise RefusedPlan("this plan is too long to be shown here",
                          f"run on the command line: {command_line(issued)}")
    return text


def command_line(issued: IssuedPlan) -> str:
    """Return the command that a person types to do the same at a terminal."""
    words = ("fixer", issued.action, *issued.options)
    return shlex.join(word for word in words if word != "local")
