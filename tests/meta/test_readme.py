"""The README's table is what the scenarios say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_scenarios_is_current() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "script" / "make_tables.py"), "--check"], check=False)
    assert done.returncode == 0, "run script/make_tables.py"
