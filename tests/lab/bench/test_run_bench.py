"""Tests of lab/bench/run_bench.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.bench.run_bench import resolve_solvers
from lab.errors import UsageError
from lab.stack.docker_command import state_folders_of_labs
from tests.crash.crash_draw import draw_by_day

LAB = str(Path(sys.executable).with_name("lab"))


def test_a_bench_without_a_solver_is_wrong_usage() -> None:
    done = subprocess.run([LAB, "bench"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "restart-everything" in done.stderr


def test_two_solvers_of_one_name_are_wrong_usage() -> None:
    with pytest.raises(UsageError, match="two solvers are called a"):
        resolve_solvers(["a=true", "a=false"], within=False)


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_a_yardstick_that_loses_fails_nothing_and_a_solver_that_does_is_named(tmp_path: Path) -> None:
    """Side by side, with the reports that CI takes."""
    junit, markdown = tmp_path / "bench.xml", tmp_path / "bench.md"
    env = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path / "lab")}

    def bench(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([LAB, "bench", "--only", "wrong-port/container-wrong-port", "--jobs", "2", "--junit", junit,
                               "--markdown", markdown, *words], capture_output=True, text=True, check=False, env=env)

    done = bench("--solver", "nothing", "--solver", "fixer")
    assert done.returncode == 0, done.stderr
    assert "nothing: ✘" in done.stderr and "fixer: ✔" in done.stderr
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "0", "1")
    assert "## Not solved by nothing" in markdown.read_text()
    lost = bench("--solver", "mine=true {target}")
    assert lost.returncode == 1 and "1 of 1 not solved" in lost.stderr
    assert [case.get("classname") for case in ElementTree.parse(junit).iter("testcase") if case.find("failure") is not None] == ["mine"]


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_an_interrupt_removes_the_labs_of_all_jobs(tmp_path: Path) -> None:
    mark = tmp_path / "started"
    env = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path / "lab"), "TMPDIR": str(tmp_path)}
    argv = [LAB, "bench", "--only", "wrong-port/container-wrong-port", "--seeds", "1-2", "--jobs", "2",
            "--solver", f"mine=sh -c 'echo >> {mark}; sleep 100'"]
    running = subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not mark.exists() or len(mark.read_text().splitlines()) < 2:
        assert running.poll() is None
        signal.sigtimedwait([], 0.1)
    running.send_signal(signal.SIGINT)
    assert "interrupted" in running.communicate()[1] and running.returncode == 130
    assert not [lab_id for lab_id, state in state_folders_of_labs().items() if state.startswith(str(tmp_path))]


def bench_on_a_machine(tmp_path: Path, scenario: str, *solvers: str) -> tuple[int, list[dict[str, object]]]:
    """The exit code, and the score of each solver."""
    report = tmp_path / "scores.json"
    words = [word for solver in solvers for word in ("--solver", solver)]
    done = subprocess.run([LAB, "bench", "--only", scenario, "--stack", "host", "--json", str(report), *words],
                          capture_output=True, text=True, check=False, env={**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path / "lab")})
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(report.read_text())["scores"]


def broken_one(tmp_path: Path) -> None:
    """Ours repairs it; a restart of everything does not, and neither does nothing."""
    told = "sh -c 'env | grep -q BADGATEWAY || echo cause: wrong-port; test -n {target} -a -n {url}'"
    code, scores = bench_on_a_machine(tmp_path, "wrong-port/wrong-port", "fixer", "restart-everything", told)
    assert [(s["cause_right"], s["repaired"], s["survived_restart"], s["solved"]) for s in scores] == [
        (True, True, True, True), (None, False, None, False), (True, False, None, False)]
    assert code == 1 and not any(s["harm"] for s in scores)


def healthy_one(tmp_path: Path) -> None:
    """There nothing wins, and what does harm is told."""
    code, scores = bench_on_a_machine(tmp_path, "healthy/healthy", "nothing", "docker exec {container} rm /etc/nginx/nginx.conf")
    assert [s["solved"] for s in scores] == [True, False] and code == 1
    assert "/etc/nginx/nginx.conf: removed" in str(scores[1]["harm"])


@pytest.mark.docker
@pytest.mark.timeout(400)
@pytest.mark.parametrize("judged", draw_by_day([broken_one, healthy_one], "bench", 1))
def test_solvers_side_by_side_on_a_real_machine(tmp_path: Path, judged: Callable[[Path], None]) -> None:
    """By day on one of the two machines, drawn from the commit."""
    judged(tmp_path)


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_a_solver_inside_the_machine(tmp_path: Path) -> None:
    """Its file is copied in and run as root, with its words and without a word about the lab."""
    solver, report = tmp_path / "mine", tmp_path / "scores.json"
    solver.write_text('#!/bin/sh\ntest "$(id -u)" = 0 || exit 1\necho "cause: $1"\nenv | grep -q BADGATEWAY && exit 1\n'
                      "systemctl enable -q --now $(cd /etc/systemd/system && grep -l ^WorkingDirectory= *.service)\n")
    env = {**os.environ, "BADGATEWAY_LAB_STATE": str(tmp_path / "lab")}
    done = subprocess.run([LAB, "bench", "--only", "backend-down/unit-disabled*", "--inside", "--json", str(report),
                           "--solver", f"{solver} backend-down"], capture_output=True, text=True, check=False, env=env)
    (score,) = json.loads(report.read_text())["scores"]
    assert (score["cause_right"], score["repaired"], score["survived_restart"], score["harm"]) == (True, True, True, [])
    assert done.returncode == 0 and "1 of 1" in done.stdout
