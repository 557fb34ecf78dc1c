"""A fact is Known(value, evidence) or Unknown(reason): absent and could-not-look are never the same value."""

from __future__ import annotations

from typing import Generic, Literal, TypeAlias, TypeVar

from fixer.lazy.dataclass import dataclass

T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D")

Source: TypeAlias = Literal[
    "nginx-config", "nginx-log", "nginx-process", "nginx-test", "socket", "process", "unit", "program", "container",
    "service-log", "probe", "file", "kernel", "learned",
]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was seen: `where` is file:line, a unit, a socket or a container; `text` the raw excerpt."""

    source: Source
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Known(Generic[T_co]):
    """A value that was read, with what shows it. `Known(None)` is a proven absence."""

    value: T_co
    evidence: tuple[Evidence, ...] = ()

    def or_else(self, _default: D) -> T_co | D:
        """The value: it is known."""
        return self.value


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that could not be read, and why (`not root`, `slow`, `no systemctl`)."""

    reason: str

    def or_else(self, default: D) -> D:
        """What the caller goes on with where it is not known."""
        return default


Fact: TypeAlias = Known[T_co] | Unknown
