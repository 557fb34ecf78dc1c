"""Selection of cases for a matrix: all that match, a shard of them, or a random draw that fits a time."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version

from lab.errors import UsageError
from lab.paths import data_root
from lab.scenario.catalog import all_scenarios, scenario_named
from lab.scenario.draw import noise_level
from lab.scenario.scenario_file import STACKS, Stack
from lab.trial.trial import Case

# also tried with the one-file build, unless configured otherwise
INSIDE_SCENARIOS = ("wrong-port", "backend-down")
THREE_SEED_CASES = 30  # number of cases with three seeds


def select_cases(only: Sequence[str] = (), stacks: Sequence[Stack] = STACKS, seeds: Sequence[int] = (1,), *,
          within: bool = False) -> tuple[Case, ...]:
    """Return the selected cases. `only` are globs over SCENARIO or SCENARIO/VARIANT."""
    found = tuple(
        case_of(scenario.name, variant.name, stack, seed, within=within)
        for scenario in all_scenarios().values()
        for variant in scenario.variants
        for stack in variant.stacks
        for seed in seeds
        if stack in stacks and (not within or stack == "host") and _is_selected(f"{scenario.name}/{variant.name}", only)
    )
    if not found:
        raise UsageError(f"no case matches {', '.join(only) or 'the options'}", "`lab list` shows the scenarios")
    return found


def case_of(name: str, variant: str, stack: Stack, seed: int, *, within: bool = False) -> Case:
    """Return a case with the noise level that its seed draws."""
    return Case(name, variant, stack, seed, within, noise_level(name, variant, stack, seed))


def all_cases(only: Sequence[str] = (), stacks: Sequence[Stack] = STACKS, *, word: str = "") -> tuple[Case, ...]:
    """Return every variant on every stack once, a drawn part with three seeds, and some inside the machine."""
    once = select_cases(only, stacks)
    thrice = shuffle_cases(once, word)[:THREE_SEED_CASES]
    more = [case_of(case.scenario, case.variant, case.stack, seed)
            for case in once if case in thrice for seed in (2, 3)]
    within = [case_of(case.scenario, case.variant, case.stack, 1, within=True) for case in once
              if case.scenario in INSIDE_SCENARIOS and case.stack == "host"]
    return (*once, *more, *within)


def _is_selected(name: str, only: Sequence[str]) -> bool:
    scenario = name.partition("/")[0]
    return not only or any(fnmatch(name, glob) or fnmatch(scenario, glob) for glob in only)


def parse_seeds(words: str) -> tuple[int, ...]:
    """Parse seeds as people write them: `1-3,7`."""
    seeds: list[int] = []
    for word in words.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word.strip())
        if match is None:
            raise UsageError(f"{word!r} is not a seed", "write seeds as 1-3,7")
        seeds += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(dict.fromkeys(seeds))


def select_shard(chosen: Sequence[Case], words: str) -> tuple[Case, ...]:
    """Return part I of N (`2/4`): the parts are disjoint, complete, and about equally long."""
    match = re.fullmatch(r"(\d+)/(\d+)", words.strip())
    part, parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= part <= parts:
        raise UsageError(f"{words!r} is not a shard", "write shards as 1/4 to 4/4")
    if parts > len(chosen):
        raise UsageError(f"{parts} shards are too many for {len(chosen)} cases: some would be empty")
    ranked = sorted(chosen, key=lambda case: -estimate_seconds(case))  # stable: the same on every machine
    mine = set(ranked[part - 1 :: parts])
    return tuple(case for case in chosen if case in mine)


def needs_to_run_alone(case: Case) -> bool:
    """Return whether it measures under load, or changes the Docker host's rules, so that nothing may run in parallel:
    fixer repairs no chain that has changed since it was looked at."""
    variant = scenario_named(case.scenario).variant(case.variant)
    return variant.load is not None or any("engine_rule" in step for step in variant.steps_on(case.stack))


def estimate_seconds(case: Case) -> float:
    """Return an estimate of its seconds on two idle cores, from measured durations of a trial's parts."""
    variant = scenario_named(case.scenario).variant(case.variant)
    if variant.load is not None:
        return 110.0
    up = 6.0
    if variant.expect.repair.risk == "none":
        return up + 3.0
    waits = 3.0 * sum("gone" in step or "until" in step for step in variant.steps_on(case.stack))
    trial = 14.0 if case.stack == "host" else 24.0
    return up + waits + (trial / 3 if variant.expect.repair.exit == 4 else trial)


def shuffle_cases(pool: Iterable[Case], word: str) -> tuple[Case, ...]:
    """Return the cases in an order drawn from `word`, the same on every machine."""
    return tuple(sorted(pool, key=lambda case: hashlib.sha256(f"{word}/{case.name}".encode()).digest()))


def draw_cases(pool: Iterable[Case], word: str, seconds: float, jobs: int,
          cost_of: Callable[[Case], float] = estimate_seconds, *, load_jobs: int = 1) -> tuple[Case, ...]:
    """Return as many cases as fit the time: first each variant on one of its stacks, then on the other."""
    order = shuffle_cases(pool, word)
    first = {(case.scenario, case.variant): case for case in reversed(order)}
    rounds = [*(case for case in order if first[case.scenario, case.variant] == case),
              *(case for case in order if first[case.scenario, case.variant] != case)]
    left, kept = seconds, list[Case]()
    for case in rounds:
        cost = cost_of(case) / (load_jobs if needs_to_run_alone(case) else jobs)
        if cost <= left:
            kept.append(case)
            left -= cost
    return tuple(kept)


def draw_key() -> str:
    """Return the key of a reproducible draw: the commit, else the version."""
    argv = ["git", "-C", str(data_root()), "rev-parse", "--short=12", "HEAD"]
    try:
        asked = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10.0)
        if asked.returncode == 0 and asked.stdout.strip():
            return asked.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        pass
    try:
        return version("badgateway")
    except PackageNotFoundError:
        return "unknown"


def to_github(chosen: Sequence[Case]) -> str:
    """Return a matrix for GitHub Actions on one line: one job per scenario, with a time limit for its cases."""
    seconds: dict[str, float] = {}
    for case in chosen:
        seconds[case.scenario] = seconds.get(case.scenario, 0.0) + estimate_seconds(case)
    return json.dumps({"include": [
        {"scenario": name, "cases": sum(case.scenario == name for case in chosen), "minutes": 15 + round(total / 20)}
        for name, total in seconds.items()
    ]})
