"""What the oracle is told about a site, and what it remembers of the healthy one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


class NotHealthy(Exception):
    """A baseline was asked of a site that is not healthy: the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Site:
    """One site behind the published port: how to reach it, who may log in, and where its parts are.

    `pages` are further paths whose answer must equal the baseline; a site without `user` has only those.
    """

    url: str
    host: str = ""
    user: str = ""
    password: str = ""
    login: str = "/login"
    post: str = "/api/login"
    protected: str = "/dashboard"
    identity: str = "/api/whoami"
    report: str = "/api/report"
    health: str = "/health"
    pages: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How the verdict calls it."""
        return self.host or "site"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request got. `status` 0 means no answer: `error` says why."""

    status: int
    text: str = ""
    kind: str = ""
    location: str = ""
    error: str = ""

    @property
    def summary(self) -> str:
        """The answer in a word, for a verdict."""
        return self.error or f"HTTP {self.status}"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The healthy content of one site, by path: status, content type, body (the report without its receipt).

    `session` is what a login gave then: whoever logged in before the trouble began asks with it.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    session: Mapping[str, str] = field(default_factory=dict)


def baseline_to_json(baseline: Baseline) -> dict[str, Any]:
    """For the lab's private state."""
    answers = {path: asdict(answer) for path, answer in baseline.answers.items()}
    return {"answers": answers, "session": dict(baseline.session)}


def baseline_from_json(data: Mapping[str, Any]) -> Baseline:
    """The inverse of `baseline_to_json`."""
    return Baseline({path: Answer(**entry) for path, entry in data["answers"].items()}, dict(data["session"]))


# The oracle's answer: well or broken, and exactly what still fails.


@dataclass(frozen=True, slots=True)
class Check:
    """One question that was asked: what a visitor would do, whether it worked, and what came instead."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """How requests under load fared: of `asked`, `failed` did; the 95th percentile and the fastest, in seconds."""

    asked: int
    failed: int
    p95: float
    fastest: float

    @property
    def share(self) -> float:
        """The part that failed, 0 to 1."""
        return self.failed / self.asked if self.asked else 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Well where every check is."""

    checks: tuple[Check, ...]
    load: LoadResult | None = None

    @property
    def is_well(self) -> bool:
        """Nothing fails, and something was asked."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failing(self) -> tuple[str, ...]:
        """What still fails, one line each."""
        return tuple(f"{check.name}: {check.detail}" for check in self.checks if not check.ok)

    def to_json(self) -> dict[str, object]:
        """For `lab check --json` and the matrix."""
        load = self.load
        return {
            "well": self.is_well,
            "failing": list(self.failing),
            "checks": [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in self.checks],
            "load": None if load is None else {
                "asked": load.asked, "failed": load.failed, "share": round(load.share, 3),
                "p95": round(load.p95, 3), "fastest": round(load.fastest, 3),
            },
        }
