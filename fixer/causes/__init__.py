"""The causes: a file or a folder each, found by listing this folder. Pure: they see a snapshot and nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Protocol

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, unique_causes
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Verdict

with lazy_imports():
    import pkgutil  # with inspect and all that it takes 7 ms

__all__ = ["Cause", "CauseJudge", "LazyCause", "causes_in", "lazy_causes", "load_causes", "module_names"]


class CauseJudge(Protocol):
    """What a diagnosis needs of a cause."""

    @property
    def id(self) -> str:
        """The name of the cause."""

    @property
    def verdict(self) -> Callable[[Case], Verdict]:
        """The function that judges a case."""


@dataclass(frozen=True, slots=True)
class LazyCause:
    """A cause of this folder. Its module is loaded when its verdict is asked for."""

    id: str

    def load(self) -> Cause:
        """The cause itself."""
        return _load_cause(self.id.replace("-", "_"))

    @property
    def verdict(self) -> Callable[[Case], Verdict]:
        """The function that judges a case."""
        return self.load().verdict


def lazy_causes(names: tuple[str, ...]) -> tuple[LazyCause, ...]:
    """The causes of these modules of this folder, sorted by id; none is loaded."""
    return tuple(LazyCause(name) for name in sorted(name.replace("_", "-") for name in names))


def load_causes() -> tuple[Cause, ...]:
    """Every cause of this folder, sorted by id."""
    return causes_in(module_names())


@cache
def causes_in(names: tuple[str, ...]) -> tuple[Cause, ...]:
    """The causes of these modules of this folder, sorted by id."""
    return unique_causes(_load_cause(name) for name in names)


@cache
def module_names() -> tuple[str, ...]:
    """The modules beside this one; also inside a zip file. Listed once: it takes 1.2 ms."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def _load_cause(name: str) -> Cause:
    """The cause of a module or package of this folder."""
    cause: Cause = importlib.import_module(f"{__name__}.{name}").CAUSE
    return cause
