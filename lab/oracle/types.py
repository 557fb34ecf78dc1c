"""Types of the oracle: sites, answers, the healthy baseline, checks and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


class NotHealthy(Exception):
    """A baseline was requested of an unhealthy site: the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Site:
    """One site behind the published port: its URL, its login, and the paths of its parts.
    `pages` are further paths whose answer must equal the baseline; a site without `user` has only those."""

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
        """Return the site's name in the verdict."""
        return self.host or "site"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request. `status` 0 means no answer: `error` says why."""

    status: int
    text: str = ""
    kind: str = ""
    location: str = ""
    error: str = ""

    @property
    def summary(self) -> str:
        """Return the answer in short, for a verdict."""
        return self.error or f"HTTP {self.status}"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The healthy content of one site, by path: status, content type, body (the report without its receipt).
    `session` comes from a login at that time: users who logged in before the fault have it."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    session: Mapping[str, str] = field(default_factory=dict)


def baseline_to_json(baseline: Baseline) -> dict[str, Any]:
    """Return the baseline for the lab's private state."""
    answers = {path: asdict(answer) for path, answer in baseline.answers.items()}
    return {"answers": answers, "session": dict(baseline.session)}


def baseline_from_json(data: Mapping[str, Any]) -> Baseline:
    """Return the baseline of the lab's private state."""
    return Baseline({path: Answer(**entry) for path, entry in data["answers"].items()}, dict(data["session"]))




@dataclass(frozen=True, slots=True)
class Check:
    """One check: the visitor's action, whether it worked, and what came instead."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Result of a load test: requests `asked` and `failed`; the 95th percentile and the fastest, in seconds."""

    asked: int
    failed: int
    p95: float
    fastest: float
    short_of: int = 0  # requests of the full proof, if only a short burst ran

    @property
    def text(self) -> str:
        """Return the measurement for people. A short burst says that it is one."""
        burst = f" (short burst; the full proof sends {self.short_of} requests)" if self.short_of else ""
        return f"under load: {self.failed} of {self.asked} failed, 95th percentile {self.p95:.2f} s{burst}"

    @property
    def share(self) -> float:
        """Return the share that failed, 0 to 1."""
        return self.failed / self.asked if self.asked else 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The oracle's verdict: well if every check is ok."""

    checks: tuple[Check, ...]
    load: LoadResult | None = None

    def __bool__(self) -> bool:
        """Return whether the lab is well, so that `assert lab.check()` can fail."""
        return self.is_well

    @property
    def is_well(self) -> bool:
        """Return whether nothing fails, and at least one check ran."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failing(self) -> tuple[str, ...]:
        """Return what still fails, one line each."""
        return tuple(f"{check.name}: {check.detail}" for check in self.checks if not check.ok)

    def to_json(self) -> dict[str, object]:
        """Return the verdict for `lab check --json` and the matrix."""
        load = self.load
        return {
            "well": self.is_well,
            "failing": list(self.failing),
            "checks": [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in self.checks],
            "load": None if load is None else {
                "asked": load.asked, "failed": load.failed, "share": round(load.share, 3),
                "p95": round(load.p95, 3), "fastest": round(load.fastest, 3),
                **({"short_burst": True} if load.short_of else {}),
            },
        }
