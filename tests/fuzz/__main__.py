"""python -m tests.fuzz --inputs 1000000 --seed 1 [--first N] [--seconds S] [--jobs N] [--keep FOLDER]

Ends with 1 where an input failed; --keep writes such inputs, to be added to tests/fuzz/corpus. --one N tries only that.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path

from tests.fuzz.fuzz_run import FuzzResult, input_of, run_inputs

MEMORY = 1 << 30       # no input may make a process need more than this


def run_share(words: tuple[int, int, int, int, float]) -> FuzzResult:
    """The share of one process."""
    first, step, inputs, seed, seconds = words
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    return run_inputs(iter(range(first, inputs, step)), seed, FuzzResult(), seconds)


def main() -> int:
    """Run, print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--one", type=int, default=-1)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    if given.one >= 0:
        target, data, random = input_of(given.seed, given.one)
        print(target.name, repr(data[:2000]))
        target.run(data, random)
        return 0
    began = time.monotonic()
    shares = [(given.first + n, given.jobs, given.first + given.inputs, given.seed, given.seconds) for n in range(given.jobs)]
    if given.jobs == 1:
        parts = [run_share(shares[0])]
    else:
        with multiprocessing.Pool(given.jobs) as pool:
            parts = pool.map(run_share, shares)
    tried = sum((part.tried for part in parts), start=FuzzResult().tried)
    found = {place: one for part in parts for place, one in part.found.items()}
    print(f"{tried.total()} inputs in {time.monotonic() - began:.0f} s, seed {given.seed}: {len(found)} places failed,"
          f" {sum(part.failures for part in parts)} inputs")
    for name, count in tried.most_common():
        print(f"  {name:14} {count}")
    for place, (_, number, _) in sorted(found.items()):
        print(f"  input {number}: {place}")
    for spent, name, number in sorted((part.slowest for part in parts), reverse=True)[:1]:
        print(f"slowest: {spent:.2f} s of the processor, {name}, input {number}")
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"most memory: {max(children, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // 1024} MB")
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        for name, number, data in found.values():
            (given.keep / f"{name}-{given.seed}-{number}").write_bytes(data)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
