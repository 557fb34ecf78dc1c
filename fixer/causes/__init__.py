"""The causes: a file or a folder each, found by listing this folder. Pure: they see a snapshot and nothing else."""

from __future__ import annotations

import importlib
from functools import cache

from fixer.analysis.cause import Cause, unique_causes

__all__ = ["Cause", "causes_in", "load_causes", "module_names"]


def load_causes() -> tuple[Cause, ...]:
    """Every cause of this folder, sorted by id."""
    return causes_in(module_names())


@cache
def causes_in(names: tuple[str, ...]) -> tuple[Cause, ...]:
    """The causes of these modules of this folder, sorted by id."""
    return unique_causes(_load_cause(name) for name in names)


def module_names() -> tuple[str, ...]:
    """The modules beside this one; also inside a zip file."""
    import pkgutil  # with inspect and all that it takes 7 ms

    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def _load_cause(name: str) -> Cause:
    """The cause of a module or package of this folder."""
    cause: Cause = importlib.import_module(f"{__name__}.{name}").CAUSE
    return cause
