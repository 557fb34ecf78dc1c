"""`fixer diagnose` on a machine with a huge log, thousands of processes and thousands of sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import run, running_machine, times_inside
from benchmarks.ratio import OverheadRow, overhead_row

# name, how much more it may take, and what brings it about inside the machine and says so on stdout when it is there
BURDENS: tuple[tuple[str, float, str], ...] = (
    ("an error log of 1 GiB", 20, "big_log"), ("2,000 processes", 150, "processes"), ("5,000 sockets", 50, "sockets"),
)
PIDS = "/opt/burden.pid"


def burden_rows(fixer: list[str], runs: int) -> Iterator[OverheadRow]:
    """Without, with, and without again: what drifts meanwhile counts on both sides."""
    with running_machine("healthy") as container:
        run("docker", "cp", Path(__file__).with_name("burdens.py"), f"{container}:/opt/burdens.py")
        for name, limit, kind in BURDENS:
            base = times_inside(container, {"fixer": fixer}, runs)["fixer"]
            with with_burden(container, kind):
                times = times_inside(container, {"fixer": fixer}, runs)["fixer"]
            base += times_inside(container, {"fixer": fixer}, runs)["fixer"]
            yield overhead_row(f"fixer diagnose, {name}", times, "the same machine without", base, limit)


@contextmanager
def with_burden(container: str, kind: str) -> Iterator[None]:
    """The machine with one of burdens.py, which ends by itself after some minutes, or when it is told to."""
    run("docker", "exec", container, "python3", "/opt/burdens.py", kind, PIDS)
    try:
        yield
    finally:
        run("docker", "exec", container, "python3", "/opt/burdens.py", "end", PIDS)
