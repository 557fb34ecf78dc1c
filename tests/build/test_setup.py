"""script/setup.sh: where Docker cannot be had, one line says so and why."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_DOCKER = "docker_answers() { false; }; is_root() { true; }; is_debian() { true; }; unset DOCKER_HOST; "


def _said(functions: str) -> tuple[int, list[str]]:
    done = subprocess.run(["bash", "-c", f". script/setup.sh; {NO_DOCKER}{functions}; setup_docker"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("·")]


@pytest.mark.parametrize(("functions", "why"), [
    ("command() { true; }; start_docker() { echo level=info; echo 'failed to start daemon: no rights'; echo '(exit 4)'; false; }",
     "Docker engine started: failed to start daemon: no rights"),
    ("command() { true; }; start_docker() { echo 'Job for docker.service failed.'; return 1; }",
     "Docker engine started: Job for docker.service failed."),
    ("command() { true; }; start_docker() { false; }", "Docker engine started: it failed"),
    ("command() { false; }; apt_install() { echo 'W: no route'; echo 'E: Unable to locate package docker.io'; return 100; }",
     "Docker engine from the distribution: E: Unable to locate package docker.io"),
])
def test_where_docker_cannot_be_had_one_line_says_why(functions: str, why: str) -> None:
    status, lines = _said(functions)
    assert status == 3
    assert lines == [f"error: Docker cannot be had here: {why}",
                     "  run this where Docker answers, or where its engine can be installed and started"]
