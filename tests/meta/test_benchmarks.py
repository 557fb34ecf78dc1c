"""The arithmetic of the benchmark rows: a slow command must fail its row."""

from __future__ import annotations

import sys

from benchmarks.alternate import alternate
from benchmarks.ratio import row


def test_a_row_over_its_limit_does_not_hold() -> None:
    assert not row("a", [400, 410, 390], "b", [100, 100, 100], 3).holds
    assert row("a", [290, 300, 310], "b", [100, 100, 100], 3).holds


def test_below_the_floor_nothing_is_asked() -> None:
    assert row("a", [140], "b", [10], 3, floor=150).holds
    assert not row("a", [160], "b", [10], 3, floor=150).holds


def test_commands_run_in_turn() -> None:
    times = alternate({"a": [sys.executable, "-c", "pass"], "b": [sys.executable, "-c", "pass"]}, 2)
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}
