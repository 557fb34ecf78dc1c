"""Figures of a run: shares with Wilson's 95 % intervals, and what each confidence was worth."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.random_hosts.judge import Claim, Judgement

Z = 1.959964    # of a two-sided interval of 95 %
CONFIDENCES = ("certain", "likely", "possible")


@dataclass(frozen=True, slots=True)
class Share:
    """A count of successes among trials."""

    good: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Return Wilson's interval; without trials nothing is known."""
        if not self.of:
            return 0.0, 1.0
        share, square = self.good / self.of, Z * Z
        middle = (share + square / (2 * self.of)) / (1 + square / self.of)
        half = Z / (1 + square / self.of) * math.sqrt(share * (1 - share) / self.of + square / (4 * self.of * self.of))
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def text(self) -> str:
        """Return the share for people: `17/20, 85 % (64-95)`."""
        if not self.of:
            return "0/0"
        low, high = self.interval
        return f"{self.good}/{self.of}, {100 * self.good / self.of:.0f} % ({100 * low:.0f}-{100 * high:.0f})"

    def to_json(self) -> Mapping[str, Any]:
        """Return the share for the ledger."""
        return {"good": self.good, "of": self.of, "interval": [round(bound, 4) for bound in self.interval]}


@dataclass(frozen=True, slots=True)
class HostResult:
    """One host of a run: its judgement, or why the generator failed."""

    seed: int
    faults: tuple[str, ...]
    judgement: Judgement | None
    problem: str = ""       # of the generator
    look_seconds: tuple[float, ...] = ()
    repair_seconds: float = 0.0
    target: str = ""        # of a host that is left up


def share_of(answers: Iterable[bool | None]) -> Share:
    """Return the share of True among the answers that apply."""
    asked = [answer for answer in answers if answer is not None]
    return Share(sum(asked), len(asked))


def shares(results: Sequence[HostResult]) -> Mapping[str, Share]:
    """Return every share of a run; of the last five the good count is how often it happened."""
    judged = [one.judgement for one in results if one.judgement is not None]
    faulty = [one.judgement for one in results if one.judgement is not None and one.faults]
    return {
        "cause_right": share_of(one.right for one in judged),
        "outcome_right": share_of(one.outcome_right for one in faulty),
        "lasting": share_of(one.lasting for one in judged),
        "undo_exact": share_of(one.undo_exact for one in judged),
        "agreeing": share_of(one.agreeing for one in judged),
        "steady": share_of(one.steady for one in judged),
        "harm": share_of(bool(one.harm) for one in judged),
        "falsely_healthy": share_of(one.falsely_healthy for one in faulty),
        "falsely_ruled_out": share_of(one.falsely_ruled_out for one in judged),
        "false_alarms": share_of(one.false_alarm for one in judged),
        "generator_failures": share_of(one.judgement is None for one in results),
    }


def calibration(results: Sequence[HostResult]) -> Mapping[str, Share]:
    """Return how many claims of each confidence were right, on hosts with and without faults. Several right findings of
    one fault are one claim; each wrong finding is one."""
    claims = [claim for one in results if one.judgement is not None for claim in _counted(one.judgement.claims)]
    return {name: share_of(claim.right for claim in claims if claim.confidence == name) for name in CONFIDENCES}


def _counted(claims: Sequence[Claim]) -> Iterator[Claim]:
    """Yield the claims that count on one host: for each confidence no more right ones than there are faults that they
    can be about."""
    seen: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for claim in claims:
        about = claim.confidence, claim.faults
        if not claim.right or seen[about] < len(claim.faults):
            seen[about] += claim.right
            yield claim


def seconds(results: Sequence[HostResult]) -> Mapping[str, float]:
    """Return the medians of a look and of a repair."""
    looks = [value for one in results for value in one.look_seconds]
    repairs = [one.repair_seconds for one in results if one.repair_seconds]
    return {"look": round(statistics.median(looks), 2) if looks else 0.0,
            "repair": round(statistics.median(repairs), 2) if repairs else 0.0}


def figures_text(results: Sequence[HostResult]) -> str:
    """Return the figures as a table for people."""
    rows = [(name.replace("_", " "), share.text) for name, share in shares(results).items()]
    rows += [(f"right if {name}", share.text) for name, share in calibration(results).items()]
    rows += [(f"seconds of a {name}", f"{value:g} (median)") for name, value in seconds(results).items()]
    return "\n".join(f"{name:<24}{text}" for name, text in rows)
