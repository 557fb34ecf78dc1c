"""`lab bench`: run every solver on every case, write the reports, then print the table."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bench.attempt import Attempt, Attempts
from lab.bench.score import Score
from lab.bench.score_files import to_json, to_junit, to_markdown
from lab.bench.score_table import score_line, score_table
from lab.bench.solver import BUILT_IN, Solver, resolve_solver
from lab.errors import UnexpectedState, UsageError
from lab.matrix.result_files import write_atomically
from lab.matrix.select_cases import parse_seeds, select_cases
from lab.paths import require_writable, state_root
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
    jobs: int = 1
    json: Path | None = None
    junit: Path | None = None
    markdown: Path | None = None


def run_bench(bench: BenchRequest) -> str:
    """Score them all and return the table; raise UnexpectedState if a solver that is no yardstick missed a case."""
    solvers = resolve_solvers(bench.solvers, within=bench.inside)
    chosen = select_cases(bench.only, (bench.stack,) if bench.stack else STACKS, parse_seeds(bench.seeds),
                          within=bench.inside)
    require_writable(bench.json, bench.junit, bench.markdown)
    require_docker()
    images.ensure(lambda line: _write(line + "\n"))
    kept = state_root() / "bench" / time.strftime("%Y%m%d-%H%M%S")
    attempts = [
        Attempt(solver, case, kept / re.sub(r"[/ ]+", "-", case.name) / f"{place}-{_file_name(solver.name)}")
        for case in chosen for place, solver in enumerate(solvers, 1)
    ]
    display = _Display(len(attempts))
    with tempfile.TemporaryDirectory(prefix="bench-") as state:
        scores = Attempts(Path(state), bench.jobs, display.began if bench.jobs == 1 else display.count,
                          display.ended).run(attempts)
    write_reports(bench, scores)
    judged = [score for score in scores if not score.yardstick]
    unsolved = sum(not score.solved for score in judged)
    if unsolved:
        _write(score_table(scores) + "\n")
        raise UnexpectedState(f"{unsolved} of {len(judged)} not solved", f"the output is in {kept}")
    return score_table(scores)


def resolve_solvers(words: Sequence[str], *, within: bool) -> list[Solver]:
    """Return the solvers of the command line; raise UsageError unless each has its own name."""
    if not words:
        raise UsageError("--solver is missing", f"give NAME=COMMAND, a command, or one of {', '.join(BUILT_IN)}")
    solvers = [resolve_solver(word, within=within) for word in dict.fromkeys(words)]
    names = [solver.name for solver in solvers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--solver: two solvers are called {twice}", "give each its own NAME=COMMAND")
    return solvers


def write_reports(bench: BenchRequest, scores: Sequence[Score]) -> None:
    """Write every requested report."""
    for path, text_of in ((bench.json, to_json), (bench.junit, to_junit), (bench.markdown, to_markdown)):
        if path is not None:
            write_atomically(path, text_of(scores))


@dataclass(slots=True)
class _Display:
    """One line for each attempt; if they run one after the other, its start shows at once."""

    total: int
    done: int = 0
    open: bool = False

    def began(self, attempt: Attempt) -> None:
        self.open = True
        _write(f"[{self.done + 1}/{self.total}] {attempt.case.name}, {attempt.solver.name[:40]}:")

    def count(self, attempt: Attempt) -> None:
        """Show nothing: several run at the same time."""

    def ended(self, score: Score) -> None:
        self.done += 1
        head = "" if self.open else f"[{self.done}/{self.total}] {score.case.name}, {score.solver[:40]}:"
        _write(f"{head} {score_line(score)}\n")


def _file_name(solver: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", solver.lower())[:30]


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
