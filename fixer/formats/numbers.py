"""Numbers in untrusted text, since `str.isdigit` accepts digits that `int` rejects (²) and thousands of digits; and
a share of requests with its interval, for texts of ours."""

from __future__ import annotations

import math

from fixer.lazy.regex import regex

_SPAN = regex(r"(?<!\d)(\d++(?:\.\d++)?)\s*([a-z]+)")

_FEW = 5        # requests of which a share says nothing
_NORMAL_95 = 1.959964    # 97.5 % of a normal distribution lie below it
MOST_DIGITS = 20  # 2^64, systemd's value for no limit
_SPAN_UNITS = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "month": 2629800.0,
    "y": 31557600.0,
}


def is_number(text: str) -> bool:
    """Return whether the text is a natural number that `int` accepts, of limited length."""
    return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS


def timespan(text: str) -> float:
    """Return the seconds of a systemd time span (`1min 30s`, `500ms`, a bare number of microseconds, `infinity`)."""
    text = text.strip()
    if is_number(text):
        return int(text) / 1e6
    if text == "infinity":
        return float("inf")
    spans = _SPAN.findall(text)
    return sum(float(n) * _SPAN_UNITS.get(unit, 0.0) for n, unit in spans)


def times_text(count: int) -> str:
    """Return how often, as people say it."""
    return "once" if count == 1 else f"{count} times"


def share_interval(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, from 0 to 1, that `count` of `total` show (Wilson's score interval)."""
    share, square = count / total, _NORMAL_95 * _NORMAL_95
    middle = share + square / (2 * total)
    half = _NORMAL_95 * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    scale = 1 + square / total
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def share_text(count: int, total: int) -> str:
    """Return how many of so many requests; with the interval of the share if only some did, and that says something."""
    text = f"{count} of {total} requests"
    if total < _FEW or not 0 < count < total:
        return text
    low, high = share_interval(count, total)
    return f"{text}, {100 * count / total:.0f} %; 95 % interval: {100 * low:.0f} to {100 * high:.0f} %"
