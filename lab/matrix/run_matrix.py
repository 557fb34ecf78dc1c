"""`lab matrix`: select cases, run them, write the reports after every case, exit by the results."""

from __future__ import annotations

import hashlib
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.errors import UnexpectedState, UsageError
from lab.languages.translate import say
from lab.matrix.progress import Progress, duration_text, time_left
from lab.matrix.result_files import read_report, read_results, to_json, to_junit, write_atomically
from lab.matrix.result_table import to_markdown
from lab.matrix.runner import Runner
from lab.matrix.select_cases import (
    all_cases,
    draw_key,
    needs_to_run_alone,
    parse_seeds,
    select_cases,
    select_shard,
    to_github,
)
from lab.paths import data_root, require_writable, state_root
from lab.scenario.scenario_file import STACKS, Stack
from lab.stack import images
from lab.stack.docker_command import require_docker
from lab.stack.docker_engine import engine
from lab.trial.trial import Case, CaseResult


@dataclass(frozen=True, slots=True)
class MatrixRequest:
    """The options of the command line."""

    only: Sequence[str] = ()
    stack: Stack | None = None
    seeds: str | None = None
    inside: bool = False
    all: bool = False
    shard: str = ""
    jobs: int = 1
    json: Path | None = None
    junit: Path | None = None
    markdown: Path | None = None
    resume: Path | None = None
    noise: int | None = None
    draw_key: str = ""
    yes: bool = False

    def chosen(self) -> tuple[Case, ...]:
        """Return the selected cases."""
        stacks: Sequence[Stack] = (self.stack,) if self.stack else STACKS
        if self.all and (self.seeds is not None or self.inside):
            raise UsageError("--all sets the seeds and what runs inside", "leave out --seeds and --inside, or --all")
        found = all_cases(self.only, stacks, word=self.draw()) if self.all else select_cases(
            self.only, stacks, parse_seeds(self.seeds or "1"), within=self.inside)
        if self.noise is not None:
            found = tuple(replace(case, noise=self.noise) for case in found)
        return select_shard(found, self.shard) if self.shard else found

    def draw(self) -> str:
        """Return the key from which the part with three seeds is drawn; "" if none is.
        A resumed run uses its old key: a new commit would draw other cases, and never finish."""
        kept = self.draw_key or (read_report(self.resume)[1] if self.resume else "")
        return kept or (draw_key() if self.all else "")


def ask_before_all(wish: MatrixRequest, is_terminal: bool, ask: Callable[[str], bool]) -> None:
    """Ask a person before hours of work that no option asked for; raise UsageError if the answer is no."""
    if wish.yes or not is_terminal or wish.only or wish.stack or wish.shard or wish.all or wish.resume:
        return
    chosen = wish.chosen()
    hours = duration_text(time_left(chosen, wish.jobs, (), 1.0))
    if not ask(say("console/matrix-all", "{count} cases, about {time} on this machine: go on?",
                   count=len(chosen), time=hours)):
        raise UsageError("nothing was run", "select cases with --only, --stack or --shard, or say --yes")


def github_matrix_text(wish: MatrixRequest) -> str:
    """Return the matrix for GitHub Actions (`--github`); run nothing."""
    return to_github(wish.chosen())


