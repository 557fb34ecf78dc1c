"""Numbers in texts of others: what counts as one, and systemd's time spans; shares of requests."""

from __future__ import annotations

import pytest

from fixer.formats.numbers import is_number, share_interval, share_text, timespan


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


@pytest.mark.parametrize(("count", "total", "low", "high"), [      # of Newcombe 1998, table I, and R's prop.test without correction
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718), (29, 29, 0.8830, 1.0),
])
def test_the_interval_of_a_share(count: int, total: int, low: float, high: float) -> None:
    assert share_interval(count, total) == pytest.approx((low, high), abs=0.0001)


@pytest.mark.parametrize(("count", "total", "text"), [
    (1, 1, "1 of 1 requests"), (0, 8, "0 of 8 requests"), (1, 4, "1 of 4 requests"), (3, 40, "3 of 40 requests, 8 %; 95 % interval: 3 to 20 %"),
])
def test_a_share_as_text(count: int, total: int, text: str) -> None:
    assert share_text(count, total) == text
