"""Timing of commands in turn (A B C A B C …), standard library only: it also runs inside a lab's machine.

stdin: {"runs": N, "commands": {"name": [argv…]}}. stdout: {"name": [milliseconds, …]}. One warm-up run each."""

import json
import subprocess
import sys
import time


def time_once(argv: "list[str]") -> float:
    """Return the wall time of one run in milliseconds; its output is read and discarded, as by a pipe."""
    start = time.perf_counter()
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return (time.perf_counter() - start) * 1000


def time_alternately(commands: "dict[str, list[str]]", runs: int) -> "dict[str, list[float]]":
    """Time every command `runs` times, in turn, so that drift of the machine affects all alike."""
    for argv in commands.values():
        time_once(argv)
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, argv in commands.items():
            times[name].append(time_once(argv))
    return times


def main() -> None:
    """Read the job, print the times."""
    job = json.load(sys.stdin)
    json.dump(time_alternately(job["commands"], job["runs"]), sys.stdout)


if __name__ == "__main__":
    main()
