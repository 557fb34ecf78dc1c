"""Where the steps of a run act: node names to writers, and to whatever can run a command there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fixer.errors import ConnectionLost, NeedsPerson, StepFailed
from fixer.hosts.docker_engine.docker_cli import is_daemon_unreachable
from fixer.lazy.dataclass import dataclass
from fixer.model.host import CommandResult, Target, Writer

ENGINE = "engine"
_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"


class Runner(Protocol):
    """A place where commands run."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult: ...


@dataclass(frozen=True, slots=True)
class ContainerRunner:
    """A container that is no machine: commands run in it through the Docker engine, its files are not ours."""

    engine: Runner
    container: str

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        return self.engine.run(["docker", "exec", "-i", self.container, *argv], stdin=stdin, timeout=timeout)


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of a target. `home` is what the journal's machine was called when the run began: an undo that runs
    inside a machine takes back what was done to it from outside, where it has another name."""

    target: Target
    journal_writer: Writer
    home: str

    def writer(self, node: str) -> Writer:
        """The node to change."""
        return self.journal_writer if node == self.home else self.target.writer(node)

    def engine(self) -> Writer:
        """The machine that talks to Docker."""
        return self.writer(ENGINE)

    def runner(self, node: str) -> Runner:
        """Where the node's commands run. A container is looked up anew: bringing it up may have replaced it."""
        try:
            return self.writer(node)
        except NeedsPerson:
            return ContainerRunner(self.engine(), self._container(node))

    def _container(self, node: str) -> str:
        filters = [[f"label={_SERVICE}={node}"], [f"name=^/{node}$"]]
        if self.target.ref.kind in ("local", "ssh"):      # its nodes bear the containers' own names
            filters = filters[1:]
        project = self._project()
        if project:         # other projects of the machine may call a service alike
            filters[0].append(f"label={_PROJECT}={project}")
        for wanted in filters:
            arguments = [word for text in wanted for word in ("--filter", text)]
            result = self.engine().run(["docker", "ps", "-q", "--no-trunc", *arguments])
            found = result.stdout.decode("ascii", "replace").split()
            if result.returncode == 0 and len(found) == 1:
                return found[0]
        raise StepFailed(f"no single running container is {node}")


    def _project(self) -> str:
        """The compose project of the target, empty where it has none."""
        ref = self.target.ref
        if ref.kind != "docker":
            return ref.address if ref.kind == "compose" else ""
        label = f'{{{{index .Config.Labels "{_PROJECT}"}}}}'
        shown = self.engine().run(["docker", "inspect", "--type", "container", "-f", label, ref.address])
        return shown.stdout.decode("utf-8", "replace").strip() if shown.returncode == 0 else ""


def run_or_fail(runner: Runner, argv: Sequence[str], what: str, *, timeout: float = 30.0) -> CommandResult:
    """Run a command that must succeed; StepFailed tells `what` could not be done and what the tool said, ConnectionLost
    that nobody was there to do it or to say that it was done."""
    result = runner.run(argv, timeout=timeout)
    require_connection(result, what)
    if result.returncode != 0:
        raise StepFailed(f"could not {what}: {error_text(result)}")
    return result


def require_connection(result: CommandResult, what: str) -> None:
    """ConnectionLost where nobody was there to do it, or to say that it was done."""
    cut = result.returncode is None and not result.timed_out and not result.missing
    away = result.returncode != 0 and is_daemon_unreachable(result.stderr.decode(errors="replace"))
    if cut or (away and result.argv[:1] == ("docker",)):
        raise ConnectionLost(f"could not {what}: {error_text(result)}")


def error_text(result: CommandResult) -> str:
    """What a failed command said, in one line."""
    if result.missing:
        return f"{result.argv[0]} is not there"
    if result.timed_out:
        return f"{result.argv[0]} did not end in time"
    text = (result.stderr.strip() or result.stdout.strip()).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and not lines[-1].strip("^~ "):     # nft shows the place below what it was told
        lines = [line for line in lines if line.startswith("Error:")] or lines
    if len(lines) > 1 and lines[-1].startswith("Error: failed to "):     # docker's sum of what it said before
        lines.pop()
    return lines[-1] if lines else f"{result.argv[0]} ended with {result.returncode}"
