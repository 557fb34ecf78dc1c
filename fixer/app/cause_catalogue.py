"""The causes that can be found, and the page of each."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import cleandoc

from fixer.app.plugins import all_causes
from fixer.causes import Cause
from fixer.errors import UsageError
from fixer.model.report import SCHEMA_VERSION, CatalogueReport, CauseReport


def catalogue() -> CatalogueReport:
    """Every cause, in the catalogue's order."""
    return CatalogueReport(SCHEMA_VERSION, tuple(
        CauseReport(cause.id, cause.family, cause.variants, cause.title) for cause in all_causes()
    ))


def page(word: str) -> str:
    """The page of a cause, asked for by its id or by the name of a variant."""
    cause = known_cause(word)
    variants = f"\n\nVariants: {', '.join(cause.variants)}" if cause.variants else ""
    return f"{cause.id} · {cause.family}\n\n{cleandoc(cause.page)}{variants}\n"


def known_cause(word: str) -> Cause:
    """The cause of that id, or with a variant of that name; UsageError with the nearest name."""
    causes = all_causes()
    wanted = word.strip().lower().replace("_", "-")
    for cause in causes:
        if wanted == cause.id or wanted in cause.variants:
            return cause
    names = [name for cause in causes for name in (cause.id, *cause.variants)]
    near = get_close_matches(wanted, names, n=1)
    raise UsageError(f"no cause is called {word}", f"did you mean {near[0]}?" if near else "see: fixer causes")
