"""`lab bench --random N --seed S`: draw hosts, judge a solver on each, print figures, and keep every failure."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

from lab.errors import LabError, UnexpectedState, UsageError
from lab.paths import require_writable, state_root
from lab.random_hosts.coverage import coverage
from lab.random_hosts.draw_host import draw_host
from lab.random_hosts.figures import HostResult, figures_text
from lab.random_hosts.host_container import remove_own_containers
from lab.random_hosts.host_document import read_host
from lab.random_hosts.host_images import ensure_images, image_of
from lab.random_hosts.host_spec import HostSpec
from lab.random_hosts.judged_host import judged_host
from lab.random_hosts.ledger import (
    SeedRange,
    append_run,
    current_commit,
    ledger_line,
    ledger_path,
    refuse_used_seeds,
)
from lab.random_hosts.part_files import digest_of_parts
from lab.random_hosts.shrink_host import shrink_host
from lab.random_hosts.solvers import FIXER, RandomSolver, resolve_random_solver
from lab.stack.docker_command import require_docker


@dataclass(frozen=True, slots=True)
class RandomRequest:
    """The options of the command line."""

    count: int
    seed: int = 1
    solver: str = FIXER
    jobs: int = 1
    publish: bool = False
    keep: bool = False
    coverage: bool = False
    json: Path | None = None
    spec: Path | None = None    # a host.json instead of a seed
    shrink: bool = False
    parts: tuple[str, ...] = ()     # AXIS=NAME: only hosts with these


def random_request(
    count: int, seeds: str, solvers: Sequence[str], jobs: int, json_file: Path | None, *, publish: bool, keep: bool,
    coverage: bool, spec: Path | None, shrink: bool, parts: Sequence[str], others: Mapping[str, object],
) -> RandomRequest:
    """Return the request of the command line; raise UsageError for options that random hosts do not have."""
    if given := [name for name, value in others.items() if value]:
        raise UsageError(f"{given[0]} does not go with --random", "random hosts are drawn from their seed alone")
    if not seeds.isascii() or not seeds.isdigit():
        raise UsageError(f"--seed {seeds}: random hosts take one number", "the first seed: --random 20 --seed 1")
    if len(solvers) > 1:
        raise UsageError("--random judges one solver", "run it once for each solver, with the same --seed")
    if several := [name for name, given in (("--keep", keep), ("--spec", spec), ("--shrink", shrink)) if given]:
        if count > 1:
            raise UsageError(f"{several[0]} is for one host", f"take one seed: --random 1 --seed {seeds} {several[0]}")
        if publish:
            raise UsageError(f"{several[0]} does not go with --publish", "a published run is one of drawn hosts")
    if wrong := next((word for word in parts if not all(word.partition("="))), ""):
        raise UsageError(f"--parts {wrong} is not AXIS=NAME", "such as --parts kind=all-in-one")
    if parts and (publish or spec):
        raise UsageError(f"--parts does not go with {'--publish' if publish else '--spec'}",
                         "a published run is one of hosts that nobody arranged" if publish else "")
    if shrink and keep:
        raise UsageError("--shrink leaves no host up", "it prints the command that makes the reduced one")
    return RandomRequest(count, int(seeds), solvers[0] if solvers else FIXER, jobs, publish=publish, keep=keep,
                         coverage=coverage, json=json_file, spec=spec, shrink=shrink, parts=tuple(parts))


def run_random(request: RandomRequest) -> str:
    """Judge the solver on every host and return the figures; raise UnexpectedState if a host was not passed."""
    hosts = [read_host(request.spec)] if request.spec else _drawn_hosts(request)
    seeds = SeedRange(hosts[0].seed, len(hosts))
    if request.coverage:
        return coverage(hosts).text
    solver = resolve_random_solver(request.solver)
    require_writable(request.json)
    commit = ""
    if request.publish:
        refuse_used_seeds(ledger_path(), seeds)
        commit = current_commit("--publish")
    require_docker()
    ensure_images(lambda line: _write(line + "\n"), hosts)
    root = state_root() / "random"
    root.mkdir(parents=True, exist_ok=True)
    kept = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=root))
    if request.shrink:
        return _shrunk(hosts[0], solver, kept)
    results: list[HostResult] = []
    try:
        _judge_all(request, hosts, solver, kept, results)
    except KeyboardInterrupt:
        done = judged_in_a_row(results, seeds.first)
        if request.publish and done:     # a run that goes badly is not lost by ending it
            seeds = SeedRange(seeds.first, len(done))
            append_run(ledger_path(), ledger_line(solver.name, seeds, digest_of_parts(), commit, done))
            _write(f"the ledger holds the hosts that were judged: {seeds.text}\n")
        raise
    results.sort(key=lambda one: one.seed)
    line = ledger_line(solver.name, seeds, digest_of_parts(), commit, results)
    if request.json is not None:
        request.json.write_text(json.dumps(line, indent=1) + "\n", encoding="utf-8")
    if request.publish:
        append_run(ledger_path(), line)
    text = f"{figures_text(results)}\n{coverage(hosts).text.splitlines()[0]}"
    return text if solver.is_yardstick else _closing(results, text, kept, {host.seed: host.command for host in hosts})


def _judge_all(request: RandomRequest, hosts: Sequence[HostSpec], solver: RandomSolver, kept: Path,
               results: list[HostResult]) -> None:
    """Judge each host and add its result, told as soon as it is there."""
    with _pool(request.jobs) as pool:
        waiting = [pool.submit(judged_host, host, solver, image_of(host), kept / f"seed-{host.seed}", keep=request.keep)
                   for host in hosts]
        for done in as_completed(waiting):
            results.append(result := done.result())
            _write(f"[{len(results)}/{len(hosts)}] {result_line(result)}\n")
            # of a published run, people judge some hosts by hand, those that passed too
            if is_passed(result) and not (request.keep or request.publish):
                shutil.rmtree(kept / f"seed-{result.seed}")


def judged_in_a_row(results: Sequence[HostResult], first: int) -> list[HostResult]:
    """Return the results from the first seed up to the first one that is missing, by seed."""
    by_seed = {one.seed: one for one in results}
    return [by_seed[seed] for seed in takewhile(by_seed.__contains__, count(first))]


def _drawn_hosts(request: RandomRequest) -> list[HostSpec]:
    try:
        return [draw_host(seed, asked=request.parts) for seed in SeedRange(request.seed, request.count).seeds]
    except LabError as error:
        if not request.parts:
            raise
        raise UsageError(f"--parts: {error.message.removeprefix('random host: ')}", error.hint) from error


def _shrunk(host: HostSpec, solver: RandomSolver, kept: Path) -> str:
    def judge(spec: HostSpec, folder: Path) -> HostResult:
        ensure_images(lambda line: _write(line + "\n"), [spec])
        return judged_host(spec, solver, image_of(spec), folder)

    return shrink_host(host, judge, kept, lambda line: _write(line + "\n"))


def _closing(results: Sequence[HostResult], text: str, kept: Path, commands: Mapping[int, str]) -> str:
    """Return the figures; if a host was not passed, print them and raise UnexpectedState with its seed's command."""
    failed = [one for one in results if not is_passed(one)]
    if not failed:
        return text
    _write(text + "\n")
    again = f"make one again: {commands[failed[0].seed]} --keep, or reduce it: --shrink"
    raise UnexpectedState(f"{len(failed)} of {len(results)} hosts not passed; their outputs are in {kept}", again)


def is_passed(result: HostResult) -> bool:
    """Return whether the host was a fair question and the judge found no problem."""
    return result.judgement is not None and not result.judgement.problems


def result_line(result: HostResult) -> str:
    """Return one host in one line, with each problem below."""
    faults = ", ".join(result.faults) or "no fault"
    if result.judgement is None:
        return f"seed {result.seed} ({faults}): generator failure: {result.problem}"
    head = f"seed {result.seed} ({faults}): {'passed' if is_passed(result) else 'not passed'}, " \
        f"{result.judgement.outcome}"
    left = [f"left up: {result.target}"] if result.target else []
    return "\n    ".join([head, *result.judgement.problems, *left])


@contextmanager
def _pool(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool; after an interrupt, begin no further host, and end those that run."""
    pool = ThreadPoolExecutor(jobs)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        remove_own_containers()     # their threads end with the next command that they run
        raise
    pool.shutdown()


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
