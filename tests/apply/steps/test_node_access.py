"""What a failed command said, as one line, and the one class through which steps run the engine's command line."""

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

import fixer
from fixer.apply.steps.node_access import ContainerRunner, EngineCommands, error_text
from fixer.errors import ConnectionLost, StepFailed
from fixer.model.host import CommandResult


@pytest.mark.parametrize(("said", "told"), [
    (b"Error: No such file or directory\nlist chain inet f input\n                ^\n", "Error: No such file or directory"),
    (b"Warning: old\nJob for a.service failed.\n", "Job for a.service failed."),
    (b"^^^\n", "^^^"),
    (b"Error response from daemon: port is already allocated\nError: failed to start containers: a\n",
     "Error response from daemon: port is already allocated"),
    (b"Error: failed to start containers: a\n", "Error: failed to start containers: a"),
    (b"", "nft exited with code 1"),
])
def test_the_line_that_says_it_is_told(said: bytes, told: str) -> None:
    assert error_text(CommandResult(("nft", "list"), 1, b"", said)) == told


class Engine:
    """What runs an engine's command line: it keeps each command and ends as it is told."""

    def __init__(self, returncode: int = 0, stdout: bytes = b"", stderr: bytes = b"") -> None:
        self.end, self.asked = (returncode, stdout, stderr), list[tuple[str, ...]]()

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        self.asked.append(tuple(argv))
        return CommandResult(tuple(argv), *self.end)


def test_every_command_of_the_engine_has_its_program() -> None:
    engine = Engine(stdout=b"4711\n")
    commands = EngineCommands(engine)
    assert commands.first_pid("p-app-1") == "4711"
    commands.running_ids("label=a=b", "name=^/x$")
    ContainerRunner(engine, "p-app-1").run(["cat", "/x"])
    assert engine.asked == [
        ("docker", "inspect", "-f", "{{.State.Pid}}", "p-app-1"),
        ("docker", "ps", "-q", "--no-trunc", "--filter", "label=a=b", "--filter", "name=^/x$"),
        ("docker", "exec", "-i", "p-app-1", "cat", "/x"),
    ]


def test_a_command_that_must_succeed() -> None:
    with pytest.raises(StepFailed, match="could not connect p-app-1: no such network"):
        EngineCommands(Engine(1, stderr=b"no such network")).require("connect p-app-1", "network", "connect")
    with pytest.raises(ConnectionLost):
        EngineCommands(Engine(1, stderr=b"Cannot connect to the Docker daemon")).require("connect p-app-1", "network")


def test_no_other_place_of_apply_and_hosts_names_the_engines_program() -> None:
    """Another engine with the same command line is one name in one file."""
    root = Path(fixer.__file__).parent
    named = {
        path.relative_to(root).as_posix() for top in ("apply", "hosts") for path in (root / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.List | ast.Tuple) and node.elts and isinstance(node.elts[0], ast.Constant)
        and node.elts[0].value == "docker" and len(node.elts) > 1
    }
    assert named == {"hosts/propose_target.py", "hosts/docker_engine/engine_program.py"}, "URL schemes, and the file"
