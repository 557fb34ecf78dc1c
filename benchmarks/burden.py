"""`fixer diagnose` on a machine with a huge log, thousands of processes and thousands of sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import run, running_machine, times_inside
from benchmarks.ratio import OverheadRow, overhead_row

# name, allowed extra milliseconds, and the kind in burdens.py
BURDENS: tuple[tuple[str, float, str], ...] = (
    ("an error log of 1 GiB", 20, "big_log"), ("2,000 processes", 150, "processes"), ("5,000 sockets", 50, "sockets"),
)
PIDS = "/opt/burden.pid"


def burden_rows(fixer: list[str], runs: int) -> Iterator[OverheadRow]:
    """Measure without, with, and again without the burden, so that drift counts on both sides."""
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
    """Run one burden of burdens.py on the machine; it ends after some minutes, or on request."""
    run("docker", "exec", container, "python3", "/opt/burdens.py", kind, PIDS)
    try:
        yield
    finally:
        run("docker", "exec", container, "python3", "/opt/burdens.py", "end", PIDS)
