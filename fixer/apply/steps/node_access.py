"""Access to nodes for the steps of a run: writers, and runners of commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fixer.errors import ConnectionLost, NeedsPerson, StepFailed
from fixer.hosts.docker_engine.docker_cli import docker_argv, is_daemon_unreachable, is_docker_command
from fixer.lazy.dataclass import dataclass
from fixer.model.host import CommandResult, Target, Writer

ENGINE = "engine"
_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"


class Runner(Protocol):
    """Something that runs commands on a node."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult: ...


@dataclass(frozen=True, slots=True)
class EngineCommands:
    """The engine's command line on the machine that talks to Docker: all that steps run of it."""

    engine: Runner

    def run(self, *words: str, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        """Run one command, whatever its end."""
        return self.engine.run(docker_argv(*words), stdin=stdin, timeout=timeout)

    def require(self, what: str, *words: str, timeout: float = 30.0) -> CommandResult:
        """Run one command that must succeed; see `run_or_fail`."""
        return run_or_fail(self.engine, docker_argv(*words), what, timeout=timeout)

    def inspect(self, template: str, *names: str) -> CommandResult:
        """Return what `inspect` prints of these containers by the template."""
        return self.run("inspect", "-f", template, *names)

    def inspect_containers(self, template: str, *names: str) -> CommandResult:
        """Return the same where the name may be that of an image or a network too."""
        return self.run("inspect", "--type", "container", "-f", template, *names)

    def running_ids(self, *filters: str) -> CommandResult:
        """Return the ids of the running containers that match all filters."""
        return self.run("ps", "-q", "--no-trunc", *(word for text in filters for word in ("--filter", text)))

    def first_pid(self, container: str) -> str:
        """Return the process id of its first process there, `0` if it does not run; empty if that is unknown."""
        return self.inspect("{{.State.Pid}}", container).stdout.decode("ascii", "replace").strip()


@dataclass(frozen=True, slots=True)
class ContainerRunner:
    """Runner in a container that is no machine, through the Docker engine. Its files are not ours to change."""

    engine: Runner
    container: str

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        return EngineCommands(self.engine).run("exec", "-i", self.container, *argv, stdin=stdin, timeout=timeout)


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of a target. `home` is the journal machine's node name when the run started.
    An undo inside a machine, where its name differs, thus undoes what was done to it from outside."""

    target: Target
    journal_writer: Writer
    home: str

    def writer(self, node: str) -> Writer:
        """Return the writer of the node."""
        return self.journal_writer if node == self.home else self.target.writer(node)

    def engine(self) -> Writer:
        """Return the machine that talks to Docker."""
        return self.writer(ENGINE)

    def runner(self, node: str) -> Runner:
        """Return where the node's commands run. Find a container again each time: an up may have replaced it."""
        try:
            return self.writer(node)
        except NeedsPerson:
            return ContainerRunner(self.engine(), self._container(node))

    def _container(self, node: str) -> str:
        filters = [[f"label={_SERVICE}={node}"], [f"name=^/{node}$"]]
        if self.target.ref.kind in ("local", "ssh"):  # their nodes have the containers' own names
            filters = filters[1:]
        project = self._project()
        if project:  # other projects of the machine may have a service of that name
            filters[0].append(f"label={_PROJECT}={project}")
        for wanted in filters:
            result = EngineCommands(self.engine()).running_ids(*wanted)
            found = result.stdout.decode("ascii", "replace").split()
            if result.returncode == 0 and len(found) == 1:
                return found[0]
        raise StepFailed(f"cannot find exactly one running container for {node}")

    def _project(self) -> str:
        """Return the target's compose project; empty if it has none."""
        ref = self.target.ref
        if ref.kind != "docker":
            return ref.address if ref.kind == "compose" else ""
        label = f'{{{{index .Config.Labels "{_PROJECT}"}}}}'
        shown = EngineCommands(self.engine()).inspect_containers(label, ref.address)
        return shown.stdout.decode("utf-8", "replace").strip() if shown.returncode == 0 else ""


def run_or_fail(runner: Runner, argv: Sequence[str], what: str, *, timeout: float = 30.0) -> CommandResult:
    """Run a command that must succeed. Raise StepFailed with `what` and the tool's error text.
    Raise ConnectionLost if the connection ended, or the Docker daemon is unreachable."""
    result = runner.run(argv, timeout=timeout)
    require_connection(result, what)
    if result.returncode != 0:
        raise StepFailed(f"could not {what}: {error_text(result)}")
    return result


def require_connection(result: CommandResult, what: str) -> None:
    """Raise ConnectionLost if the command may not have run, or its end is unknown."""
    cut = result.returncode is None and not result.timed_out and not result.missing
    away = result.returncode != 0 and is_daemon_unreachable(result.stderr.decode(errors="replace"))
    if cut or (away and is_docker_command(result.argv)):
        raise ConnectionLost(f"could not {what}: {error_text(result)}")


def error_text(result: CommandResult) -> str:
    """Return the error text of a failed command, in one line."""
    if result.missing:
        return f"{result.argv[0]}: command not found"
    if result.timed_out:
        return f"{result.argv[0]} timed out"
    text = (result.stderr.strip() or result.stdout.strip()).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and not lines[-1].strip("^~ "):  # nft marks the error position below the command
        lines = [line for line in lines if line.startswith("Error:")] or lines
    if len(lines) > 1 and lines[-1].startswith("Error: failed to "):  # docker's summary of the lines before
        lines.pop()
    return lines[-1] if lines else f"{result.argv[0]} exited with code {result.returncode}"
