"""Completion: the parser's answers to each shell, and what a Tab writes in the shells themselves."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "shells"
LINES = [
    ("fixer rep", "repair"), ("fixer explain start-203-exec-m", "start-203-exec-missing"), ("fixer diagnose --no", "--no-probe"),
    ("fixer diagnose compo", "compose://"), ("lab ma", "matrix"), ("lab up start-203-exec", ""), ("lab show wrong-por", "wrong-port"),
    ("fixer fl", "fleet"), ("fixer fleet re", "report"), ("fixer fleet report x --for", "--format"),
]


def answers(shell: str, line: str) -> str:
    """What the program prints when the shell asks how the line could go on."""
    words = line.split(" ")
    program = words[0]
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)} if shell == "bash" else {
        "_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    environment = {**os.environ, f"_{program.upper()}_COMPLETE": f"complete_{shell}", **asked}
    done = subprocess.run([sys.executable, "-m", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.replace("\\", "")     # zsh gets its colons escaped


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(("line", "answer"), LINES)
def test_each_shell_gets_the_answer(shell: str, line: str, answer: str) -> None:
    said = answers(shell, line)
    assert answer in said if answer else "start-203" not in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("program", ["fixer", "lab"])
def test_each_shell_gets_its_script(shell: str, program: str) -> None:
    environment = {**os.environ, f"_{program.upper()}_COMPLETE": f"source_{shell}"}
    done = subprocess.run([sys.executable, "-m", program], env=environment, capture_output=True, text=True, check=True)
    assert f"_{program.upper()}_COMPLETE=complete_{shell}" in done.stdout and program in done.stdout


def docker(*words: str | Path) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def machine(package: Path) -> Iterator[str]:
    """A container with bash, zsh, fish and the installed package."""
    from lab.stack import images

    base = images.ensure(lambda line: None)["app"]
    digest = hashlib.sha256(base.encode() + (FOLDER / "Dockerfile").read_bytes()).hexdigest()[:12]
    tag = f"badgateway/test-shells:{digest}"
    if not docker("images", "-q", tag):
        docker("build", "-q", "--build-arg", f"BASE={base}", "-t", tag, FOLDER)
    name = docker("run", "-d", "--rm", "--label", "badgateway.test=shells", "--network", "none", "--user", "0",
                  "--entrypoint", "sleep", tag, "600")
    try:
        docker("cp", package, f"{name}:/tmp/badgateway.deb")
        docker("cp", FOLDER / "complete.zsh", f"{name}:/tmp/complete.zsh")
        docker("exec", name, "dpkg", "-i", "/tmp/badgateway.deb")
        yield name
    finally:
        docker("rm", "-f", name)


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_a_tab_completes_in_bash(machine: str) -> None:
    script = ("source /usr/share/bash-completion/bash_completion; _comp_load fixer || _completion_loader fixer; "
              "COMP_WORDS=(fixer rep); COMP_CWORD=1; _fixer_completion fixer rep fixer; echo ${COMPREPLY[@]}")
    assert docker("exec", machine, "bash", "-c", script) == "repair"


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_a_tab_completes_in_fish(machine: str) -> None:
    shown = docker("exec", machine, "fish", "-c", "complete -C 'fixer rep'; complete -C 'fixer explain wrong-po'")
    assert shown.splitlines() == ["repair\tShow the plan, ask, apply it, verify it.", "wrong-port", "wrong-port-other-service"]


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_the_first_tab_completes_in_zsh(machine: str) -> None:
    shown = docker("exec", machine, "zsh", "-f", "/tmp/complete.zsh", "fixer diagnose --no-pr", "--no-probe")
    assert "<diagnose|--no-probe>" in shown
