"""Which line of a file an offset is on: asked of every word, it must not be counted from the top each time."""

from __future__ import annotations

from bisect import bisect_left
from functools import partial

from fixer.lazy.parse_cache import remembered


def line_of(data: bytes, at: int) -> int:
    """The number of the line, from 1."""
    return bisect_left(remembered(partial(_ends, data), "lines", data), at) + 1


def _ends(data: bytes) -> list[int]:
    ends, at = [], data.find(b"\n")
    while at >= 0:
        ends.append(at)
        at = data.find(b"\n", at + 1)
    return ends
