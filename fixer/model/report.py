"""Results of commands, in the shape of the JSON contract (schema_version 1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass, field
from fixer.model.diagnosis import Confidence, HealthVerdict, IgnoredFinding, Role
from fixer.model.facts import Evidence
from fixer.model.journal import RunSummary
from fixer.model.plan import ProofKind, Risk

SCHEMA_VERSION = 1

NOT_IN_JSON = {"json": False}  # field metadata: shown to people, not part of the JSON contract

WITHOUT_ROOT_TEXT = "not root, so some owners of sockets and some files may be unknown"  # note on a node
INCOMPLETE_UNDO_TEXT = "not everything could be rolled back"  # prefix of the note
NOT_UNDONE_TEXT = ": not undone, "  # between a step and the reason, unless somebody edited the file
OutcomeKind: TypeAlias = Literal["nothing-to-do", "repaired", "rolled-back", "needs-input", "failed"]


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Position of a route in the configuration."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """nginx's answer for a route: HTTP status (null without one), milliseconds, error code."""

    status: int | None
    ms: float
    error: str | None


@dataclass(frozen=True, slots=True)
class RouteReport:
    """One route of the report. Compared across reports by (listen, server_names, location).
    `state` and `reason` describe its health, for people, `passed_on` that it answers with an error of the application;
    `scheme` is its listener's."""

    id: str
    listen: str
    server_names: tuple[str, ...]
    location: str
    source: SourceRef
    endpoints: tuple[str, ...]
    probe: ProbeReport | None
    state: Literal["ok", "failing", "degraded", "unknown"] = field(default="unknown", metadata=NOT_IN_JSON)
    reason: str = field(default="", metadata=NOT_IN_JSON)
    scheme: Literal["http", "https"] = field(default="http", metadata=NOT_IN_JSON)
    passed_on: bool = field(default=False, metadata=NOT_IN_JSON)


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
    """A repair as offered: its steps as text and its unified diff with secrets masked.
    The steps of a manual repair are for the operator. `waits`: nothing is changed, time heals it. `proof` is what will
    show that it helped: nginx's answers before and after, or only its mechanism."""

    id: str
    risk: Risk
    summary: str
    steps: tuple[str, ...]
    diff: str
    needs: tuple[NeedReport, ...]
    waits: bool = field(default=False, metadata=NOT_IN_JSON)
    proof: ProofKind = "answers"


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
    detail: tuple[str, ...] = field(default=(), metadata=NOT_IN_JSON)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One cause's verdict."""

    cause: str
    verdict: Literal["found", "ruled-out", "undetermined"]
    evidence: tuple[Evidence, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Result of `diagnose`, also used by `verify` and `repair`."""

    schema_version: int
    target: str
    verdict: HealthVerdict
    duration_ms: float
    routes: tuple[RouteReport, ...]
    findings: tuple[FindingReport, ...]
    checks: tuple[CheckReport, ...]
    notes: tuple[str, ...]
    host: str = field(default="", metadata=NOT_IN_JSON)  # the machine's name; empty if not known
    observed_at: float = field(default=0.0, metadata=NOT_IN_JSON)  # epoch seconds
    without_root: tuple[str, ...] = field(default=(), metadata=NOT_IN_JSON)  # nodes that were not read as root


def causes_by_missing_fact(undetermined: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Return each missing fact once with the causes that wait for it, the fact that most wait for first.

    `undetermined` are causes with their missing facts. An empty text stands for the fact of a cause that names none.
    """
    waiting: dict[str, list[str]] = {}
    for cause, facts in undetermined:
        for fact in dict.fromkeys(facts or ("",)):
            waiting.setdefault(fact, []).append(cause)
    return {fact: tuple(causes) for fact, causes in sorted(waiting.items(), key=lambda entry: -len(entry[1]))}


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A plan that was shown and not applied, secrets masked. `id` stands for it and for the facts that it was made
    from: `fixer repair --plan ID` applies that plan or nothing. `warnings`: what it stops, what no undo restores.
    An `undo` takes back the run `run`; it has no repair id, no risk and no diff."""

    id: str
    action: Literal["repair", "undo"]
    cause: str
    variant: str | None
    service: str | None
    node: str | None
    repair: str | None
    risk: Risk | None
    proof: ProofKind | None
    summary: str
    steps: tuple[str, ...]
    diff: str
    warnings: tuple[str, ...]
    run: str | None


@dataclass(frozen=True, slots=True)
class RepairResult:
    """Result of `repair`: the last report's fields, and what was done. `applied` are the committed steps as text.
    `plan` is the one that was shown last and not applied: a dry run, no yes, or another plan than `--plan` names."""

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
    plan: PlanReport | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """One of the checks that prove health, with its location and result."""

    check: Literal["nginx-test", "nginx-up", "backend-answers", "route-answers", "no-failure-lasts"]
    state: Literal["passed", "failed", "unknown"]
    where: str
    text: str
    partly: bool = field(default=False, metadata=NOT_IN_JSON)  # it answers, but not as it should


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Result of `verify`: a report without findings, and its proof."""

    report: Report
    proof: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class UndoResult:
    """Result of `undo`: what was restored, what was not and why. `notes` are no failures."""

    schema_version: int
    target: str
    id: str | None
    restored: tuple[str, ...]
    conflicts: tuple[str, ...]
    irreversible: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """The `error` of a `--json` object."""

    kind: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class HistoryReport:
    """Result of `history`: the runs of a target, newest first."""

    schema_version: int
    target: str
    runs: tuple[RunSummary, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IgnoreReport:
    """Result of `ignore`: the ignored findings of a target, with owner and last day."""

    schema_version: int
    target: str
    accepted: tuple[IgnoredFinding, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LearnedReport:
    """One remembered application: names of its variables, and those whose value is in no file."""

    service: str
    manager: str
    command: str
    user: str
    addresses: tuple[str, ...]
    variables: tuple[str, ...]
    unplaced: tuple[str, ...]
    readable: bool = True  # whether its variables could be read at all


@dataclass(frozen=True, slots=True)
class LearnReport:
    """Result of `learn`: what is remembered, and in which file on the machine."""

    schema_version: int
    target: str
    file: str
    services: tuple[LearnedReport, ...]


@dataclass(frozen=True, slots=True)
class CauseReport:
    """One line of the catalogue."""

    id: str
    family: str
    variants: tuple[str, ...]
    title: str


@dataclass(frozen=True, slots=True)
class CatalogueReport:
    """Result of `causes`: everything that can be found."""

    schema_version: int
    causes: tuple[CauseReport, ...]


@dataclass(frozen=True, slots=True)
class PageReport:
    """Result of `explain`: the page of a cause, or the causes of an error line, as text."""

    schema_version: int
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class CollectedNode:
    """How much a bundle holds of one node."""

    name: str
    answers: int
    files: int


@dataclass(frozen=True, slots=True)
class CollectReport:
    """Result of `collect`: the file that it wrote, and its size in bytes."""

    schema_version: int
    target: str
    file: str
    size: int
    nodes: tuple[CollectedNode, ...]


@dataclass(frozen=True, slots=True)
class PlanResult:
    """Result of the tool `plan`: what would be done, or why nothing can be. `valid_seconds`: how long its id counts."""

    schema_version: int
    target: str
    verdict: HealthVerdict
    plan: PlanReport | None
    valid_seconds: int
    withheld: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """What `--json` prints if a command failed."""

    schema_version: int
    target: str
    verdict: HealthVerdict
    error: ErrorReport
