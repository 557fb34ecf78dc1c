"""Facts: Known(value, evidence) or Unknown(reason), so that absent never equals not observed."""

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
    """One observation: `where` is file:line, a unit, a socket or a container; `text` the raw excerpt."""

    source: Source
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Known(Generic[T_co]):
    """A value that was read, with its evidence. `Known(None)` is a proven absence."""

    value: T_co
    evidence: tuple[Evidence, ...] = ()

    def or_else(self, _default: D) -> T_co | D:
        """Return the value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that could not be read, and why (`not root`, `slow`, `no systemctl`)."""

    reason: str

    def or_else(self, default: D) -> D:
        """Return `default`."""
        return default


Fact: TypeAlias = Known[T_co] | Unknown
