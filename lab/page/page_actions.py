"""What the buttons of the page do: a hint, the oracle, fixer's plan, its repair and its undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.course.fixer_view import look_with_fixer
from lab.stack.fixer_command import fixer_outside, input_options
from lab.stack.running_lab import Lab
from lab.verbs.check import ask_oracle
from lab.verbs.debrief import debrief_of
from lab.verbs.hint import next_hint
from lab.verbs.solve import REPAIR_OPTIONS


def _hint(lab: Lab) -> dict[str, Any]:
    return {"text": next_hint(lab)}


def _check(lab: Lab) -> dict[str, Any]:
    verdict = ask_oracle(lab)
    if verdict.is_well:
        return {"well": True, "text": "It is well.", "lines": [], "debrief": debrief_of(lab)}
    return {"well": False, "text": "It is broken.", "lines": list(verdict.failing)}


def _plan(lab: Lab) -> dict[str, Any]:
    """Return what fixer sees now and would do; it changes nothing."""
    view = look_with_fixer(lab)
    finding = view["finding"]
    notes = [f"note: {note}" for note in view.get("notes", ())]
    if not finding:
        return {"text": f"fixer finds no cause; its verdict is {view['verdict']}.", "lines": notes, "diff": ""}
    evidence = [f"{one['where']}  {' '.join(str(one['text']).split())}" for one in finding.get("evidence", ())[:5]]
    repairs = finding.get("repairs") or [None]
    first = repairs[0]
    text = f"{finding['cause']} ({finding['confidence']}): {finding['summary']}"
    said = {"text": text, "lines": [*evidence, *notes], "diff": ""}
    if first is None:
        return said | {"plan": "fixer would change nothing."}
    steps = [f"{number}. {step}" for number, step in enumerate(first.get("steps", ()), 1)]
    steps += [_need_text(need) for need in first.get("needs", ())]
    plan = f"{first['summary']} ({first['risk']})"
    return said | {"plan": plan, "steps": steps, "diff": str(first.get("diff") or "")}


def _need_text(need: Mapping[str, Any]) -> str:
    choices = " or ".join(str(one) for one in need.get("choices", ()))
    return f"It needs {need['key']}: {need['why']}" + (f" ({choices})" if choices else "")


def _apply(lab: Lab) -> dict[str, Any]:
    done = fixer_outside(lab).ask("repair", *REPAIR_OPTIONS, *input_options(lab), "--json")
    return _outcome(done.document, done.err, {0: "repaired", 1: "not better, rolled back", 4: "waits for a person"}.get(
        done.code, "not repaired"))


def _undo(lab: Lab) -> dict[str, Any]:
    done = fixer_outside(lab).ask("undo", "--json")
    return _outcome(done.document, done.err, "everything is as before" if done.code == 0 else "not undone")


def _outcome(document: Mapping[str, Any], error: str, text: str) -> dict[str, Any]:
    """Return what fixer said: its outcome, its steps, or its error."""
    steps = [str(step) for step in document.get("applied") or document.get("restored") or ()]
    problem = document.get("error") or {}
    said = [str(problem.get("message", ""))] if problem else [line for line in error.splitlines() if line][-3:]
    return {"text": f"fixer: {document.get('outcome', text)}.", "lines": steps or [line for line in said if line]}


ACTIONS: Mapping[str, Callable[[Lab], dict[str, Any]]] = {
    "hint": _hint, "check": _check, "plan": _plan, "apply": _apply, "undo": _undo,
}
