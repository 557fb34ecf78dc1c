"""The causes that can be found, and the page of each."""

from __future__ import annotations

import os
import sys
from functools import cache

from fixer import causes
from fixer.analysis.cause import unique_causes
from fixer.causes import Cause
from fixer.errors import UsageError
from fixer.model.report import SCHEMA_VERSION, CatalogueReport, CauseReport


def catalogue_report() -> CatalogueReport:
    """Every cause, in the catalogue's order."""
    return CatalogueReport(SCHEMA_VERSION, tuple(
        CauseReport(cause.id, cause.family, cause.variants, cause.title) for cause in all_causes()
    ))


def cause_page(word: str) -> str:
    """The page of a cause, asked for by its id or by the name of a variant."""
    from inspect import cleandoc  # 7 ms, for a page only

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
    from difflib import get_close_matches  # 5 ms, for a wrong name only

    names = [name for cause in causes for name in (cause.id, *cause.variants)]
    near = get_close_matches(wanted, names, n=1)
    raise UsageError(f"no cause is called {word}", f"did you mean {near[0]}?" if near else "see: fixer causes")


# Causes that other packages add (entry-point group `badgateway.causes`); where there are none, it costs a look.
ENTRY_POINT_GROUP = "badgateway.causes"


def builtin_causes() -> tuple[Cause, ...]:
    """The causes of this package: its folder is listed here, where there is one on disk (pkgutil imports inspect)."""
    (folder,) = causes.__path__
    try:
        files = os.listdir(folder)      # noqa: PTH208  pathlib's import costs more than all of this
    except OSError:
        return causes.load_causes()     # inside a zip file
    modules = sorted(
        name.removesuffix(".py") for name in files
        # a folder without `__init__.py` holds at most the bytecode of an older version
        if (name.endswith(".py") and name != "__init__.py") or os.path.exists(f"{folder}/{name}/__init__.py")  # noqa: PTH110
    )
    return causes.causes_in(tuple(modules))


@cache
def all_causes() -> tuple[Cause, ...]:
    """Ours and everybody's; a name of ours is never replaced."""
    ours = builtin_causes()
    if not any(_is_named_in(folder) for folder in dict.fromkeys(sys.path)):
        return ours
    # its import alone costs more than a diagnosis should: only where a package names the group
    from importlib.metadata import entry_points

    theirs = (point.load() for point in entry_points(group=ENTRY_POINT_GROUP))
    return unique_causes((*ours, *(cause for cause in theirs if isinstance(cause, Cause))))


def _is_named_in(folder: str) -> bool:
    """Whether the metadata of a package in this folder of sys.path names the group."""
    try:
        with os.scandir(folder or ".") as entries:
            packages = [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return False       # a zip file, or a folder that is not there
    return any(_names_group(f"{path}/entry_points.txt") for path in packages)


def _names_group(path: str) -> bool:
    try:
        with open(path, "rb") as file:   # noqa: PTH123  a plain open: importing pathlib costs as much as all of this
            return f"[{ENTRY_POINT_GROUP}]".encode() in file.read(1 << 16)
    except OSError:
        return False
