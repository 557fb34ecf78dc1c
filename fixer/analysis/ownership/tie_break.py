"""Which of several services that are left over an address is meant for, as their names tell."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import bindings_of, listeners_on, pids_of, state_evidence
from fixer.analysis.owner import Owner, Rule
from fixer.analysis.ownership.between import is_due, may_lead_elsewhere
from fixer.analysis.ownership.configured import is_anybodys, placed_owner
from fixer.analysis.ownership.starters import starters_at
from fixer.analysis.route_verdict import is_closed
from fixer.analysis.service_names import is_aside, is_foreign, is_named_otherwise, shared_names
from fixer.model.facts import Unknown
from fixer.model.snapshot import Service

SERVERS = frozenset({"uvicorn", "gunicorn", "hypercorn", "daphne", "node", "waitress", "uwsgi", "granian"})
_SCRIPTS = frozenset({"python", "binary"})


def separated(case: Case, trouble: Trouble, pool: list[Service]) -> tuple[Owner, ...]:
    """One service left over is the one; of several, the one whose names the site shares, else all as equals."""
    if len(pool) == 1:
        return (Owner(pool[0], _rule_of(case, trouble, pool[0]), (state_evidence(pool[0]),)),)
    scores = {s.id: shared_names(trouble, s) for s in pool}
    best = max(scores.values())
    top = [s for s in pool if scores[s.id] == best]
    if best and len(top) == 1 and not is_anybodys(case.snapshot, top[0]):
        return (Owner(top[0], "related", (state_evidence(top[0]),)),)
    equals = _plausible(top)
    if len(equals) > 1 and all(is_foreign(trouble, s) for s in equals):
        return ()       # applications of others: that one of them is meant is no more likely than that none is
    return tuple(
        Owner(s, "contested" if is_anybodys(case.snapshot, s) else "alone", (state_evidence(s),)) for s in equals)


def _rule_of(case: Case, trouble: Trouble, sole: Service) -> Rule:
    if is_anybodys(case.snapshot, sole) or is_aside(trouble, sole) or _is_wanted_twice(case, trouble, sole) \
            or _is_of_another(trouble, sole) or may_lead_elsewhere(case, trouble, sole) or starters_at(case, trouble):
        return "contested"
    return "alone" if sole.manager != "none" else "bare"


def _is_of_another(trouble: Trouble, service: Service) -> bool:
    """Named for something else than the site, and told to listen elsewhere, or put to rest: what belongs here may be
    gone."""
    unit = service.unit
    at_rest = unit is not None and not service.running and unit.unit_file_state == "disabled" \
        and unit.active_state != "failed"
    return (at_rest or bool(bindings_of(service))) and (
        is_foreign(trouble, service) or is_named_otherwise(trouble, service))


def _is_wanted_twice(case: Case, trouble: Trouble, service: Service) -> bool:
    """Another empty address of the node has no service either: which of the two is meant, no name tells; the number of
    a port that it holds, on another address, does."""
    mine = trouble.endpoint
    if mine.unix is None and any(x.port == mine.port and set(service.pids) & set(pids_of(x))
                                 for x in listeners_on(case.snapshot, service.node)):
        return False
    return any(
        other.endpoint.node == mine.node and is_closed(other.endpoint) is True
        and (other.endpoint.port, other.endpoint.unix) != (mine.port, mine.unix)
        and placed_owner(case, other.endpoint) is None
        and shared_names(other, service) >= shared_names(trouble, service)
        for other in case.troubles
    )


def _plausible(top: list[Service]) -> list[Service]:
    """Without what lies dormant beside something that runs, and without bare scripts beside a real server."""
    if any(s.running for s in top):
        top = [s for s in top if s.running or is_due(s) or (s.manager != "none" and isinstance(s.bindings, Unknown))]
    servers = [s for s in top if s.runtime in SERVERS]
    scripts = [s for s in top if s.runtime in _SCRIPTS]
    return servers if servers and len(servers) + len(scripts) == len(top) else top
