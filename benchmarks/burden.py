"""`fixer diagnose` on a machine with a huge log, thousands of processes, sockets or locations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.alternate import Use
from benchmarks.machine import run, running_machine, times_inside, use_inside
from benchmarks.ratio import Row, memory_row, overhead_row, ratio_row

# key, name, allowed extra milliseconds, and the kind in burdens.py
BURDENS: tuple[tuple[str, str, float, str], ...] = (
    ("log", "an error log of 1 GiB", 20, "big_log"),
    ("processes", "2,000 processes", 100, "processes"),
    ("sockets", "5,000 sockets", 40, "sockets"),
)
MEMORY_LIMIT = 200.0        # megabytes, of any one look
LOCATIONS_MEMORY_LIMIT = 150.0
PIDS = "/opt/burden.pid"
SITE = "/etc/nginx/conf.d/many.conf"


def burden_rows(fixer: list[str], runs: int) -> Iterator[Row]:
    """Measure each burden: the time that it costs, and the memory of a look with it."""
    with running_machine("healthy") as container:
        run("docker", "cp", Path(__file__).with_name("burdens.py"), f"{container}:/opt/burdens.py")
        for key, name, limit, kind in BURDENS:
            base, used = without_and_with(container, fixer, runs, partial(with_burden, container, kind))
            what = f"fixer diagnose, {name}"
            yield overhead_row(key, what, [one.ms for one in used], "the same machine without", base,
                               limit=limit)
            yield memory_row(f"{key}-memory", f"memory of {what}", [one.mb for one in used], limit=MEMORY_LIMIT)


def location_rows(fixer: list[str], runs: int) -> Iterator[Row]:
    """Measure 1,000 locations against the machine without them, and 10,000 against `nginx -T` on them."""
    with running_machine("healthy") as container:
        base, used = without_and_with(container, fixer, runs, partial(with_locations, container, 1_000))
        yield overhead_row("locations-1000", "fixer diagnose, 1,000 locations", [one.ms for one in used],
                           "the same machine without", base, limit=60)
        with with_locations(container, 10_000):
            many = use_inside(container, {"nginx -T": ["nginx", "-T"], "fixer": fixer}, runs)
    times = {name: [one.ms for one in used] for name, used in many.items()}
    yield ratio_row("locations-10000", "fixer diagnose, 10,000 locations", times["fixer"], "nginx -T",
                    times["nginx -T"], limit=4)
    yield memory_row("locations-10000-memory", "memory of fixer diagnose, 10,000 locations",
                     [one.mb for one in many["fixer"]], limit=LOCATIONS_MEMORY_LIMIT)


def without_and_with(container: str, fixer: list[str], runs: int, burden: Callable[[], AbstractContextManager[None]],
                     ) -> tuple[list[float], list[Use]]:
    """Measure without, with, and again without a burden. Return of each run without the mean of both times, so that
    drift counts on both sides, and what the runs with it took."""
    before = times_inside(container, {"fixer": fixer}, runs)["fixer"]
    with burden():
        used = use_inside(container, {"fixer": fixer}, runs)["fixer"]
    after = times_inside(container, {"fixer": fixer}, runs)["fixer"]
    return [(one + other) / 2 for one, other in zip(before, after, strict=True)], used


@contextmanager
def with_burden(container: str, kind: str) -> Iterator[None]:
    """Run one burden of burdens.py on the machine; it ends after some minutes, or on request."""
    run("docker", "exec", container, "python3", "/opt/burdens.py", kind, PIDS)
    try:
        yield
    finally:
        run("docker", "exec", container, "python3", "/opt/burdens.py", "end", PIDS)


@contextmanager
def with_locations(container: str, count: int) -> Iterator[None]:
    """Serve a site with that many routes beside the machine's own."""
    run("docker", "exec", "-i", container, "sh", "-c", f"cat > {SITE}", stdin=many_locations(count))
    run("docker", "exec", container, "nginx", "-q", "-s", "reload")
    try:
        yield
    finally:
        run("docker", "exec", container, "rm", SITE)
        run("docker", "exec", container, "nginx", "-q", "-s", "reload")


def many_locations(count: int) -> bytes:
    """Return a site with that many routes to one backend, which nginx serves itself."""
    routes = "".join(
        f"    location /route/{n}/ {{\n        proxy_pass http://127.0.0.1:8399;\n    }}\n" for n in range(count)
    )
    backend = 'server {\n    listen 127.0.0.1:8399;\n    location / {\n        return 200 "here";\n    }\n}\n'
    return f"{backend}server {{\n    listen 127.0.0.1:8398;\n    server_name many.example;\n{routes}}}\n".encode()
