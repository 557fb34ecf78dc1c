"""Repairs that a run has abandoned: it tries neither them again nor the repairs that depend on them."""

from __future__ import annotations

from fixer.analysis.service_state import requirements_of
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Finding, Repair
from fixer.verify import Observation, route_keys


@dataclass(frozen=True, slots=True)
class AbandonedRepairs:
    """A finding whose repair was abandoned, the reason, and what depends on it."""

    finding: Finding
    summary: str
    why: str
    routes: frozenset[tuple[str, str, str, str]]
    dependents: frozenset[tuple[str, str]]  # (node, service) pairs that the finding explained
    hints: tuple[str, ...] = ()
    tried: bool = True  # False: never applied, an operator must act first
    repair_id: str = ""

    def note(self) -> str:
        """Return one line about the abandoned repair."""
        return f"abandoned: {self.summary} ({self.finding.cause}): {self.why}"

    def withheld_reason(self, look: Observation, finding: Finding, repair: Repair) -> str:
        """Return why this repair of `finding` is not applied now; empty if it is unrelated to the abandoned one."""
        if self.is_same(look, finding):
            which = "it was" if self.repair_id in ("", repair.id) else "another repair of the same finding was"
            return f"{which} tried in this run and abandoned: {self.why}"
        return f"it may depend on an abandoned repair: {self.summary}" if self._needed_by(look, finding) else ""

    def is_same(self, look: Observation, finding: Finding) -> bool:
        """Return whether `finding` is the same one. It compares route keys: route ids differ between observations."""
        mine = self.finding
        if (mine.cause, mine.node, mine.service) != (finding.cause, finding.node, finding.service):
            return False
        return self.routes == _finding_routes(look, finding) or bool(self.routes & _finding_routes(look, finding))

    def _needed_by(self, look: Observation, finding: Finding) -> bool:
        mine = self.finding
        if finding.service is not None and (finding.node, finding.service) in self.dependents:
            return True
        if mine.service is not None and finding.service is not None:
            if (mine.node, mine.service) == (finding.node, finding.service):
                return True
            return self._is_required(look, finding)  # two members of one upstream do not depend on each other
        if not self.routes or not finding.routes:
            return mine.node == finding.node
        return bool(self.routes & _finding_routes(look, finding))

    def _is_required(self, look: Observation, finding: Finding) -> bool:
        if self.finding.node != finding.node:
            return False
        wanted, known = [finding.service], set[str]()
        while wanted:
            name = wanted.pop()
            service = next((s for s in look.snapshot.services if (s.node, s.name) == (finding.node, name)), None)
            more = set(requirements_of(look.snapshot, service)) - known if service is not None else set[str]()
            known |= more
            wanted += more
        return self.finding.service in known


def abandon_repair(
    look: Observation, finding: Finding, summary: str, why: str, hint: str = "", *, tried: bool = True,
) -> AbandonedRepairs:
    """Abandon the repair of `finding`, and of the consequences that the finding explains in that observation."""
    routes = _finding_routes(look, finding)
    explained = frozenset(
        (other.node, other.service) for other in look.diagnosis.findings
        if other.role == "consequence" and other.service is not None
        and (routes & _finding_routes(look, other) if routes else other.node == finding.node)
    )
    mine = next((repair.id for repair in finding.repairs if repair.summary == summary), "")
    return AbandonedRepairs(finding, summary, why, routes, explained, (hint,) if hint else (), tried, mine)


def _finding_routes(look: Observation, finding: Finding) -> frozenset[tuple[str, str, str, str]]:
    return route_keys(look.snapshot, finding.routes)
