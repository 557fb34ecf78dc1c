"""`lab up` against bare `docker compose up --wait` of the very same files."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.machine import LAB, lab_ids, run
from benchmarks.ratio import Row, row


def up_row(runs: int) -> Row:
    """In turn; nothing is broken in this one, so both end when the stack is well."""
    times: dict[str, list[float]] = {"lab": [], "compose": []}
    with tempfile.TemporaryDirectory(prefix="bare-") as temporary:
        for number in range(runs + 1):
            before = lab_ids()
            start = time.perf_counter()
            run(LAB, "up", "healthy", "--stack", "containers", "--seed", "11")
            taken = (time.perf_counter() - start) * 1000
            (lab,) = lab_ids() - before
            try:
                copy = Path(temporary) / f"stack-{number}"
                shutil.copytree(_folder(lab), copy, symlinks=True)
            finally:
                run(LAB, "down", lab)
            bare = _compose(copy)
            if number:
                times["lab"].append(taken)
                times["compose"].append(bare)
    return row("lab up, healthy, containers", times["lab"], "docker compose up --wait", times["compose"], 1.3)


def _folder(lab: str) -> Path:
    """Where its first container's labels say that the project lies."""
    label = '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
    first = run("docker", "ps", "-q", "--filter", f"label=com.docker.compose.project={lab}").decode().split()[0]
    return Path(run("docker", "inspect", "-f", label, first).decode().strip())


def _compose(folder: Path) -> float:
    """Milliseconds of a bare up; taken down again."""
    words = ("docker", "compose", "--project-name", f"bare-{folder.name}", "--project-directory", str(folder))
    start = time.perf_counter()
    try:
        subprocess.run([*words, "up", "-d", "--wait", "--pull", "never"], check=True, capture_output=True)
        return (time.perf_counter() - start) * 1000
    finally:
        subprocess.run([*words, "down", "-v", "-t", "1"], check=False, capture_output=True)
