"""Numbers in texts of others: what counts as one, and systemd's time spans."""

from __future__ import annotations

import pytest

from fixer.formats.numbers import is_number, timespan


@pytest.mark.parametrize(("text", "is_one"), [
    ("0", True), ("18446744073709551615", True), ("1" * 21, False), ("", False), ("-1", False), ("1.5", False), ("\u00b2", False),
    ("\u0663", False), ("1_000", False), (" 1", False),
])
def test_what_counts_as_a_number(text: str, is_one: bool) -> None:
    assert is_number(text) is is_one


@pytest.mark.parametrize(("text", "seconds"), [
    ("10s", 10.0), ("1min 30s", 90.0), ("500ms", 0.5), ("infinity", float("inf")), ("5000000", 5.0), ("", 0.0), ("1month", 2629800.0),
])
def test_time_spans(text: str, seconds: float) -> None:
    assert timespan(text) == seconds