def run_matrix(wish: MatrixRequest) -> None:
    """Run them with progress on stderr; raise UnexpectedState on failures, KeyboardInterrupt if interrupted."""
    wish = replace(wish, draw_key=wish.draw())
    chosen = wish.chosen()
    require_writable(wish.json, wish.junit, wish.markdown, wish.resume)
    require_docker()
    code = code_digest()
    known = read_results(wish.resume) if wish.resume else {}
    kept = {case: known[case] for case in chosen if case in known and known[case].ok}
    left = sorted((case for case in chosen if case not in kept), key=lambda case: not needs_to_run_alone(case))
    _print_selection(wish, chosen, kept, code)
    images.ensure(_print_progress)
    progress = _SavingProgress(wish, known, Progress(sys.stderr, left, wish.jobs, sys.stderr.isatty()))
    folder = state_root() / "matrix" / time.strftime("%Y%m%d-%H%M%S")
    runner = Runner(folder, wish.jobs, progress, code)
    _stop_on_signals(runner)
    start = time.monotonic()
    now = runner.run(left)
    # earlier failures that were not tried again keep their result
    results = [*kept.values(), *runner.results, *(known[case] for case in now if case in known)]
    untried = [case for case in now if case not in known]
    about = (*_origin_lines(results, code), f"Stacks at the same time: {wish.jobs}.")
    write_reports(wish, results, untried, {**known, **{result.case: result for result in runner.results}}, about)
    bad = sum(not result.ok for result in results)
    _print_progress(f"{len(results) - bad} of {len(chosen)} as expected, {duration_text(time.monotonic() - start)}"
         + (f", {len(untried)} not tried" if untried else "")
         + (f"; failures are in {folder}" if bad else ""))
    if runner.stop.is_set():
        raise KeyboardInterrupt
    if bad or untried:
        raise UnexpectedState(f"{bad + len(untried)} of {len(chosen)} not as expected")


@dataclass(slots=True)
class _SavingProgress:
    """Progress that also writes the file for `--resume`."""

    wish: MatrixRequest
    known: dict[Case, CaseResult]
    progress: Progress

    def began(self, case: Case) -> None:
        self.progress.began(case)

    def step(self, case: Case, name: str) -> None:
        self.progress.step(case, name)

    def ended(self, result: CaseResult) -> None:
        self.known[result.case] = result
        if self.wish.resume:
            write_atomically(self.wish.resume, to_json(list(self.known.values()), self.wish.draw()))
        self.progress.ended(result)

    def beat(self) -> None:
        self.progress.beat()


def write_reports(wish: MatrixRequest, results: Sequence[CaseResult], untried: Sequence[Case],
                  known: dict[Case, CaseResult],
                  about: Sequence[str] = ()) -> None:
    """Write every requested report."""
    if wish.json:
        write_atomically(wish.json, to_json(results, wish.draw()))
    if wish.junit:
        write_atomically(wish.junit, to_junit(results, untried))
    if wish.markdown:
        write_atomically(wish.markdown, to_markdown(results, untried, about))
    if wish.resume:
        write_atomically(wish.resume, to_json(list(known.values()), wish.draw()))


def _origin_lines(results: Sequence[CaseResult], code: str) -> tuple[str, ...]:
    """Return lines about the origin of the results."""
    other = sum(result.code_digest != code for result in results)
    version = engine().version()["Version"]
    return (
        f"Written by `lab matrix`; state of the project {code}"
        + (f", {other} of the results from an earlier state." if other else "."),
        f"Docker {version}, Linux {os.uname().release.partition('-')[0]}, Python {platform.python_version()}, "
        f"{os.cpu_count()} processors, load {os.getloadavg()[2]:.0f}.",
    )


def code_digest() -> str:
    """Return a digest of code and scenarios: results with different digests come from different states."""
    digest = hashlib.sha256()
    for name in ("fixer", "lab", "scenarios", "compose"):
        for path in sorted((data_root() / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.relative_to(data_root()).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _stop_on_signals(runner: Runner) -> None:
    """End the run in order on Ctrl-C or SIGTERM; ignore further signals."""
    def stop(number: int, frame: object) -> None:
        if not runner.stop.is_set():
            _print_progress("stopping: removing the running labs")
        runner.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _print_selection(wish: MatrixRequest, chosen: Sequence[Case], kept: dict[Case, CaseResult], code: str) -> None:
    drawn = f", those with three seeds drawn from {wish.draw()}" if wish.all else ""
    _print_progress(f"{len(chosen)} case{'s'[:len(chosen) != 1]}{drawn}")
    if kept:
        other = sum(result.code_digest != code for result in kept.values())
        _print_progress(f"{len(kept)} of them passed before and are skipped"
             + (f"; {other} of these passed with another state of the project" if other else ""))


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  progress of a command
