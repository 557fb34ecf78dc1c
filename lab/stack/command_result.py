"""One command of fixer, or of another solver, run to its end. It knows no lab and no scenario."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class CommandResult:
    """One finished command: its arguments, exit code (-1: it did not end in time), output, and seconds."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> Mapping[str, Any]:
        """Return the one object on stdout; empty if there is none."""
        try:
            found = json.loads(self.out)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def output(self) -> str:
        """Return all its output."""
        return f"{self.out}\n{self.err}"


def run_to_end(
    argv: Sequence[str], environment: Mapping[str, str], seconds: float, folder: str | None = None,
) -> CommandResult:
    """Run a command without input in a folder, `seconds` at most; raise OSError if it cannot be started."""
    start = time.monotonic()
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=seconds, check=False,
                              stdin=subprocess.DEVNULL, env=dict(environment), cwd=folder)
    except subprocess.TimeoutExpired:
        return CommandResult(tuple(argv), -1, "", f"did not end within {seconds:.0f} s", seconds)
    return CommandResult(tuple(argv), done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def fixer_path() -> str:
    """Return the path of the command fixer, of this installation first."""
    beside = Path(sys.executable).with_name("fixer")
    found = str(beside) if beside.exists() else shutil.which("fixer")
    if found is None:
        raise LabError("the command fixer is not installed",
                       "install the wheel of both programs: pip install './badgateway-VERSION-py3-none-any.whl[lab]'")
    return found
