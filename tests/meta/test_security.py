"""SECURITY.md names, for every promise, tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_is_there() -> None:
    there = {
        name for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^    ?def (test_\w+)|^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        for name in name if name
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 30 and named - there == set()


def test_every_promise_names_one() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "promise |" not in line and "---" not in line and line.count("|") == 3]
    assert len(rows) > 20
    assert [row for row in rows if "`test_" not in row] == []
