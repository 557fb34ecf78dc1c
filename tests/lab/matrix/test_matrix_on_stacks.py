"""The matrix on real stacks: ended early it leaves nothing behind; a failure is kept; a second run goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.stack.docker_command import labelled_ids
from tests.crash.crash_draw import draw_by_day
from tests.lab.stack.made_parts import is_made

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
LAB = Path(sys.executable).with_name("lab")


def ids_in(state: Path) -> set[str]:
    """The labs that a run made so far."""
    return {path.stem for path in state.rglob("records/*.json")}


def remains(lab_id: str) -> list[str]:
    return [found for kind in ("container", "network", "volume") for found in labelled_ids(kind, lab_id)]


@pytest.mark.parametrize("number", draw_by_day([signal.SIGINT, signal.SIGTERM, signal.SIGKILL], "matrix ends", 1))
def test_ended_early_it_leaves_no_lab(number: signal.Signals, tmp_path: Path) -> None:
    """By day by one of the signals, drawn from the commit."""
    argv = [LAB, "matrix", "--jobs", "2", "--only", "healthy/healthy", "--junit", str(tmp_path / "run.xml")]
    command = subprocess.Popen(argv, env={**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path)}, stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
    until = time.monotonic() + 60
    while not any(is_made("network", made) for made in ids_in(tmp_path)):
        assert time.monotonic() < until
        assert command.poll() is None
        time.sleep(0.05)
    made = ids_in(tmp_path)
    command.send_signal(number)
    _, said = command.communicate(timeout=120)
    if number == signal.SIGKILL:
        until = time.monotonic() + 90       # its jobs notice that nobody listens
        while ids_in(tmp_path) and time.monotonic() < until:
            time.sleep(0.2)
    else:
        assert command.returncode == 130, said
        assert "Traceback" not in said
        suite = ElementTree.parse(tmp_path / "run.xml").getroot()
        assert suite.get("skipped") == "3"
    assert ids_in(tmp_path) == set()
    assert [remains(one) for one in made] == [[]] * len(made)


def test_a_second_run_goes_on(tmp_path: Path) -> None:
    state = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path / "state")}
    resume = tmp_path / "run.json"
    argv = [LAB, "matrix", "--jobs", "2", "--only", "healthy/healthy", "--resume", str(resume)]
    first = subprocess.run([*argv, "--stack", "host"], env=state, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    assert [case["stack"] for case in json.loads(resume.read_text())["cases"]] == ["host"]
    table = tmp_path / "run.md"
    second = subprocess.run([*argv, "--markdown", str(table)], env=state, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    assert "1 of them passed before" in second.stderr
    ended = re.findall(r"^\[[12]/2\] ✔ healthy/healthy (\S+) ", second.stderr, re.MULTILINE)
    assert sorted(ended) == ["all-in-one", "containers"]        # two jobs: either may end first
    assert {case["stack"] for case in json.loads(resume.read_text())["cases"]} == {"containers", "host", "all-in-one"}
    assert "Healthy; fixer changes nothing: 3 of 3" in table.read_text()


SCENARIO = """
title = "told wrong"
story = "Nobody can log in."
family = "wrong port"
difficulty = 1
stacks = ["host"]
why_not = { containers = "one is enough" }
hints = ["one", "two", "three"]
debrief = "none"

[variants.backend-not-running]
breaks = [{ stop = "backend" }]
symptom = [{ statuses = [502] }]
expect = { cause = "wrong-port", variant = "wrong-port", repair = { risk = "safe", exit = 0 } }
"""


def test_a_failure_is_kept_with_everything(tmp_path: Path) -> None:
    (tmp_path / "own" / "told-wrong").mkdir(parents=True)
    (tmp_path / "own" / "told-wrong" / "scenario.toml").write_text(SCENARIO)
    state = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path / "state"), "BADGATEWAY_SCENARIOS": str(tmp_path / "own")}
    done = subprocess.run([LAB, "matrix", "--noise", "0", "--json", str(tmp_path / "run.json")], env=state, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1, done.stderr
    (case,) = json.loads((tmp_path / "run.json").read_text())["cases"]
    problems = [problem for step in case["steps"] for problem in step["problems"]]
    assert "found backend-down/backend-not-running, expected wrong-port/wrong-port" in problems
    kept = Path(case["kept"])
    names = {path.name for path in kept.iterdir()}
    assert {"README.txt", "lab.json", "files", "incident.tgz", "01-diagnose.txt"} <= names
    (machine,) = [path for path in kept.glob("*.txt") if path.name.endswith("-host.txt")]
    assert "# nginx -T" in machine.read_text()
    assert not (kept.parent / "labs").exists()
    assert case["again"] == "lab up told-wrong/backend-not-running --stack host --seed 1"
