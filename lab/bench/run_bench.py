"""`lab bench`: run every solver on every case, one after the other, then print the table."""

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

from lab.bench.score import Score, score_solver
from lab.bench.score_table import score_line, score_table, to_json
from lab.bench.solver import BUILT_IN, resolve_solver
from lab.errors import UnexpectedState, UsageError
from lab.matrix.select_cases import parse_seeds, select_cases
from lab.paths import state_root
from lab.scenario.scenario_file import STACKS, Stack
from lab.stack import images
from lab.stack.docker_command import require_docker


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """The options of the command line."""

    solvers: Sequence[str]
    only: Sequence[str] = ()
    stack: Stack | None = None
    seeds: str = "1"
    inside: bool = False
    json: Path | None = None


def run_bench(bench: BenchRequest) -> str:
    """Score them all and return the table; raise UnexpectedState with it unless every solver solved every case."""
    if not bench.solvers:
        raise UsageError("--solver is missing", f"give a command, or one of {', '.join(BUILT_IN)}")
    solvers = [resolve_solver(word, within=bench.inside) for word in dict.fromkeys(bench.solvers)]
    chosen = select_cases(bench.only, (bench.stack,) if bench.stack else STACKS, parse_seeds(bench.seeds),
                          within=bench.inside)
    require_docker()
    images.ensure(_write_line)
    kept = state_root() / "bench" / time.strftime("%Y%m%d-%H%M%S")
    scores: list[Score] = []
    with _separate_state():
        for number, case in enumerate(chosen, 1):
            for place, solver in enumerate(solvers, 1):
                _write(f"[{number}/{len(chosen)}] {case.name}, {solver.name[:40]}:")
                word = re.sub(r"[^a-z0-9]+", "-", solver.name)[:30]
                folder = kept / re.sub(r"[/ ]+", "-", case.name) / f"{place}-{word}"
                scores.append(score_solver(solver, case, folder, _write))
                _write(f"  {score_line(scores[-1])}\n")
    if bench.json is not None:
        bench.json.write_text(to_json(scores) + "\n", encoding="utf-8")
    unsolved = sum(not score.solved for score in scores)
    if unsolved:
        _write(score_table(scores) + "\n")
        raise UnexpectedState(f"{unsolved} of {len(scores)} not solved", f"the output is in {kept}")
    return score_table(scores)


@contextmanager
def _separate_state() -> Iterator[None]:
    """Use a separate state folder for the labs of the bench, unknown to solvers."""
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


def _write_line(line: str) -> None:
    _write(line + "\n")
