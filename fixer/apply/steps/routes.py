"""Routes that lead nowhere, taken away and brought back, also in the network of a container."""

from __future__ import annotations

from fixer.apply.steps.container_step import demand_not_anothers
from fixer.apply.steps.network_step import entering
from fixer.apply.steps.node_access import Runner, complaint, demand
from fixer.errors import StepFailed
from fixer.model.plan import RemoveRoute


def remove_route(step: RemoveRoute, runner: Runner) -> None:
    """Delete the one route."""
    demand(runner, [*_inside(step, runner), *_words(step, "del")], f"delete the {step.way} route to {step.prefix}")


def bring_back_route(step: RemoveRoute, runner: Runner) -> str:
    """Add it again; nothing where it is there."""
    if step.container_id:
        demand_not_anothers(step.container_id, step.container, runner)
    result = runner.run([*_inside(step, runner), *_words(step, "add")])
    if result.returncode == 0:
        return f"added the {step.way} route to {step.prefix} again"
    if b"File exists" in result.stderr:
        return ""
    raise StepFailed(f"could not add the {step.way} route to {step.prefix}: {complaint(result)}")


def _words(step: RemoveRoute, verb: str) -> list[str]:
    family = ["-6"] if ":" in step.prefix else []
    return ["ip", *family, "route", verb, step.way, step.prefix]


def _inside(step: RemoveRoute, runner: Runner) -> list[str]:
    return entering(step.container, runner) if step.container else []
