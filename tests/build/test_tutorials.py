"""The tutorials of docs/, typed command by command; what they show is what is printed, with … for what is left out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```console(?P<words>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Typed:
    """One command of a page: what is typed, what it prints, its exit code, and whether it is typed in the lab's shell."""

    command: str
    shown: str
    code: int
    inside: bool


def commands(page: str) -> list[Typed]:
    """Every command of a page's console blocks."""
    found = []
    for block in FENCE.finditer((ROOT / "docs" / page).read_text("utf-8")):
        words = block["words"].split()
        code = next((int(word.removeprefix("exit=")) for word in words if word.startswith("exit=")), 0)
        for part in re.split(r"^\$ ", block["body"], flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append(Typed(command, shown.strip("\n"), code, "inside" in words))
    return found


def fits(shown: str, printed: str) -> bool:
    """Whether the output is what the page shows; a line that is only … stands for any number of lines."""
    lines = [r"(?:[^\n]*\n)*?" if line == "…" else "[^\n]*".join(map(re.escape, line.split("…"))) + r"\n" for line in shown.split("\n")]
    return re.fullmatch("".join(lines), printed.strip("\n") + "\n") is not None


@pytest.mark.parametrize(("shown", "printed", "same"), [
    ("a\n…\nd", "a\nb\nc\nd", True), ("…", "", True), ("", "", True), ("", "x", False), ("a …", "a b", True), ("a\n…", "b\na\n", False),
    ("a\n…", "a", True), ("…\na", "a", True), ("a …\nc", "a b\nb\nc", False),
])
def test_what_fits(shown: str, printed: str, same: bool) -> None:
    assert fits(shown, printed) is same


def typed(argv: list[str], command: Typed, environment: dict[str, str] | None = None) -> None:
    ran = subprocess.run([*argv, command.command], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                         env=environment)
    printed = ran.stderr + ran.stdout
    assert ran.returncode == command.code, f"$ {command.command}\n{printed}"
    assert fits(command.shown, printed), f"$ {command.command}\nthe page shows\n{command.shown}\nit prints\n{printed}"


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which `lab` is this checkout's, with a state folder of its own."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "lab"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m lab "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "BADGATEWAY_LAB_STATE": str(tmp_path / "state")}
    yield environment
    subprocess.run([program, "down", "--all"], env=environment, check=False, capture_output=True)


def machine_of(environment: dict[str, str]) -> list[str]:
    """The command that types in the shell of the one lab that is up."""
    (lab_id,) = (path.name for path in Path(environment["BADGATEWAY_LAB_STATE"], "labs").iterdir())
    return ["docker", "exec", "-w", "/root", f"{lab_id}-host", "bash", "-c"]


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_the_first_lab(programs: dict[str, str]) -> None:
    for command in commands("tutorial-lab.md"):
        typed(machine_of(programs) if command.inside else ["bash", "-c"], command, programs)


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_the_repair_of_a_host(programs: dict[str, str], package: Path) -> None:
    subprocess.run(["bash", "-c", "lab up wrong-port/wrong-port --stack host --seed 7"], env=programs, check=True, capture_output=True)
    machine = machine_of(programs)
    subprocess.run(["docker", "cp", package, f"{machine[4]}:/root/"], check=True, capture_output=True)
    subprocess.run([*machine, 'printf \'#!/bin/sh\\nexec "$@"\\n\' >/usr/local/bin/sudo; chmod +x /usr/local/bin/sudo'], check=True)
    for command in commands("tutorial-repair.md"):
        typed(machine, command)
