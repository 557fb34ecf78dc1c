"""Numbers in untrusted text: `str.isdigit` accepts digits that `int` rejects (²) and thousands of digits."""

from __future__ import annotations

import re

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
    spans = re.findall(r"(?<!\d)(\d++(?:\.\d++)?)\s*([a-z]+)", text)
    return sum(float(n) * _SPAN_UNITS.get(unit, 0.0) for n, unit in spans)
