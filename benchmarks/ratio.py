"""One measured row: the command, its baseline, the limit, and whether it holds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """Medians in milliseconds. A median of at most `floor` milliseconds always holds (0: none)."""

    what: str
    median: float
    baseline: str
    baseline_median: float
    limit: float
    floor: float = 0.0

    @property
    def ratio(self) -> float:
        """Return the multiple of the baseline."""
        return self.median / self.baseline_median

    @property
    def holds(self) -> bool:
        """Return whether the ratio is within the limit, or the time within the floor."""
        return self.ratio <= self.limit or self.median <= self.floor

    def __str__(self) -> str:
        mark = "ok  " if self.holds else "OVER"
        floor = f" (or {self.floor:.0f} ms)" if self.floor else ""
        return (
            f"{mark} {self.what}: {self.median:.0f} ms = {self.ratio:.2f} x {self.baseline} "
            f"({self.baseline_median:.0f} ms), limit {self.limit:g} x{floor}"
        )


def ratio_row(
    what: str, times: Sequence[float], baseline: str, base: Sequence[float], limit: float, *, floor: float = 0
) -> Row:
    """Return a row from two lists of milliseconds."""
    return Row(what, statistics.median(times), baseline, statistics.median(base), limit, floor)


@dataclass(frozen=True, slots=True)
class OverheadRow:
    """A row that may take up to `limit` milliseconds more than its baseline without a burden."""

    what: str
    median: float
    baseline: str
    baseline_median: float
    limit: float

    @property
    def holds(self) -> bool:
        """Return whether the extra time is within the limit."""
        return self.median - self.baseline_median <= self.limit

    def __str__(self) -> str:
        mark = "ok  " if self.holds else "OVER"
        return (f"{mark} {self.what}: {self.median:.0f} ms = {self.median - self.baseline_median:+.0f} ms to "
                f"{self.baseline} ({self.baseline_median:.0f} ms), limit +{self.limit:g} ms")


def overhead_row(what: str, times: Sequence[float], baseline: str, base: Sequence[float], limit: float) -> OverheadRow:
    """Return a row from two lists of milliseconds."""
    return OverheadRow(what, statistics.median(times), baseline, statistics.median(base), limit)
