"""The recorded runs of the benchmarks: one JSON line a release in history.jsonl, and what the docs show of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.ratio import MEMORY, Row, number
from fixer import __version__
from lab.random_hosts.ledger import append_run, read_ledger

Line = Mapping[str, Any]
NOTHING_YET = "*no run is recorded yet*"


def history_path() -> Path:
    """Return the history of this checkout."""
    return ROOT / "benchmarks" / "history.jsonl"


def read_history() -> Sequence[Line]:
    """Return the recorded lines, oldest first."""
    return read_ledger(history_path())


def history_line(rows: Sequence[Row], commit: str) -> Line:
    """Return the line of one run of all rows."""
    return {
        "version": __version__, "commit": commit, "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": len(os.sched_getaffinity(0)),
        "rows": [{name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(row).items()}
                 for row in rows],
    }


def record(rows: Sequence[Row], commit: str) -> None:
    """Append the run, whether its rows hold or not."""
    append_run(history_path(), history_line(rows, commit))


def share_of_limit(row: Line) -> float:
    """Return how much of its limit a row uses: 1 is the limit. What is faster than its baseline uses nothing."""
    return max(0.0, float(row["value"])) / float(row["limit"])


def row_table(lines: Sequence[Line]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each row of the last line; of no line, that there is none."""
    if not lines:
        yield NOTHING_YET, *[""] * 7
    for row in lines[-1]["rows"] if lines else ():
        unit = row["unit"]
        value, low, high = (number(row[name], unit) for name in ("value", "low", "high"))
        what, against = row["what"].replace("|", "\\|"), f"{row['baseline']}: {row['baseline_median']:.0f} ms"
        yield (f"`{row['key']}`", what, f"{row['median']:.0f} {'MB' if unit == MEMORY else 'ms'}",
               "" if unit == MEMORY else against, f"{value} {unit}", f"{low} to {high}",
               f"{row['limit']:g} {unit}", "yes" if share_of_limit(row) <= 1 else "**no**")


def run_table(lines: Sequence[Line]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each recorded run: where it was measured, and which rows were over their limits."""
    if not lines:
        yield NOTHING_YET, *[""] * 5
    for line in lines:
        over = [f"`{row['key']}`" for row in line["rows"] if share_of_limit(row) > 1]
        yield (line["version"], line["commit"][:8], line["date"], str(line["cores"]), str(len(line["rows"])),
               ", ".join(over) or "none")
