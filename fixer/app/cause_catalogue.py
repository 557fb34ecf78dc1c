"""The catalogue of causes, and the page of each cause."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache

from fixer import causes
from fixer.analysis.cause import VARIANTS_TITLE, unique_causes, variant_meanings
from fixer.causes import Cause, CauseJudge
from fixer.errors import UsageError
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.quick_modules import modules_in
from fixer.model.diagnosis import UNEXPLAINED
from fixer.model.report import SCHEMA_VERSION, CatalogueReport, CauseReport, PageReport
from fixer.render.terminal_text import PLAIN, Style

with lazy_imports():
    from difflib import get_close_matches  # 5 ms, for a wrong name only
    from importlib.metadata import entry_points
    from inspect import cleandoc  # 7 ms, for a page only

    from fixer.app import explain_line  # only for what is no cause
    from fixer.app.explain_line import status_of  # for a wrong command only


def catalogue_report() -> CatalogueReport:
    """Return every cause, in the catalogue's order."""
    return CatalogueReport(SCHEMA_VERSION, tuple(
        CauseReport(cause.id, cause.family, cause.variants, cause.title) for cause in all_causes()
    ))


def page_report(topic: str, style: Style | None = None) -> PageReport:
    """Return the page of a topic with its name, in the language of the style; without one in English."""
    return PageReport(SCHEMA_VERSION, topic, explain_page(topic, style or PLAIN))


def explain_page(text: str, style: Style = PLAIN) -> str:
    """Return the page of a cause or variant, of a status, or of a line of nginx's error log."""
    found = _cause_named(text)
    if found is not None:
        return cause_page(text, style)
    titles = {cause.id: style.say(f"causes/{cause.id}", cause.title) for cause in all_causes()}
    status = explain_line.status_of(text)
    if status:
        families: dict[str, list[str]] = {}
        for cause in all_causes():
            families.setdefault(style.say(f"causes/family {cause.family}", cause.family), []).append(cause.id)
        return explain_line.status_page(status, titles, families, style.say)
    meanings = explain_line.meanings_of(text)
    if meanings:
        return explain_line.line_page(meanings, titles, style.say)
    if not _nearest(text) and (" " in text or text.isdigit()):  # no misspelt cause
        raise UsageError(f"nothing is known of {text!r}: no cause, and no failure between nginx and its backend",
                         "explained are 502, 504 and the lines of nginx's error log behind them")
    return cause_page(text)  # names the nearest


def cause_page(word: str, style: Style = PLAIN) -> str:
    """Return the page of the cause with this id or variant name. A variant is explained on top and marked below."""
    cause = known_cause(word)
    english = _with_all_variants(cleandoc(cause.page), cause.variants)
    meanings = {name: style.say(f"variants/{cause.id} {name}", text) if text else ""
                for name, text in variant_meanings(english).items()}
    page = translated_page(cause.id, english, meanings, style)
    variant = _normal(word)
    top = ""
    if variant in cause.variants and variant != cause.id:
        named = " and ".join(other.id for other in all_causes() if variant in other.variants)
        top = style.say("console/page-of-variant", "{variant} is a variant of {causes}: {meaning}.", variant=variant,
                        causes=named, meaning=meanings[variant]) if meanings[variant] else style.say(
                            "console/page-of-bare-variant", "{variant} is a variant of {causes}.", variant=variant,
                            causes=named)
        top += "\n\n"
        page = _mark(page, variant)
    return f"{top}{cause.id} · {style.say(f'causes/family {cause.family}', cause.family)}\n\n{page}\n"


def translated_page(cause: str, english: str, meanings: Mapping[str, str], style: Style) -> str:
    """Return the page in the language of the output, with the meanings of its variants; else the English page."""
    head = style.title(f"pages/{cause}/page", english.partition(VARIANTS_TITLE)[0])
    if not head:
        return english
    width = max((len(name) for name in meanings), default=0)
    rows = [f"  {name:<{width}}  {text}" for name, text in meanings.items()]
    return "\n".join([head.strip(), "", style.say("console/page-variants", "Variants"), *rows])


