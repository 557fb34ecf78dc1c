"""What a look costs a fleet: `python -m tests.integrations.fleet_timing [MACHINES]` on an idle machine with Docker.

Prints the median seconds of `ping` and of `diagnose` over real ssh at 20 forks, and their difference for each host. All
machines and the controller share the cores of one machine: a fleet's hosts compute beside each other."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.integrations.fleet_machines import Fleet, running_fleet, was_cut

RUNS = 5


def timed(fleet: Fleet, module: str) -> float:
    """Seconds of one task on all machines."""
    start = time.monotonic()
    fleet.run("ansible", "fleet:!" + ":!".join(fleet.kinds["unreachable"]), "-m", module, "-f", "20", code=None)
    return time.monotonic() - start


def main() -> int:
    machines = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder, running_fleet(
            Path(folder), machines - 4, {"wrong-port": 4}, 0) as fleet:
        first = timed(fleet, "badgateway.fixer.diagnose")
        rounds, cut = [], 0
        for _ in range(RUNS):
            rounds.append((timed(fleet, "ansible.builtin.ping"), timed(fleet, "badgateway.fixer.diagnose")))
            cut += sum(was_cut(report) or report["verdict"] == "unknown" for report in fleet.all_reports())
    ping, look = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{machines} machines, 20 forks, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    print(f"{cut} of {machines * RUNS} looks found no time for all their questions")
    print(f"first diagnose, which copies fixer.pyz: {first:.1f} s")
    print(f"ping {ping:.1f} s, diagnose {look:.1f} s (medians of {RUNS}): {(look - ping) / machines:.2f} s a host more")
    return 0


if __name__ == "__main__":
    sys.exit(main())
