"""What the tests of lab/cli.py and others are built of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LAB = Path(sys.executable).with_name("lab")


def lab(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LAB, *words], capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, **environment})