def _with_all_variants(page: str, variants: tuple[str, ...]) -> str:
    """Return the page with a row for each variant: another package's page may have no such section."""
    listed = variant_meanings(page)
    rows = "".join(f"\n  {name}" for name in variants if name not in listed)
    return page + ("" if listed or not rows else VARIANTS_TITLE) + rows


def _mark(page: str, variant: str) -> str:
    """Return the page with `>` before its row, and before each paragraph that starts with the variant's name."""
    return re.sub(rf"(?m)^  (?={re.escape(variant)}(?![\w-]))", MARK, page)


def is_page(word: str) -> bool:
    """Return whether `fixer explain` has a page for the word: a cause, a variant or a status."""
    return _cause_named(word) is not None or bool(status_of(word))


def known_cause(word: str) -> Cause:
    """Return the cause with this id or variant name; raise UsageError with the nearest name."""
    cause = _cause_named(word)
    if cause is not None:
        return cause
    if _normal(word) == UNEXPLAINED:
        raise UsageError("unexplained is no cause: nginx logged a failure that is not over, and nothing explains it",
                         "read the log of the service at the time of the line that the finding quotes")
    near = _nearest(word)
    raise UsageError(f"no cause is called {word}", f"did you mean {near[0]}?" if near else "see: fixer causes")


def _nearest(word: str) -> list[str]:
    return get_close_matches(_normal(word), cause_names(), n=1)


def _cause_named(word: str) -> Cause | None:
    wanted = _normal(word)
    return next((cause for cause in all_causes() if wanted == cause.id or wanted in cause.variants), None)


def _normal(word: str) -> str:
    return word.strip().lower().replace("_", "-")


def cause_names() -> tuple[str, ...]:
    """Return the ids of all causes and the names of their variants, each once."""
    return tuple(dict.fromkeys(name for cause in all_causes() for name in (cause.id, *cause.variants)))


MARK = "> "  # takes the indent of a variant's row

# Entry-point group in which other packages add causes. Without such a package it costs one directory scan.
ENTRY_POINT_GROUP = "badgateway.causes"


def builtin_causes() -> tuple[Cause, ...]:
    """Return the causes of this package."""
    return causes.causes_in(_module_names())


@cache
def _module_names() -> tuple[str, ...]:
    """Return their modules; causes themselves read no folder, and ask pkgutil, which imports inspect."""
    return modules_in(causes.__path__)


@cache
def all_causes() -> tuple[Cause, ...]:
    """Return built-in and third-party causes. A third-party cause never replaces a built-in one."""
    return unique_causes((*builtin_causes(), *_third_party_causes()))


@cache
def all_judges() -> tuple[CauseJudge, ...]:
    """Return the same causes for a diagnosis, which loads those of this package that it has to ask."""
    ours = causes.lazy_causes(_module_names())
    known = {cause.id for cause in ours}
    theirs = [cause for cause in unique_causes(_third_party_causes()) if cause.id not in known]
    return tuple(sorted((*ours, *theirs), key=lambda cause: cause.id))


def _third_party_causes() -> tuple[Cause, ...]:
    if not any(_is_named_in(folder) for folder in dict.fromkeys(sys.path)):
        return ()
    # importing importlib.metadata costs more than a diagnosis should: only if a package names the group
    theirs = (point.load() for point in entry_points(group=ENTRY_POINT_GROUP))
    return tuple(cause for cause in theirs if isinstance(cause, Cause))


def _is_named_in(folder: str) -> bool:
    """Return whether a package in this sys.path folder names the entry-point group in its metadata."""
    try:
        with os.scandir(folder or ".") as entries:
            packages = [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return False  # a zip file, or a missing folder
    return any(_names_group(f"{path}/entry_points.txt") for path in packages)


def _names_group(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  importing pathlib costs as much as this function
            return f"[{ENTRY_POINT_GROUP}]".encode() in file.read(1 << 16)
    except OSError:
        return False
