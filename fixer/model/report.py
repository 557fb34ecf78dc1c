"""What a command says at its end, in the shape of the JSON contract (schema_version 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from fixer.model.diagnosis import Confidence, HealthVerdict, Role
from fixer.model.facts import Evidence
from fixer.model.plan import Risk

SCHEMA_VERSION = 1

OutcomeKind: TypeAlias = Literal["nothing-to-do", "repaired", "rolled-back", "needs-input", "failed"]


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Where a route stands."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What nginx answered for a route: HTTP status (null without one), milliseconds, error word."""

    status: int | None
    ms: float
    error: str | None


@dataclass(frozen=True, slots=True)
class RouteReport:
    """One route of the report. Compared across reports by (listen, server_names, location)."""

    id: str
    listen: str
    server_names: tuple[str, ...]
    location: str
    source: SourceRef
    endpoints: tuple[str, ...]
    probe: ProbeReport | None


@dataclass(frozen=True, slots=True)
class NeedReport:
    """An input that a repair waits for."""

    key: str
    kind: Literal["value", "secret", "choice"]
    why: str
    choices: tuple[str, ...]
    default: str | None


@dataclass(frozen=True, slots=True)
class RepairReport:
    """A repair as offered: its steps in words and its unified diff with secrets masked."""

    id: str
    risk: Risk
    summary: str
    steps: tuple[str, ...]
    diff: str
    needs: tuple[NeedReport, ...]


@dataclass(frozen=True, slots=True)
class FindingReport:
    """A finding as printed."""

    cause: str
    variant: str | None
    role: Role
    confidence: Confidence
    summary: str
    routes: tuple[str, ...]
    service: str | None
    node: str
    evidence: tuple[Evidence, ...]
    repairs: tuple[RepairReport, ...]
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One cause's verdict."""

    cause: str
    verdict: Literal["found", "ruled-out", "undetermined"]
    evidence: tuple[Evidence, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """`diagnose` and `verify`."""

    schema_version: int
    target: str
    verdict: HealthVerdict
    duration_ms: float
    routes: tuple[RouteReport, ...]
    findings: tuple[FindingReport, ...]
    checks: tuple[CheckReport, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RepairResult:
    """`repair`: the last report's fields, and what was done. `applied` are the steps that were kept, in words."""

    schema_version: int
    target: str
    verdict: HealthVerdict
    duration_ms: float
    outcome: OutcomeKind
    applied: tuple[str, ...]
    withheld: tuple[str, ...]
    before: Report
    after: Report
    journal: str | None
    exit_code: int


@dataclass(frozen=True, slots=True)
class UndoResult:
    """`undo`: what went back, what did not and why."""

    schema_version: int
    target: str
    id: str
    restored: tuple[str, ...]
    conflicts: tuple[str, ...]
    irreversible: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """The `error` of a `--json` object."""

    kind: str
    message: str
    hint: str
