"""Measures the rows of the speed table that exist so far and prints the ratios; exit 1 when one is over its limit."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.alternate import alternate
from benchmarks.machine import machine, run, times_inside
from benchmarks.ratio import Row, row

RUNS = 20
FIND_PORT = "grep -RhoE '127.0.0.1:[0-9]{4,5}' /etc/nginx | head -n 1"
INSIDE = {
    "six steps": ["bash", "/opt/six_steps.sh"],
    "fixer": ["env", "PYTHONPATH=/opt/badgateway", "python3", "-m", "fixer", "diagnose"],
    "fixer.pyz": ["python3", "/opt/fixer.pyz", "diagnose"],
}


def help_row() -> Row:
    """`fixer --help` against importing typer, in this environment."""
    python = sys.executable
    times = alternate(
        {"import typer": [python, "-c", "import typer"], "help": [str(Path(python).parent / "fixer"), "--help"]}, RUNS
    )
    return row("fixer --help", times["help"], "python -c 'import typer'", times["import typer"], 2.5)


def diagnose_rows(scenario: str) -> list[Row]:
    """`fixer diagnose` as `local` inside a machine against the guide's six steps in the same machine."""
    with machine(scenario) as container:
        port = run("docker", "exec", container, "sh", "-c", FIND_PORT)
        env = ["env", f"PORT={port.decode().strip().rpartition(':')[2] or '8000'}"]
        commands = {**INSIDE, "six steps": [*env, *INSIDE["six steps"]]}
        times = times_inside(container, commands, RUNS)
    base = times["six steps"]
    return [
        row(f"{name} diagnose, {scenario} host", times[name], "the six steps", base, 3, floor=150)
        for name in ("fixer", "fixer.pyz")
    ]


def main() -> int:
    """All rows, one line each."""
    rows = [help_row()]
    sys.stdout.write(f"{rows[0]}\n")
    for scenario in ("healthy", "wrong-port"):
        measured = diagnose_rows(scenario)
        sys.stdout.write("".join(f"{entry}\n" for entry in measured))
        rows += measured
    return 0 if all(entry.holds for entry in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
