"""Measurement of every row of the speed table; prints the ratios, exits with 1 if one exceeds its limit.

`python -m benchmarks [WORD…]` measures only the named rows (GROUPS). `--record` appends a run of all rows to
history.jsonl. It needs an idle machine, Docker, and what script/build makes in dist/."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from benchmarks.alternate import time_alternately
from benchmarks.burden import burden_rows, location_rows
from benchmarks.history import record
from benchmarks.imports import import_row
from benchmarks.machine import ROOT, run, running_machine, times_inside
from benchmarks.mending import repair_row
from benchmarks.projects import container_rows, swallowed_row
from benchmarks.raising import up_row
from benchmarks.ratio import Row, ratio_row
from lab.errors import UsageError
from lab.random_hosts.ledger import current_commit

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
    """Print all rows, one line each, and record them if asked."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed command has its bytecode
    words = [word for word in sys.argv[1:] if word != "--record"]
    recorded = len(words) < len(sys.argv[1:])
    try:
        commit = _commit_to_record(words) if recorded else ""
        if unknown := [word for word in words if word not in GROUPS]:
            raise UsageError(f"no such rows: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    except UsageError as error:
        sys.stderr.write(f"{error.message}; {error.hint}\n" if error.hint else f"{error.message}\n")
        return 2
    rows = list(_printed(words or list(GROUPS)))
    if recorded:
        record(rows, commit)
        sys.stderr.write("recorded; script/make_tables.py and script/make_plots.py bring it into the documentation\n")
    return 0 if all(entry.holds for entry in rows) else 1


def _commit_to_record(words: list[str]) -> str:
    """Return the commit; raise UsageError for a part of the rows, changed files, or files of dist/ made before it."""
    if words:
        raise UsageError("--record takes no names of rows", "a line of the history holds all of them")
    commit = current_commit("--record")
    changed = run("git", "-C", ROOT, "log", "-1", "--format=%ct", "--", "fixer", "script")
    for name in ("fixer.pyz", "badgateway-*.whl"):
        made = list((ROOT / "dist").glob(name))
        if len(made) != 1 or made[0].stat().st_mtime < int(changed):
            raise UsageError(f"--record: dist/{name} is older than the last commit to fixer", "run script/build")
    return commit


def _printed(words: Iterable[str]) -> Iterator[Row]:
    for word in words:
        for entry in GROUPS[word]():
            sys.stdout.write(f"{entry}\n")
            sys.stdout.flush()
            yield entry


if __name__ == "__main__":
    sys.exit(main())
