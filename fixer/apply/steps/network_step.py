"""Commands that run in the network of a container, entered from the Docker host with the host's own programs."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.apply.steps.container_step import demand_not_anothers
from fixer.apply.steps.node_access import Runner, complaint, demand
from fixer.errors import StepFailed
from fixer.lazy.dataclass import dataclass
from fixer.model.host import CommandResult
from fixer.model.plan import RemoveRoute


def entering(container: str, engine: Runner) -> list[str]:
    """The words in front of such a command; the container may have been started anew since the plan was made."""
    shown = demand(engine, ["docker", "inspect", "-f", "{{.State.Pid}}", container], f"find {container}")
    pid = shown.stdout.decode("ascii", "replace").strip()
    if not pid.isdigit() or pid == "0":
        raise StepFailed(f"container {container} does not run")
    return ["nsenter", "-t", pid, "-n"]


@dataclass(frozen=True, slots=True)
class InNetwork:
    """The engine's machine, with a container's network in place of its own."""

    engine: Runner
    words: tuple[str, ...]

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        """Run it there."""
        return self.engine.run([*self.words, *argv], stdin=stdin, timeout=timeout)


def in_network(container: str, container_id: str, engine: Runner) -> InNetwork:
    """That container's network. Conflict where another container goes by its name now."""
    if container_id:
        demand_not_anothers(container_id, container, engine)
    return InNetwork(engine, tuple(entering(container, engine)))


# Routes that lead nowhere, taken away and brought back, also in the network of a container.


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
