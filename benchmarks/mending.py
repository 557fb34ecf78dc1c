"""`fixer repair` until the page answers again, against the same change made by a script."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.machine import run, running_machine
from benchmarks.ratio import Row, ratio_row


def repair_row(fixer: list[str], runs: int) -> Row:
    """Measure both on the same machine: each fixes the wrong port in the same file and reloads nginx.
    Then visitors are well; what fixer does afterwards is only settling."""
    with running_machine("wrong-port") as container:
        run("docker", "cp", Path(__file__).with_name("mends.py"), f"{container}:/opt/mends.py")
        job = {"runs": runs, "fixer": [*fixer[:-1], "repair", "--yes"], "undo": [*fixer[:-1], "undo"]}
        times: dict[str, list[float]] = json.loads(
            run("docker", "exec", "-i", container, "python3", "/opt/mends.py", stdin=json.dumps(job).encode()))
    return ratio_row("repair", "fixer repair, wrong-port, until visitors are well", times["fixer"],
                     "six steps, edit, test, reload", times["by hand"], limit=1.5)
