"""Commands in a container's network namespace, run on the Docker host with the host's programs."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.apply.steps.container_step import require_same_container
from fixer.apply.steps.node_access import EngineCommands, Runner, error_text, run_or_fail
from fixer.errors import StepFailed
from fixer.lazy.dataclass import dataclass
from fixer.model.host import CommandResult
from fixer.model.plan import RemoveRoute


def nsenter_prefix(container: str, engine: Runner) -> list[str]:
    """Return the nsenter prefix of such a command. Inspect first: the container may have restarted since the plan."""
    shown = EngineCommands(engine).require(f"find {container}", "inspect", "-f", "{{.State.Pid}}", container)
    pid = shown.stdout.decode("ascii", "replace").strip()
    if not pid.isdigit() or pid == "0":
        raise StepFailed(f"container {container} is not running")
    return ["nsenter", "-t", pid, "-n"]


@dataclass(frozen=True, slots=True)
class NetworkRunner:
    """Runner on the Docker host, in a container's network namespace."""

    engine: Runner
    prefix: tuple[str, ...]

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        """Run a command there."""
        return self.engine.run([*self.prefix, *argv], stdin=stdin, timeout=timeout)


def container_network(container: str, container_id: str, engine: Runner) -> NetworkRunner:
    """Return a runner in that container's network. Raise Conflict if another container has its name now."""
    if container_id:
        require_same_container(container_id, container, engine)
    return NetworkRunner(engine, tuple(nsenter_prefix(container, engine)))


# Blackhole and similar routes, removed and restored, also in a container's network.


def remove_route(step: RemoveRoute, runner: Runner) -> None:
    """Delete the route."""
    run_or_fail(runner, [*_namespace_prefix(step, runner), *_route_command(step, "del")],
                f"delete the {step.way} route to {step.prefix}")


def undo_route(step: RemoveRoute, runner: Runner) -> str:
    """Add the route again; do nothing if it exists."""
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
