"""The oracle's answer: well or broken, and exactly what still fails."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One question that was asked: what a visitor would do, whether it worked, and what came instead."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """How requests under load fared: of `asked`, `failed` did; the 95th percentile and the fastest, in seconds."""

    asked: int
    failed: int
    p95: float
    fastest: float

    @property
    def share(self) -> float:
        """The part that failed, 0 to 1."""
        return self.failed / self.asked if self.asked else 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Well where every check is."""

    checks: tuple[Check, ...]
    load: Measured | None = None

    @property
    def well(self) -> bool:
        """Nothing fails, and something was asked."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failing(self) -> tuple[str, ...]:
        """What still fails, one line each."""
        return tuple(f"{check.name}: {check.detail}" for check in self.checks if not check.ok)

    def to_json(self) -> dict[str, object]:
        """For `lab check --json` and the matrix."""
        load = self.load
        return {
            "well": self.well,
            "failing": list(self.failing),
            "checks": [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in self.checks],
            "load": None if load is None else {
                "asked": load.asked, "failed": load.failed, "share": round(load.share, 3),
                "p95": round(load.p95, 3), "fastest": round(load.fastest, 3),
            },
        }
