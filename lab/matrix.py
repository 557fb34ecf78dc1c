"""What `lab matrix` does: every variant on every stack with every seed, one after the other, and a report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from lab.catalog import scenarios
from lab.errors import UsageError
from lab.places import state_root
from lab.scenario import STACKS, Stack
from lab.trial import Case, Result, try_case

INSIDE = ("wrong-port", "backend-down")     # what is also tried with the one-file build, unless told otherwise


def cases(only: Sequence[str] = (), stacks: Sequence[Stack] = STACKS, seeds: Sequence[int] = (1,), *,
          within: bool = False) -> tuple[Case, ...]:
    """The cases that a choice comes to. `only` are globs over SCENARIO or SCENARIO/VARIANT."""
    found = tuple(
        Case(scenario.name, variant.name, stack, seed, within)
        for scenario in scenarios().values()
        for variant in scenario.variants
        for stack in variant.stacks
        for seed in seeds
        if stack in stacks and (not within or stack == "host") and _chosen(f"{scenario.name}/{variant.name}", only)
    )
    if not found:
        raise UsageError(f"nothing matches {', '.join(only) or 'that choice'}", "`lab list` shows what there is")
    return found


def _chosen(name: str, only: Sequence[str]) -> bool:
    scenario = name.partition("/")[0]
    return not only or any(fnmatch(name, glob) or fnmatch(scenario, glob) for glob in only)


def seeds_of(words: str) -> tuple[int, ...]:
    """Seeds as a person writes them: `1-3,7`."""
    seeds: list[int] = []
    for word in words.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word.strip())
        if match is None:
            raise UsageError(f"{word!r} is no seed", "seeds are written 1-3,7")
        seeds += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(dict.fromkeys(seeds))


def run_matrix(chosen: Sequence[Case], write: Callable[[str], None], folder: Path | None = None) -> list[Result]:
    """Try all, one after the other; `write` gets the progress as it goes."""
    kept = folder or state_root() / "matrix"
    results = []
    for number, case in enumerate(chosen, 1):
        write(f"[{number}/{len(chosen)}] {case.name}:")
        result = try_case(case, kept / re.sub(r"[/ ]+", "-", case.name), write)
        results.append(result)
        write(f"  {'✔' if result.ok else '✘'} {result.seconds:.0f} s\n")
        for problem in result.problems:
            write(f"      {problem}\n")
        if not result.ok:
            write(f"      again: {case.again}   kept: {kept / re.sub(r'[/ ]+', '-', case.name)}\n")
    good = sum(result.ok for result in results)
    write(f"{good} of {len(results)} as expected, {sum(result.seconds for result in results):.0f} s\n")
    return results


def to_json(results: Sequence[Result]) -> str:
    """The report for programs."""
    return json.dumps({
        "passed": sum(result.ok for result in results),
        "failed": sum(not result.ok for result in results),
        "cases": [
            {
                "scenario": result.case.scenario, "variant": result.case.variant, "stack": result.case.stack,
                "seed": result.case.seed, "inside": result.case.within, "ok": result.ok,
                "seconds": round(result.seconds, 1), "again": result.case.again,
                "steps": [{"name": step.name, "seconds": round(step.seconds, 2), "problems": step.problems}
                          for step in result.steps],
            }
            for result in results
        ],
    }, indent=1)
