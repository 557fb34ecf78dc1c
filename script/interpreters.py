"""The Python versions of this machine for which fixer.pyz and the wheel hold compiled code or patterns."""

from __future__ import annotations

import shutil
import subprocess
import sys


def find_interpreters() -> dict[str, str]:
    """Return the CPython versions (3.11 and newer) of this machine: `cp311` -> executable."""
    found: dict[str, str] = {}
    names = [sys.executable, *(f"python3.{minor}" for minor in range(11, 20)), "/usr/bin/python3"]
    for name in names:
        path = shutil.which(name)
        if path is None:
            continue
        code = "import sys; v = sys.version_info; print(f'cp{v[0]}{v[1]}' if v >= (3, 11) else '')"
        tag = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
        if tag:
            found.setdefault(tag, path)
    return found
