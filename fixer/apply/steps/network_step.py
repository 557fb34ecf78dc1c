"""Commands that run in the network of a container, entered from the Docker host with the host's own programs."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.apply.steps.container_step import require_same_container
from fixer.apply.steps.node_access import Runner, error_text, run_or_fail
from fixer.errors import StepFailed
from fixer.lazy.dataclass import dataclass
from fixer.model.host import CommandResult
from fixer.model.plan import RemoveRoute


def nsenter_prefix(container: str, engine: Runner) -> list[str]:
    """The words in front of such a command; the container may have been started anew since the plan was made."""
    shown = run_or_fail(engine, ["docker", "inspect", "-f", "{{.State.Pid}}", container], f"find {container}")
    pid = shown.stdout.decode("ascii", "replace").strip()
    if not pid.isdigit() or pid == "0":
        raise StepFailed(f"container {container} does not run")
    return ["nsenter", "-t", pid, "-n"]


@dataclass(frozen=True, slots=True)
class NetworkRunner:
    """The engine's machine, with a container's network in place of its own."""

    engine: Runner
    prefix: tuple[str, ...]

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        """Run it there."""
        return self.engine.run([*self.prefix, *argv], stdin=stdin, timeout=timeout)


def container_network(container: str, container_id: str, engine: Runner) -> NetworkRunner:
    """That container's network. Conflict where another container goes by its name now."""
    if container_id:
        require_same_container(container_id, container, engine)
    return NetworkRunner(engine, tuple(nsenter_prefix(container, engine)))


# Routes that lead nowhere, taken away and brought back, also in the network of a container.


def remove_route(step: RemoveRoute, runner: Runner) -> None:
    """Delete the one route."""
    run_or_fail(runner, [*_namespace_prefix(step, runner), *_route_command(step, "del")],
                f"delete the {step.way} route to {step.prefix}")


def undo_route(step: RemoveRoute, runner: Runner) -> str:
    """Add it again; nothing where it is there."""
    if step.container_id:
        require_same_container(step.container_id, step.container, runner)
    result = runner.run([*_namespace_prefix(step, runner), *_route_command(step, "add")])
    if result.returncode == 0:
        return f"added the {step.way} route to {step.prefix} again"
    if b"File exists" in result.stderr:
        return ""
    raise StepFailed(f"could not add the {step.way} route to {step.prefix}: {error_text(result)}")


def _route_command(step: RemoveRoute, verb: str) -> list[str]:
    family = ["-6"] if ":" in step.prefix else []
    return ["ip", *family, "route", verb, step.way, step.prefix]


def _namespace_prefix(step: RemoveRoute, runner: Runner) -> list[str]:
    return nsenter_prefix(step.container, runner) if step.container else []
