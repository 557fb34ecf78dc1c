"""What one look imports: how many modules, and the time to import them, as a multiple of Python's own start."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from benchmarks.machine import running_machine, times_inside
from benchmarks.ratio import Row, ratio_row

_LINE = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)
_IMPORT = """\
import importlib
for name in {names!r}:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
"""


def imported_modules(report: str) -> tuple[str, ...]:
    """Return the modules that `python -X importtime` reports, each once, in the order of their ends."""
    return tuple(dict.fromkeys(_LINE.findall(report)))


def import_row(look: Sequence[str], runs: int) -> Row:
    """Measure the import of all modules of a look at a broken machine, in one thread and without the look itself."""
    at = look.index("python3") + 1
    with running_machine("wrong-port") as container:
        argv = ["docker", "exec", container, *look[:at], "-X", "importtime", *look[at:]]
        names = imported_modules(subprocess.run(argv, capture_output=True, text=True, check=False).stderr)
        job = {"python3 -c pass": ["python3", "-c", "pass"],
               "imports": [*look[:at], "-c", _IMPORT.format(names=names)]}
        times = times_inside(container, job, runs)
    return ratio_row("imports", f"import of the {len(names)} modules of one look", times["imports"], "python3 -c pass",
                     times["python3 -c pass"], limit=8)
