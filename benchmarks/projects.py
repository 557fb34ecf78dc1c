"""`fixer diagnose` of containers from the engine's host, and of a machine whose backend drops packets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.alternate import time_alternately
from benchmarks.machine import running_lab, running_machine, times_inside
from benchmarks.ratio import Row, overhead_row, ratio_row

PROBE_LIMIT = 2000.0


def container_rows(runs: int) -> Iterator[Row]:
    """Measure compose:// and docker:// against one `docker exec` per node: the containers and the engine."""
    fixer = str(Path(sys.executable).parent / "fixer")
    with running_lab("wrong-port", "containers") as lab:
        times = time_alternately({
            "exec": ["docker", "exec", f"{lab}-front-1", "true"],
            "compose": [fixer, "diagnose", f"compose://{lab}"],
            "docker": [fixer, "diagnose", f"docker://{lab}-front-1"],
        }, runs)
    nodes = 3  # this nginx uses a port of the Docker host, and both observe the container behind it
    for kind in ("compose", "docker"):
        base = [taken * nodes for taken in times["exec"]]
        yield ratio_row(kind, f"fixer diagnose {kind}://", times[kind], f"{nodes} docker exec … true", base, limit=2)


def swallowed_row(fixer: list[str], runs: int) -> Row:
    """Measure a backend that drops packets: it costs the probe's limit once, however many routes lead there."""
    with running_machine("firewall-drop") as container:
        times = times_inside(container, {"fixer": fixer, "no probe": [*fixer, "--no-probe"]}, runs)
    return overhead_row("swallowed", "fixer diagnose, a dead endpoint that swallows packets", times["fixer"],
                        "--no-probe", times["no probe"], limit=PROBE_LIMIT + 100)
