"""Diagnosis types: findings with evidence, one verdict per cause, and the repairs that each finding offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass, replace
from fixer.model.facts import Evidence
from fixer.model.plan import ProofKind, Risk, Step

Role: TypeAlias = Literal["root", "contributing", "consequence", "advice"]
AT_FAULT: frozenset[Role] = frozenset({"root", "contributing"})
UNEXPLAINED = "unexplained"     # reserved: a logged failure that is not over and has no cause
Confidence: TypeAlias = Literal["certain", "likely", "possible"]
HealthVerdict: TypeAlias = Literal["healthy", "degraded", "broken", "unknown"]
Effect: TypeAlias = Literal[
    "nginx-stops", "run-ends", "dependents-end", "last-words", "nothing-listens", "no-answer", "looks-busy",
    "looks-killed", "address-lost", "wrong-name", "wrong-place", "packets-blocked", "stale-config",
    "loops", "node-ends"]
"""How a fault shows elsewhere; `fixer/diagnose/precedence.py` says which causes each looks like."""


@dataclass(frozen=True, slots=True)
class Need:
    """An input that only an operator can give. `key` is for `--set KEY=VALUE`; a secret never has a default.
    `pattern`, if set, is the regular expression that the complete value must match."""

    key: str
    kind: Literal["value", "secret", "choice"]
    why: str
    choices: tuple[str, ...] = ()
    default: str | None = None
    pattern: str = ""


def variable_repair_id(variable: str) -> str:
    """Return the id of the repair that gives an environment variable another value."""
    return f"set-{variable.lower().replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class Repair:
    """A way to remove a finding. `steps` are complete once every need has a value (given or default), else empty.
    `waits`: nothing is changed, time heals (a backend that still starts). `manual` says precisely what an operator must
    do and why fixer does not."""

    id: str
    risk: Risk
    summary: str
    steps: tuple[Step, ...]
    needs: tuple[Need, ...] = ()
    manual: str = ""
    waits: bool = False
    doubt: str = ""  # what an observation right after the repair cannot prove; shown once it is committed
    proof: ProofKind = "answers"  # set by the diagnosis, not by causes; such a repair by mechanism is never safe
    after: str = ""  # the service that must run before: the diagnosis then says in `manual` what comes first


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause seen in a snapshot. Evidence is never empty. `effects`: what else it shows as (None: the effects of its
    cause, `fixer/diagnose/precedence.py`)."""

    cause: str
    variant: str | None
    role: Role
    confidence: Confidence
    summary: str
    detail: tuple[str, ...]
    routes: tuple[str, ...]
    service: str | None
    node: str
    evidence: tuple[Evidence, ...]
    repairs: tuple[Repair, ...] = ()
    effects: tuple[Effect, ...] | None = None
    is_met_first: bool = False      # what nginx meets shows this fault, not what else is at fault behind it
    is_past: bool = False           # an event of the past, told after the present ones
    is_over: bool = False           # its reason is seen to have ended: only a start is left to be done
    has_given_up: bool = False      # the manager tries no more, whatever becomes of the reason
    is_late: bool = False           # its page takes longer than fixer waits: fixer gets no answer before or after
    is_seen_directly: bool = False  # a state that is observed directly: if it is not found any more, it has ended

    @property
    def is_at_fault(self) -> bool:
        """True if it is a root or contributes: neither a consequence nor advice."""
        return self.role in AT_FAULT

    @property
    def is_proven_fault(self) -> bool:
        """True if it is at fault and a cause: a logged failure without a cause is a fault, and proves none."""
        return self.is_at_fault and self.cause != UNEXPLAINED

    def with_routes_of(self, other: Finding) -> Finding:
        """This finding, for the routes of another one of the same fault too: details name the pages that need it."""
        return replace(self, routes=tuple(dict.fromkeys((*self.routes, *other.routes))),
                       detail=tuple(dict.fromkeys((*self.detail, *other.detail))))

    def joined_with(self, other: Finding) -> Finding:
        """This finding, with the routes and the evidence of another one of the same fault."""
        return replace(self.with_routes_of(other), evidence=tuple(dict.fromkeys((*self.evidence, *other.evidence))))


@dataclass(frozen=True, slots=True)
class Found:
    """The cause was found; `missing` are the facts that were unknown elsewhere."""

    findings: tuple[Finding, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuledOut:
    """The cause is not present, as the evidence shows."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Undetermined:
    """The cause can be neither found nor ruled out: these facts were missing."""

    missing: tuple[str, ...]


Verdict: TypeAlias = Found | RuledOut | Undetermined

Inputs: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict of one cause."""

    cause: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class RouteHealth:
    """State of one route, and its reason. `failed_share` of the requests to it failed, from 0 to 1. `passed_on`: it
    answers with an error that the application, or a gateway in front of that, sends itself."""

    route: str
    state: Literal["ok", "failing", "degraded", "unknown"]
    reason: str
    failed_share: float = 0.0
    passed_on: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The complete diagnosis: findings with the root first, one check per cause, the health of each route."""

    verdict: HealthVerdict
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    health: tuple[RouteHealth, ...]
    notes: tuple[str, ...] = ()




@dataclass(frozen=True, slots=True)
class IgnoredFinding:
    """An ignored finding. `where` names a service, node, route (location, server name) or file; empty for any.
    `until` is the last day (YYYY-MM-DD, UTC); `owner` is the person responsible."""

    id: str
    cause: str
    where: str
    because: str
    owner: str
    until: str
