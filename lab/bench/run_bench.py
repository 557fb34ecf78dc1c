"""What `lab bench` does: every solver on every case, one after the other, then the table."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.bench.score import Score, judge
from lab.bench.score_table import line_of, table, to_json
from lab.bench.solver import BUILT_IN, solver_of
from lab.errors import NotBroken, UsageError
from lab.matrix.select_cases import cases, seeds_of
from lab.paths import state_root
from lab.scenario.scenario_file import STACKS, Stack
from lab.stack import images
from lab.stack.docker_command import require_docker


@dataclass(frozen=True, slots=True)
class Bench:
    """What was asked for on the command line."""

    solvers: Sequence[str]
    only: Sequence[str] = ()
    stack: Stack | None = None
    seeds: str = "1"
    within: bool = False
    json: Path | None = None


def run(bench: Bench) -> str:
    """Judge them all; the table, or NotBroken with it where not every case was solved by every solver."""
    if not bench.solvers:
        raise UsageError("--solver is missing", f"a command, or one of {', '.join(BUILT_IN)}")
    solvers = [solver_of(word, within=bench.within) for word in dict.fromkeys(bench.solvers)]
    chosen = cases(bench.only, (bench.stack,) if bench.stack else STACKS, seeds_of(bench.seeds), within=bench.within)
    require_docker()
    images.ensure(_say)
    kept = state_root() / "bench" / time.strftime("%Y%m%d-%H%M%S")
    scores: list[Score] = []
    with _apart():
        for number, case in enumerate(chosen, 1):
            for place, solver in enumerate(solvers, 1):
                _write(f"[{number}/{len(chosen)}] {case.name}, {solver.name[:40]}:")
                word = re.sub(r"[^a-z0-9]+", "-", solver.name)[:30]
                folder = kept / re.sub(r"[/ ]+", "-", case.name) / f"{place}-{word}"
                scores.append(judge(solver, case, folder, _write))
                _write(f"  {line_of(scores[-1])}\n")
    if bench.json is not None:
        bench.json.write_text(to_json(scores) + "\n", encoding="utf-8")
    unsolved = sum(not score.solved for score in scores)
    if unsolved:
        _write(table(scores) + "\n")
        raise NotBroken(f"{unsolved} of {len(scores)} not solved", f"what was said is kept in {kept}")
    return table(scores)


@contextmanager
def _apart() -> Iterator[None]:
    """A state of its own for the labs of the bench, whose place nobody is told."""
    before = os.environ.get("BADGATEWAY_LAB_STATE")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ["BADGATEWAY_LAB_STATE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["BADGATEWAY_LAB_STATE"]
            else:
                os.environ["BADGATEWAY_LAB_STATE"] = before


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _say(line: str) -> None:
    _write(line + "\n")
