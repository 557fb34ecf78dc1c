"""What will prove a repair: nginx's answers before and after it, or its mechanism, if too few requests fail to count.

One rule for every cause. A route that fails constantly shows by its answers that a repair helped, and so do enough
failures of a sample. With fewer failures, or none (only uploads or load fail), answers after the repair prove nothing.
Then the proof is the mechanism: the condition that the finding quotes is gone. Such a repair is never safe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fixer.analysis.case import Case
from fixer.analysis.hidden_failures import accepts_nothing
from fixer.analysis.route_verdict import RouteVerdict, is_closed
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Known
from fixer.model.plan import WaitForListener, has_only_starts
from fixer.model.snapshot import Endpoint

ENOUGH_FAILURES = 5     # fewer in a sample say too little about a share


def mark_proofs(case: Case, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings; a repair that only its mechanism can prove says so, and is at least disruptive."""
    verdicts = {judged.facts.route.id: judged for judged in case.verdicts.values()}
    return tuple(
        replace(finding, repairs=tuple(_proven_by_mechanism(repair) for repair in finding.repairs))
        if finding.is_at_fault and finding.repairs and not _is_shown_by_answers(case, finding, verdicts)
        else finding for finding in findings
    )


def _proven_by_mechanism(repair: Repair) -> Repair:
    """Return the repair as one that its mechanism proves. A wait changes nothing, so there is nothing to prove. A start
    that waits for its listener is proven by an answer: nothing accepted a connection there before."""
    is_answered_start = has_only_starts(repair.steps) and any(isinstance(s, WaitForListener) for s in repair.steps)
    if repair.waits or is_answered_start:
        return repair
    return replace(repair, proof="mechanism", risk="disruptive" if repair.risk == "safe" else repair.risk)


def _is_shown_by_answers(case: Case, finding: Finding, verdicts: Mapping[str, RouteVerdict]) -> bool:
    """Return whether answers show the finding, and so its end. Without routes it says nothing about requests: what it
    does say (such as what `nginx -t` reports) is asked in the same way before and after."""
    judged = [verdicts[route] for route in finding.routes if route in verdicts]
    return (not judged or any(_is_constant(case, finding, verdict) for verdict in judged)
            or sum(map(_failures_of, judged)) >= ENOUGH_FAILURES)


def _is_constant(case: Case, finding: Finding, judged: RouteVerdict) -> bool:
    """Return whether the failure does not come and go: any look shows it, and any look shows its end. A route whose
    requests are answered is degraded constantly if an address behind it is down. A route that could not be asked fails
    constantly if nothing accepts at any of its addresses. A page that is late for fixer stays so."""
    nginx = case.snapshot.nginx_of(judged.facts)
    if nginx is None or nginx.master_pid is None:
        return True
    match judged.state:
        case "failing":
            return True
        case "degraded":
            return judged.failed == 0
        case "slow":
            return not judged.some_answered and not finding.is_late
        case "unknown":
            meant = [end for end in map(case.endpoints.__getitem__, judged.facts.endpoints) if not end.down]
            return bool(meant) and all(map(_is_dead_end, meant))
        case "ok":
            return False


def _is_dead_end(endpoint: Endpoint) -> bool:
    """Return whether no connection is accepted there, by a connect or by the kernel's table, or its name leads
    nowhere."""
    return is_closed(endpoint) is True or accepts_nothing(endpoint) or endpoint.addresses == Known(())


def _failures_of(judged: RouteVerdict) -> int:
    """Return how many requests of the sample got no good answer; an answer that is late is none."""
    return judged.total - judged.succeeded if judged.state in ("degraded", "slow") else 0
