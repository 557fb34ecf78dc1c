"""What a report in another language says in addition: the title of a variant and of a repair, and the words of a role.

The sentences of a finding name files, ports and times of the target: they stay as fixer makes them, in English."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import get_args

from fixer.analysis.cause import variant_meanings
from fixer.causes import causes_in, module_names
from fixer.model.diagnosis import UNEXPLAINED, Confidence, Role, variable_repair_id
from fixer.model.plan import Risk
from fixer.model.report import FindingReport
from fixer.render.terminal_text import Style, clean

WORDS: tuple[str, ...] = (*get_args(Confidence), *get_args(Role), *get_args(Risk), "found", "ruled-out")
UNEXPLAINED_TITLE = "nginx logged failures that are not over, and no cause is proven"
VARIABLE_REPAIR = "set-VARIABLE"  # stands for all repairs whose id is made of the variable that they set


def word_text(word: str, style: Style) -> str:
    """Return a word of WORDS in the language of the output."""
    return style.say(f"console/word {word}", word)


def note_text(note: str, style: Style) -> str:
    """Return a note with its label."""
    return style.say("console/note", "note: {note}", note=clean(note))


def finding_title(finding: FindingReport, style: Style) -> str:
    """Return what is wrong in the language of the output; empty in English, where the summary says it."""
    if style.catalogue is None:
        return ""
    title, variants = english_titles(finding.cause)
    named = finding.variant or finding.cause
    return (style.title(f"variants/{finding.cause} {named}", variants.get(named, ""))
            or style.title(f"causes/{finding.cause}", title))


@cache
def english_titles(cause: str) -> tuple[str, dict[str, str]]:
    """Return the title of one of our causes and the meanings of its variants; empty for any other name."""
    if cause == UNEXPLAINED:
        return UNEXPLAINED_TITLE, {}
    module = cause.replace("-", "_")
    if module not in module_names():
        return "", {}
    (known,) = causes_in((module,))
    return known.title, variant_meanings(known.page)


def repair_title(ident: str, style: Style, needed: Iterable[str] = ()) -> str:
    """Return what a repair does in the language of the output; empty in English, where its summary says it. `needed`
    are the keys that an operator gives: an id that is made of one is in no catalogue."""
    names = (ident, VARIABLE_REPAIR) if ident in map(variable_repair_id, needed) else (ident,)
    return next(filter(None, (style.title(f"repairs/{name}", repair_words(name)) for name in names)), "")


def repair_words(ident: str) -> str:
    """Return the English that a repair's title is translated from: its id in words."""
    return ident.replace("-", " ")
