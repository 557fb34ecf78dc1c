"""`lab up` against bare `docker compose up --wait` of the very same files; the scenario's own break, and the wait until
it shows, are not counted."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.machine import LAB, lab_ids, run
from benchmarks.ratio import Row, ratio_row


def up_row(runs: int) -> Row:
    """In turn, on the scenario whose break is a reload that changes nothing."""
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
    return ratio_row("lab up, healthy, containers", times["lab"], "docker compose up --wait", times["compose"], 1.3)


def _time_lab_up() -> float:
    """Milliseconds of a lab's start, without those between the line that the stack is up and the one that it broke."""
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
    """Where its first container's labels say that the project lies."""
    label = '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
    first = run("docker", "ps", "-q", "--filter", f"label=com.docker.compose.project={lab}").decode().split()[0]
    return Path(run("docker", "inspect", "-f", label, first).decode().strip())


def _time_compose_up(folder: Path) -> float:
    """Milliseconds of a bare up; taken down again."""
    words = ("docker", "compose", "--project-name", f"bare-{folder.name}", "--project-directory", str(folder))
    start = time.perf_counter()
    try:
        subprocess.run([*words, "up", "-d", "--wait", "--pull", "never"], check=True, capture_output=True)
        return (time.perf_counter() - start) * 1000
    finally:
        subprocess.run([*words, "down", "-v", "-t", "1"], check=False, capture_output=True)
