"""Warnings before a plan is agreed to: what it stops, and what undo cannot restore."""

from __future__ import annotations

from fixer.model.plan import ComposeUp, ContainerAction, ProgramAction, ServiceAction, SignalProcess, Step, UnitAction
from fixer.redaction.masked_steps import describe_step, is_reversible


def plan_warnings(steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Return warnings about what the plan stops, and about what undo cannot restore."""
    stopping = [describe_step(step) for step in steps if _stops_service(step)]
    final = [describe_step(step) for step in steps if not is_reversible(step)]
    return (*(f"This stops what runs now: {text}" for text in stopping if text not in final),
            *(f"Cannot be undone: {text}" for text in final))


def _stops_service(step: Step) -> bool:
    match step:
        case UnitAction():
            return step.verb in ("stop", "restart") and step.was_active == "active"
        case ProgramAction():
            return step.verb in ("restart", "update") and step.was == "RUNNING"
        case ContainerAction() | ServiceAction():
            return step.verb in ("stop", "restart") and step.was == "running"
        case ComposeUp():
            return step.was == "running"
        case SignalProcess():
            return step.signal != "CONT"
        case _:
            return False
