"""Timing of commands in turn (A B C A B C …), standard library only: it also runs inside a lab's machine.

stdin: {"runs": N, "commands": {"name": [argv…]}}. stdout: {"name": [[milliseconds, CPU milliseconds, megabytes], …]}.
One warm-up run each. Or stdin: {"once": [argv…]}, and stdout: {"use": […], "code": N, "output": "…"}."""

import json
import os
import subprocess
import sys
import time
from typing import NamedTuple


class Use(NamedTuple):
    """What one run took: wall time, CPU time of itself and its children, and the most memory that one of them held (at
    least as much as this program, which Linux counts until the command has begun)."""

    ms: float
    cpu_ms: float
    mb: float


def use_once(argv: "list[str]") -> Use:
    """Return what one run takes."""
    return run_once(argv)[0]


def run_once(argv: "list[str]") -> "tuple[Use, int, bytes]":
    """Return what one run takes, its exit code and its output, read as by a pipe."""
    output = []
    start = time.perf_counter()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        assert child.stdout is not None
        while block := child.stdout.read(1 << 16):
            output.append(block)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    taken = (time.perf_counter() - start) * 1000
    use = Use(taken, (used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss * 1024 / 1e6)
    return use, child.returncode, b"".join(output)


def use_alternately(commands: "dict[str, list[str]]", runs: int) -> "dict[str, list[Use]]":
    """Measure every command `runs` times, in turn, so that drift of the machine affects all alike."""
    for argv in commands.values():
        use_once(argv)
    found: dict[str, list[Use]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, argv in commands.items():
            found[name].append(use_once(argv))
    return found


def time_alternately(commands: "dict[str, list[str]]", runs: int) -> "dict[str, list[float]]":
    """Return the wall times alone, in milliseconds."""
    return {name: [one.ms for one in used] for name, used in use_alternately(commands, runs).items()}


def main() -> None:
    """Read the job, print what the runs took."""
    job = json.load(sys.stdin)
    if "once" in job:
        use, code, output = run_once(job["once"])
        json.dump({"use": use, "code": code, "output": output.decode("utf-8", "replace")}, sys.stdout)
    else:
        json.dump(use_alternately(job["commands"], job["runs"]), sys.stdout)


if __name__ == "__main__":
    main()
