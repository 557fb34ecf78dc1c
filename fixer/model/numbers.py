"""Numbers in texts of others: `str.isdigit` also says yes to digits that `int` refuses (²) and to thousands of them."""

from __future__ import annotations

MOST_DIGITS = 20      # 2^64, which is how systemd writes that there is no limit


def is_number(text: str) -> bool:
    """True for a natural number that `int` reads, of a size that anything counts."""
    return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
