"""Rounds that are kept on credit: their fault is gone, and the next fault of the same route or service keeps the page
broken. At the end of the run they have helped, or a person's step needs them, or they are rolled back, last first."""

from __future__ import annotations

from fixer.app.repair_session import RepairSession
from fixer.apply.repair_run import RepairRun
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Finding
from fixer.verify import Observation, faults_of, has_helped, route_keys


@dataclass(frozen=True, slots=True)
class CreditRound:
    """A round by its number in the run, what it was about, and the observation before it."""

    number: int
    finding: Finding
    before: Observation

    def has_helped(self, look: Observation) -> bool:
        """Return whether a route of the finding does better by now."""
        return has_helped(self.before, look, self.finding)

    def is_needed(self, course: RepairSession) -> bool:
        """Return whether a person's step remains for the same route or service: a value, a flag, a repair by hand."""
        keys = route_keys(self.before.snapshot, self.finding.routes)
        return any(
            found.repairs and not any(given_up.tried and given_up.is_same(course.current, found)
                                      for given_up in course.abandoned)
            for found in faults_of(course.current, keys, self.finding))


def settle_credit(run: RepairRun, course: RepairSession, kept: list[CreditRound]) -> tuple[str, ...]:
    """Settle the rounds that were kept on credit. Return notes about those that were rolled back, last first."""
    notes: list[str] = []
    for round_ in reversed(kept):
        if round_.has_helped(course.current):
            run.redeem(round_.number)
        elif not round_.is_needed(course):
            left = run.take_back(round_.number).conflicts_text()
            notes.append(f"rolled back too: the repair for {round_.finding.cause} did not bring the page back"
                         + (f"; {left}" if left else ""))
    return tuple(notes)
