"""What was found: findings with evidence, one verdict for every cause, the repairs each finding offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence
from fixer.model.plan import Risk, Step

Role: TypeAlias = Literal["root", "contributing", "consequence", "advice"]
AT_FAULT: frozenset[Role] = frozenset({"root", "contributing"})
Confidence: TypeAlias = Literal["certain", "likely", "possible"]
HealthVerdict: TypeAlias = Literal["healthy", "degraded", "broken", "unknown"]


@dataclass(frozen=True, slots=True)
class Need:
    """Something only a person can give. `key` is what `--set KEY=VALUE` takes; a secret never has a default.

    `pattern`, where set, is the regular expression that a value must match as a whole.
    """

    key: str
    kind: Literal["value", "secret", "choice"]
    why: str
    choices: tuple[str, ...] = ()
    default: str | None = None
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """A way to remove a finding. `steps` are complete when every need has a value (given or default), else empty.

    `waits` is true where nothing is changed and time heals (a backend still starting). `manual` text says precisely
    what a person must do and why fixer does not.
    """

    id: str
    risk: Risk
    summary: str
    steps: tuple[Step, ...]
    needs: tuple[Need, ...] = ()
    manual: str = ""
    waits: bool = False
    doubt: str = ""       # what a look right after it cannot tell, said where it was kept


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause seen in a snapshot. Evidence is never empty. `explains` are causes that this one makes consequences."""

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
    explains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The cause is there; `missing` is what was not known where else it might be."""

    findings: tuple[Finding, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuledOut:
    """The cause is not there, and this shows it."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Undetermined:
    """It cannot be told: these facts were missing."""

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
    """How one route does: worst status seen, and how many of the requests failed."""

    route: str
    state: Literal["ok", "failing", "degraded", "unknown"]
    reason: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The whole answer: findings ordered with the root first, one check per cause, the health of each route."""

    verdict: HealthVerdict
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    health: tuple[RouteHealth, ...]
    notes: tuple[str, ...] = ()


# A finding that somebody has accepted: known, left alone, until a date.


@dataclass(frozen=True, slots=True)
class IgnoredFinding:
    """`where` names a service, node, route (location, server name) or file; empty: wherever the cause is found.

    `until` is the last day (YYYY-MM-DD, UTC) on which it holds; `owner` is who answers for it.
    """

    id: str
    cause: str
    where: str
    because: str
    owner: str
    until: str
