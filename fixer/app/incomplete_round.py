"""What a round that did not come to its end has shown: the next fault, or another one in the same place."""

from __future__ import annotations

from fixer.model.diagnosis import Finding
from fixer.model.plan import Plan, UnitAction
from fixer.verify import Look, route_keys


def is_next(found: Finding, look: Look, finding: Finding, before: Look, drawn: Plan) -> bool:
    """Whether it is the next fault on the same way: of the same service, of one that the round started, or what ended
    that (a system that it needs has another name)."""
    if found.service in {finding.service, *(step.unit for step in drawn.steps if isinstance(step, UnitAction))}:
        return True
    ended = found.cause.startswith("crash-") and found.cause != finding.cause
    return ended and bool(route_keys(look.snapshot, found.routes) & route_keys(before.snapshot, finding.routes))


def other_of(look: Look, finding: Finding) -> Finding | None:
    """Another fault that comes first now at the root of the same service; None where the same one still does."""
    first = next((f for f in look.diagnosis.findings
                  if f.role == "root" and (f.node, f.service) == (finding.node, finding.service)), None)
    return first if first is not None and first.cause != finding.cause else None
