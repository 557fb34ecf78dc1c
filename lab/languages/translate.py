"""The lab's texts in the language of its reader: `lab --lang`, or what LANG says on a terminal. JSON stays English."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Mapping

from fixer.languages.choose_language import ENGLISH, VARIABLE, language_of
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():  # an English run loads neither
    from fixer.languages.catalogue import Catalogue
    from fixer.render.terminal_text import wrap

PACKAGE = "lab.languages"
WIDTH = 78


def say(key: str, english: str, /, **values: object) -> str:
    """Return one of the lab's texts, with `{name}` filled in."""
    text = _first((key,), english)
    return text.format(**values) if values else text


def readers_language() -> str:
    """Return the language of what this process says, as pages name it."""
    return language_of(sys.stdout) or ENGLISH


def environment_of_children() -> dict[str, str]:
    """Return the environment of a program that goes on for this terminal's reader. It has no terminal of its own."""
    return {**os.environ, VARIABLE: readers_language()}


def scenario_text(scenario: str, field: str, english: str, variant: str = "") -> str:
    """Return a text of a scenario's file before its values are filled in: `story`, `title`, `debrief`, `hints[0]`.
    A variant without a text of its own has the scenario's."""
    own = (f"scenarios/{scenario}/{variant} {field}",) if variant else ()
    return _first((*own, f"scenarios/{scenario}/{field}"), english)


def filled(text: str, first: str = "", later: str = "") -> list[str]:
    """Return a paragraph in lines that fit a terminal; names and commands stay unbroken. `first` and `later` are the
    indents."""
    if not language_of(sys.stdout):
        return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=first, subsequent_indent=later,
                             break_long_words=False, break_on_hyphens=False)
    head, *rest = wrap(text, WIDTH - max(len(first), len(later)))
    return [first + head, *(later + line for line in rest)]


def scenario_texts(name: str, data: Mapping[str, object]) -> dict[str, str]:
    """Return the English of each key of a scenario's catalogue; `data` is its file, or one of its variants."""
    found = {key: text for key in ("title", "story", "debrief") if isinstance(text := data.get(key), str)}
    hints = data.get("hints")
    found |= {f"hints[{number}]": str(hint) for number, hint in enumerate(hints if isinstance(hints, list) else ())}
    prefix = f"scenarios/{name}"
    texts = {f"{prefix}/{key}": text for key, text in found.items()}
    variants = data.get("variants")
    for variant, own in variants.items() if isinstance(variants, dict) else ():
        for key, text in scenario_texts(name, own).items():
            texts[f"{prefix}/{variant} {key.rpartition('/')[2]}"] = text
    return texts


def _first(keys: tuple[str, ...], english: str) -> str:
    language = language_of(sys.stdout)
    if not language:
        return english
    catalogue = Catalogue(PACKAGE, language)
    return next((catalogue.text(key, english) for key in keys if catalogue.has(key, english)), english)
