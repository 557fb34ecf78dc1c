"""Tests of lab/matrix/runner.py."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from lab.matrix.runner import Runner
from lab.trial.trial import Case, CaseResult
from tests.lab.matrix.select_cases_builders import LOAD, PORT, WELL

STAND_IN = """
import json, os, pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)      # as the real one: also in a background job
order = json.loads(sys.stdin.readline())
log = pathlib.Path(os.environ["JOB_LOG"])
def note(word):
    with log.open("a") as out: out.write(f"{word} {order['case']['scenario']} {time.monotonic()}\\n")
note("began")
print(json.dumps({"step": "up"}), flush=True)
try:
    time.sleep(float(os.environ["JOB_SECONDS"]))
finally:
    note("ended")
if order["case"]["variant"] == "silent":
    sys.exit("nothing to say")
problems = ["was not well"] if order["case"]["variant"] == "bad" else []
steps = [{"name": "up", "seconds": 0.1, "problems": problems}]
print(json.dumps({"result": {**order["case"], "wanted": "repair", "steps": steps}}), flush=True)
"""


class Log:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def began(self, case: Case) -> None:
        self.said.append(f"began {case.scenario}")

    def step(self, case: Case, name: str) -> None:
        self.said.append(f"{name} {case.scenario}")

    def ended(self, result: CaseResult) -> None:
        self.said.append(f"ended {result.case.scenario}")

    def beat(self) -> None:
        self.said.append("beat")


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A runner whose jobs are real processes that only wait."""
    monkeypatch.setenv("JOB_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("JOB_SECONDS", "0.3")
    return Runner(tmp_path / "run", 2, Log(), "abc", command=(sys.executable, "-c", STAND_IN))


def spans(folder: Path) -> dict[str, tuple[float, float]]:
    """When each case began and ended, as the jobs themselves noted."""
    found: dict[str, list[float]] = {}
    for line in (folder / "log").read_text().splitlines():
        _, name, moment = line.split()
        found.setdefault(name, []).append(float(moment))
    return {name: (moments[0], moments[-1]) for name, moments in found.items()}


def overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


@pytest.mark.slow
def test_two_at_once_and_load_alone(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_SECONDS", "1.5")
    down = Case("backend-down", "backend-not-running", "host", 1)
    chosen = [PORT, down, LOAD, WELL]
    assert runner.run(chosen) == []
    when = spans(tmp_path)
    assert overlap(when["wrong-port"], when["backend-down"])
    assert not any(overlap(when["overload-saturated"], when[name]) for name in ("wrong-port", "backend-down", "healthy"))
    assert {result.case for result in runner.results} == set(chosen)
    assert all(result.ok and result.code_digest == "abc" for result in runner.results)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_load_tests_run_side_by_side_where_that_is_wanted(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First, whatever their place in the list, and still beside no other case."""
    monkeypatch.setenv("JOB_SECONDS", "1.5")
    monkeypatch.setattr("lab.matrix.runner.needs_to_run_alone", lambda case: case in (LOAD, WELL))
    runner.load_jobs, runner.jobs = 2, 3
    assert runner.run([PORT, LOAD, Case("backend-down", "backend-not-running", "host", 1), WELL]) == []
    when = spans(tmp_path)
    assert overlap(when["overload-saturated"], when["healthy"])
    assert overlap(when["wrong-port"], when["backend-down"])
    assert not any(overlap(when[load], when[name]) for load in ("overload-saturated", "healthy") for name in ("wrong-port", "backend-down"))


def test_a_failure_is_kept_with_how_to_repeat_it(runner: Runner) -> None:
    runner.run([Case("healthy", "bad", "host", 4), Case("healthy", "silent", "host", 4)])
    first, second = sorted(runner.results, key=lambda result: result.case.variant)
    assert (first.problems, second.problems) == (
        ["up: was not well"], ["trial: the trial ended with exit code 1: nothing to say"])
    for result in (first, second):
        assert f"lab up healthy/{result.case.variant} --stack host --seed 4" in Path(result.failure_folder, "README.txt").read_text()


@pytest.fixture(autouse=True)
def any_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases of this module need not exist."""
    monkeypatch.setattr("lab.matrix.runner.needs_to_run_alone", lambda case: case.scenario == "overload-saturated")


def test_after_the_clock_only_what_is_always_tried(runner: Runner) -> None:
    runner.until = time.monotonic() - 1
    assert runner.run([PORT, WELL], always=1) == [WELL]
    assert [result.case for result in runner.results] == [PORT]


def test_stopped_it_ends_what_runs(runner: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOB_SECONDS", "60")
    threading.Timer(2.0, runner.stop.set).start()
    start = time.monotonic()
    assert runner.run([PORT, WELL, LOAD]) == [PORT, WELL, LOAD]
    assert time.monotonic() - start < 30
    assert "ended" in (tmp_path / "log").read_text()
    assert not (tmp_path / "run").exists()
