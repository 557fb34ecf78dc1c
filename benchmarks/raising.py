"""`lab up` against bare `docker compose up --wait` of the same files, without the break and the wait for it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.machine import LAB, lab_ids, run
from benchmarks.ratio import Row, ratio_row


def up_row(runs: int) -> Row:
    """Measure in turn, on the scenario whose break is a reload that changes nothing."""
    times: dict[str, list[float]] = {"lab": [], "compose": []}
    with tempfile.TemporaryDirectory(prefix="bare-") as temporary:
        for number in range(runs + 1):
            before = lab_ids()
            taken = _time_lab_up()
            (lab,) = lab_ids() - before
            try:
                copy = Path(temporary) / f"stack-{number}"
                shutil.copytree(_project_folder(lab), copy, symlinks=True)
            finally:
                run(LAB, "down", lab)
            bare = _time_compose_up(copy)
            if number:
                times["lab"].append(taken)
                times["compose"].append(bare)
    return ratio_row("up", "lab up, healthy, containers", times["lab"], "docker compose up --wait", times["compose"],
                     limit=1.2)


def _time_lab_up() -> float:
    """Return milliseconds of a lab's start, without those between the lines "stack is up" and "broke"."""
    start = time.perf_counter()
    words = (LAB, "up", "healthy", "--stack", "containers", "--seed", "11")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as lab:
        assert lab.stdout is not None
        told = [(line.partition(" ")[2], time.perf_counter()) for line in lab.stdout]
    end = time.perf_counter()
    if lab.returncode:
        raise SystemExit("lab up failed: nothing to measure")
    up = next(at for line, at in told if line.startswith("stack up"))
    broken = next(at for line, at in told if line.startswith("as promised"))
    return (end - start - (broken - up)) * 1000


def _project_folder(lab: str) -> Path:
    """Return the project folder in the labels of its first container."""
    label = '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
    first = run("docker", "ps", "-q", "--filter", f"label=com.docker.compose.project={lab}").decode().split()[0]
    return Path(run("docker", "inspect", "-f", label, first).decode().strip())


def _time_compose_up(folder: Path) -> float:
    """Return milliseconds of a bare up; remove it again."""
    words = ("docker", "compose", "--project-name", f"bare-{folder.name}", "--project-directory", str(folder))
    start = time.perf_counter()
    try:
        subprocess.run([*words, "up", "-d", "--wait", "--pull", "never"], check=True, capture_output=True)
        return (time.perf_counter() - start) * 1000
    finally:
        subprocess.run([*words, "down", "-v", "-t", "1"], check=False, capture_output=True)
