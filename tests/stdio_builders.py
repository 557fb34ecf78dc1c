"""What the tests of fixer/stdio.py and of the lab's output are built of."""

from __future__ import annotations

import os
import subprocess
import sys

FULL = "/dev/full"


def with_output(words: str, output: str) -> tuple[int, str]:
    """Exit code, and what stderr said where it is kept."""
    told = subprocess.PIPE
    command = [sys.executable, "-m", *words.split()]
    if output in ("reader left", "reader of both left"):
        there, here = os.pipe()
        os.close(there)
        done = subprocess.run(command, stdout=here, stderr=here if "both" in output else told, text=True, check=False)
        os.close(here)
    else:
        done = subprocess.run(["sh", "-c", f'exec "$@" {output}', "sh", *command], stderr=told, text=True, check=False)
    return done.returncode, done.stderr or ""
