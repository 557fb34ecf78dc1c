"""Tests of fixer/repair_command.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BROKEN = f"bundle:{Path(__file__).parent / 'observe/data/machine.tgz'}"


def test_a_whole_plain_repair_does_without_the_parser() -> None:
    code = f"import sys; from fixer.start import main; main(['repair', '--dry-run', {BROKEN!r}]); print('typer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("FAIL Stopped: you must decide") and done.stdout.endswith("\nFalse\n")
