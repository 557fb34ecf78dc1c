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
    def what(self) -> str:
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
