"""What the tests of fixer/observe/script_bundle.py and others are built of."""

from __future__ import annotations

from pathlib import Path

AWK = Path(__file__).parents[2] / "fixer" / "hosts" / "redact.awk"
