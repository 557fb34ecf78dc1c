"""Measurement of every row of the speed table; prints the ratios, exits with 1 if one exceeds its limit.

`python -m benchmarks [WORD…]` measures only the named rows (GROUPS). It needs an idle machine, Docker, and
dist/fixer.pyz (script/build)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from benchmarks.alternate import time_alternately
from benchmarks.burden import burden_rows, location_rows
from benchmarks.imports import import_row
from benchmarks.machine import run, running_machine, times_inside
from benchmarks.mending import repair_row
from benchmarks.projects import container_rows, swallowed_row
from benchmarks.raising import up_row
from benchmarks.ratio import Row, ratio_row

RUNS = 20
FEW_RUNS = 7  # for commands that take seconds
FIND_PORT = "grep -RhoE '127.0.0.1:[0-9]{4,5}' /etc/nginx | head -n 1"
INSIDE = {
    "six steps": ["bash", "/opt/six_steps.sh"],
    "fixer": ["env", "PYTHONPATH=/opt/badgateway", "python3", "-m", "fixer", "diagnose"],
    "fixer.pyz": ["python3", "/opt/fixer.pyz", "diagnose"],
}


def help_row() -> Row:
    """Measure `fixer --help` against importing typer, in this environment."""
    python = sys.executable
    times = time_alternately(
        {"import typer": [python, "-c", "import typer"], "help": [str(Path(python).parent / "fixer"), "--help"]}, RUNS
    )
    return ratio_row("help", "fixer --help", times["help"], "python -c 'import typer'", times["import typer"],
                     limit=2.5)


def diagnose_rows(scenario: str) -> list[Row]:
    """Measure `fixer diagnose` as `local` inside a machine against the guide's six steps there."""
    with running_machine(scenario) as container:
        port = run("docker", "exec", container, "sh", "-c", FIND_PORT)
        env = ["env", f"PORT={port.decode().strip().rpartition(':')[2] or '8000'}"]
        commands = {**INSIDE, "six steps": [*env, *INSIDE["six steps"]]}
        times = times_inside(container, commands, RUNS)
    base = times["six steps"]
    return [
        ratio_row(f"{key}-{scenario}", f"{name} diagnose, {scenario} host", times[name], "the six steps", base,
                  limit=2)
        for key, name in (("diagnose", "fixer"), ("pyz", "fixer.pyz"))
    ]


def local_rows() -> Iterator[Row]:
    """Measure the machine healthy and broken."""
    for scenario in ("healthy", "wrong-port"):
        yield from diagnose_rows(scenario)


GROUPS: Mapping[str, Callable[[], Iterable[Row]]] = {
    "help": lambda: [help_row()],
    "local": local_rows,
    "imports": lambda: [import_row(INSIDE["fixer"], RUNS)],
    "locations": lambda: location_rows(INSIDE["fixer"], RUNS),
    "burden": lambda: burden_rows(INSIDE["fixer"], RUNS),
    "containers": lambda: container_rows(RUNS),
    "swallowed": lambda: [swallowed_row(INSIDE["fixer"], FEW_RUNS)],
    "repair": lambda: [repair_row(INSIDE["fixer"], FEW_RUNS)],
    "up": lambda: [up_row(FEW_RUNS)],
}


def main() -> int:
    """Print all rows, one line each."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed command has its bytecode
    wanted = sys.argv[1:] or list(GROUPS)
    if unknown := [word for word in wanted if word not in GROUPS]:
        sys.stderr.write(f"no such rows: {', '.join(unknown)}; there are {', '.join(GROUPS)}\n")
        return 2
    rows: list[Row] = []
    for word in wanted:
        for entry in GROUPS[word]():
            sys.stdout.write(f"{entry}\n")
            sys.stdout.flush()
            rows.append(entry)
    return 0 if all(entry.holds for entry in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
