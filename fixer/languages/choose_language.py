"""Which language a person reads: `--lang`, else on a terminal what LC_ALL, LC_MESSAGES or LANG says.

`--lang` sets a variable, so that a fixer that `lab solve` starts speaks the same language."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TextIO

from fixer.errors import UsageError

OPTION = "--lang"
VARIABLE = "BADGATEWAY_LANG"
ENGLISH = "en"
LANGUAGES = (ENGLISH, "zh-TW")
_LOCALES = {"zh_tw": "zh-TW", "zh_hant": "zh-TW", "zh_hant_tw": "zh-TW"}  # of the POSIX variables, in lower case


def take_language(words: Sequence[str], error: Callable[[str, str], Exception] = UsageError) -> list[str]:
    """Return the arguments without `--lang LANGUAGE`, which may stand anywhere before `--`, and remember the language.
    Raise `error` for a language without a catalogue."""
    rest: list[str] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word == "--":
            return [*rest, word, *pending]
        name, is_joined, value = word.partition("=")
        if name != OPTION:
            rest.append(word)
            continue
        if not is_joined:
            value = pending.pop(0) if pending else ""
        os.environ[VARIABLE] = known_language(value, error)
    return rest


def known_language(value: str, error: Callable[[str, str], Exception] = UsageError) -> str:
    """Return the language as we write it; raise `error` for one without a catalogue."""
    found = next((name for name in LANGUAGES if name.lower() == value.replace("_", "-").lower()), None)
    if found is None:
        said = f"{OPTION}: there is no {value!r}" if value else f"{OPTION} needs a language"
        raise error(said, f"there are: {', '.join(LANGUAGES)}")
    return found


def language_of(stream: TextIO) -> str:
    """Return the language for this stream; empty for English. Files and pipes get English, but for `--lang`."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen:
        return chosen if chosen in LANGUAGES and chosen != ENGLISH else ""
    if not stream.isatty() or (stream.encoding or "").lower().replace("-", "") != "utf8":
        return ""
    said = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return _LOCALES.get(said.partition(".")[0].partition("@")[0].lower(), "")
