"""The solvers of examples/, as their README runs them: on real labs, judged by the bench."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.crash_draw import draw_by_day

ROOT = Path(__file__).resolve().parents[2]
LAB = str(Path(sys.executable).with_name("lab"))


def bench(tmp_path: Path, only: str, *words: str) -> list[tuple[str, bool, bool]]:
    """The solver, whether it named the cause, and whether it solved the case; a lost case of the lab fails the test."""
    report = tmp_path / "scores.json"
    env = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path / "lab"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([LAB, "bench", "--only", only, "--stack", "host", "--json", report, *words], cwd=ROOT, env=env,
                          capture_output=True, text=True, check=False)
    assert report.exists(), done.stderr
    scores = json.loads(report.read_text())["scores"]
    assert not any(score["trouble"] or score["harm"] for score in scores), done.stderr
    assert done.returncode == (0 if all(score["solved"] or score["yardstick"] for score in scores) else 1)
    return [(score["solver"], score["cause_right"], score["solved"]) for score in scores]


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(300)
@pytest.mark.parametrize("only", draw_by_day(["wrong-port/wrong-port", "backend-down/unit-disabled-after-reboot"], "six steps", 1))
def test_the_six_steps_solve_what_they_know(tmp_path: Path, only: str) -> None:
    """By day one of the two, drawn from the commit."""
    won = bench(tmp_path, only, "--jobs", "2", "--solver", "six-steps=examples/six_steps.sh {container}", "--solver", "nothing")
    assert won == [("six-steps", True, True), ("nothing", None, False)]


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(300)
def test_the_six_steps_leave_alone_what_they_do_not_know(tmp_path: Path) -> None:
    won = bench(tmp_path, "crash-missing-env/start-env-var-missing", "--solver", "six-steps=examples/six_steps.sh {container}")
    assert won == [("six-steps", False, False)]


@pytest.mark.docker
@pytest.mark.apart
@pytest.mark.timeout(300)
def test_any_command_with_a_task_on_its_stdin_takes_part(tmp_path: Path) -> None:
    """The command here reads the task as an agent does, and hands the target that it names to fixer."""
    agent = tmp_path / "agent"
    agent.write_text("#!/bin/sh\ntask=$(cat)\necho \"$task\" | grep -q 502 || exit 1\n"
                     "target=$(echo \"$task\" | grep -oE 'docker://[a-z0-9-]+')\n"
                     f"{sys.executable} -m fixer repair \"$target\" --yes && echo 'cause: wrong-port'\n")
    agent.chmod(0o755)
    command = f"agent=examples/any_command.sh {{target}} {{project}} {{container}} {{url}} -- {agent}"
    assert bench(tmp_path, "wrong-port/wrong-port", "--solver", command) == [("agent", True, True)]


def test_a_command_without_its_words_is_wrong_usage() -> None:
    done = subprocess.run([ROOT / "examples/any_command.sh", "a", "b"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("usage: ")


def test_the_readme_names_every_example_and_parses() -> None:
    text = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+\.sh)\)", text)) == {path.name for path in (ROOT / "examples").glob("*.sh")}
    options = set(re.findall(r"--[a-z]+(?= )", "\n".join(re.findall(r"(?m)^ {4,}.*", text)))) - {"--allowedTools"}
    shown = subprocess.run([LAB, "bench", "--help"], capture_output=True, text=True, check=True).stdout
    assert options and all(option in shown for option in options)
