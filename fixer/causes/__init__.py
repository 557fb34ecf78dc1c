"""The causes: one file each, found by looking into this folder. Pure: they see a snapshot and nothing else.

What several of them share lies in the folders beside them; what judges a case as a whole (its failing routes, whose
service is meant) lies here.
"""

from __future__ import annotations

import importlib
from functools import cache

from fixer.analysis.cause import Cause, by_id

__all__ = ["Cause", "causes_in", "load_causes", "module_names"]


def load_causes() -> tuple[Cause, ...]:
    """Every cause of this folder, sorted by id."""
    return causes_in(module_names())


@cache
def causes_in(names: tuple[str, ...]) -> tuple[Cause, ...]:
    """The causes of these modules of this folder, sorted by id."""
    # every id has a hyphen, so its file has an underscore; what judges a case as a whole has none
    named = (name for name in names if "_" in name)
    return by_id(cause for name in named if (cause := _cause_in(name)) is not None)


def module_names() -> tuple[str, ...]:
    """The modules beside this one; also inside a zip file."""
    import pkgutil  # with inspect and all that it takes 7 ms

    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def _cause_in(name: str) -> Cause | None:
    """The cause of a module; other modules of the folder judge a case as a whole."""
    cause = getattr(importlib.import_module(f"{__name__}.{name}"), "CAUSE", None)
    return cause if isinstance(cause, Cause) else None
