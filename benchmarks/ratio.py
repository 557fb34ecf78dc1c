"""One measured row: the command, its baseline, the spread, the limit, and whether it holds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TIMES, EXTRA, MEMORY = "x", "ms", "MB"      # units: a multiple of the baseline, milliseconds on top of it, megabytes
_SUFFIX: Mapping[str, str] = {TIMES: " x", EXTRA: " ms", MEMORY: " MB"}


@dataclass(frozen=True, slots=True)
class Row:
    """`key` stays the same from release to release, `what` is for readers. `value` is what the limit judges: it comes
    from the medians. `low` and `high` are the quartiles of the same value, run by run."""

    key: str
    what: str
    median: float
    baseline: str
    baseline_median: float
    value: float
    low: float
    high: float
    unit: str
    limit: float

    @property
    def holds(self) -> bool:
        """Return whether the value is within the limit."""
        return self.value <= self.limit

    def __str__(self) -> str:
        mark = "ok  " if self.holds else "OVER"
        limit = f"limit {self.limit:g}{_SUFFIX[self.unit]}"
        spread = f"quartiles {number(self.low, self.unit)} to {number(self.high, self.unit)}{_SUFFIX[self.unit]}"
        if self.unit == MEMORY:
            return f"{mark} {self.key}: {self.what}: {number(self.value, self.unit)} MB, {spread}, {limit}"
        against = f"{number(self.value, self.unit)}{_SUFFIX[self.unit]} {'to ' if self.unit == EXTRA else ''}"
        return (f"{mark} {self.key}: {self.what}: {self.median:.0f} ms = {against}{self.baseline} "
                f"({self.baseline_median:.0f} ms), {spread}, {limit}")


def number(value: float, unit: str) -> str:
    """Return a value as it is printed, without its unit: what comes on top has a sign."""
    return f"{value:+.0f}" if unit == EXTRA else f"{value:.2f}" if unit == TIMES else f"{value:.0f}"


def ratio_row(
    key: str, what: str, times: Sequence[float], baseline: str, base: Sequence[float], *, limit: float
) -> Row:
    """Return a row that may take up to `limit` times its baseline: run n of one list was beside run n of the other."""
    median, base_median = statistics.median(times), statistics.median(base)
    low, high = _quartiles([one / other for one, other in zip(times, base, strict=True)])
    return Row(key, what, median, baseline, base_median, median / base_median, low, high, TIMES, limit)


def overhead_row(
    key: str, what: str, times: Sequence[float], baseline: str, base: Sequence[float], *, limit: float
) -> Row:
    """Return a row that may take up to `limit` milliseconds more than its baseline without a burden."""
    median, base_median = statistics.median(times), statistics.median(base)
    low, high = _quartiles([one - other for one, other in zip(times, base, strict=True)])
    return Row(key, what, median, baseline, base_median, median - base_median, low, high, EXTRA, limit)


def memory_row(key: str, what: str, sizes: Sequence[float], *, limit: float) -> Row:
    """Return a row of the most memory that a command held at once, in megabytes; it has no baseline."""
    median = statistics.median(sizes)
    return Row(key, what, median, "", 0.0, median, *_quartiles(sizes), MEMORY, limit)


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the first and the third quartile; of a single value, itself."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
