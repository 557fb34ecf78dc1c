"""Strings and comments of code (Python, JavaScript, Ruby, JSON): those that causes read are shown. Pure.

Names, numbers and the structure stay, so the code reads as before. A string keeps its quotes, and every line its
place."""

from __future__ import annotations

import re

from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.redaction.allowed import row
from fixer.redaction.masks import BLANK, Masks, is_plain, without_marks
from fixer.redaction.nginx_words import mask_comment

with lazy_imports():  # not needed in most looks
    from fixer.redaction.commands import mask_command, mask_value

_STRINGS = (
    r"""(\"{3}(?:[^"\\]++|\\.|"(?!""))*(?:\"{3}|$)|'{3}(?:[^'\\]++|\\.|'(?!''))*(?:'{3}|$))"""
    r"""|("(?:[^"\\\n]++|\\(?:.|\Z))*"?|'(?:[^'\\\n]++|\\(?:.|\Z))*'?|`(?:[^`\\]++|\\.)*`?)|"""
)
# `//` divides in one language, `#` begins a private name in the other
_HASH_TOKEN = regex(_STRINGS + r"(#[^\n]*)", re.DOTALL)
_SLASH_TOKEN = regex(_STRINGS + r"(//[^\n]*|/\*(?:[^*]++|\*(?!/))*(?:\*/)?)", re.DOTALL)
_NAMED = regex(r"""(?:^|[^\w.])["']?([A-Za-z_]\w*)["']?[ \t]*+[=:][ \t]*+[\[({]?[ \t]*+[fbrFBR]{0,2}$""", re.ASCII)
_LOOKUP = regex(r"(?:environ|ENV|env|getenv|config|get|fetch|pop|setdefault)[ \t]*[\[(.][ \t]*$")
_DEFAULT = regex(r"""["']([A-Za-z_]\w*)["'][ \t]*,[ \t]*$""", re.ASCII)
_CALLED = row("CALLED")
_PORT_FOLLOWS = row("PORT_OF_CALL")
_KEY_FOLLOWS = regex(r"[ \t]*:")
_SHOWN_NAME = row("CODE_NAME")
_TEXT = row("CODE_TEXT")
_PAIR = regex(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_NAME = regex(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = regex(r"(?<!\\)(?:\\\\)*\\\Z")     # an odd number of backslashes
_NUMBER = regex(r"(?<![\w.])[0-9]{9,}(?![\w.])", re.ASCII)
_WORD = regex(r"[A-Za-z0-9_]{10,}")


def mask_code(text: str, masks: Masks, *, slashes: bool) -> str:
    """Return code masked; `slashes`: its comments begin with `//`, not with `#`."""
    out: list[str] = []
    at = 0
    for match in (_SLASH_TOKEN if slashes else _HASH_TOKEN).finditer(text):
        out.append(_between(text[at : match.start()], masks))
        before = text[max(0, match.start() - 120) : match.start()].rpartition("\n")[2]
        if match[3]:
            out.append(_comment(match[0], masks))
        else:
            out.append(_string(match[0], before, text[match.end() : match.end() + 8], masks))
        at = match.end()
    return "".join(out) + _between(text[at:], masks)


def _between(text: str, masks: Masks) -> str:
    text = _NUMBER.sub(lambda m: masks.mark(m[0]), text)
    return _WORD.sub(lambda m: masks.mark(m[0]) if masks.is_random(m[0]) else m[0], text)


def _comment(text: str, masks: Masks) -> str:
    if text.startswith("#!") or "coding" in text[:20]:
        return text
    sign = "#" if text[0] == "#" else text[:2]
    return "\n".join(mask_comment(line, sign if line.startswith(sign) else "", masks) if line.strip(BLANK) else line
                     for line in text.split("\n"))


def _string(said: str, before: str, after: str, masks: Masks) -> str:
    quote = said[:3] if said[:3] in ('"""', "'''") else said[0]
    inner = said[len(quote) : len(said) - len(quote)]
    closed = len(said) >= 2 * len(quote) and said.endswith(quote) and not _ESCAPES.search(inner)
    value = inner if closed else said[len(quote) :]
    end = quote if closed else ""
    goes_on = not closed and (quote == "`" or len(quote) > 1 or _ESCAPES.search(value))
    if "\n" in value or goes_on:
        lines = ((line, line.strip(BLANK)) for line in value.split("\n"))
        return quote + "\n".join(masks.mark(said) if said else line for line, said in lines) + end
    return quote + _judged(value, before, after, masks) + end


def _judged(value: str, before: str, after: str, masks: Masks) -> str:
    if not value or is_plain(value):
        return value
    simple = without_marks(value)
    if simple != value:
        return value if _judged(simple, before, after, masks) == simple else masks.mark(value)
    name = _NAMED.search(before)
    if name is not None and _SHOWN_NAME.fullmatch(name[1].lower()):
        return mask_command(value, masks) if name[1] == "args" else masks.parts(value)
    if _LOOKUP.search(before) and _NAME.fullmatch(value) and not masks.is_random(value):
        return value
    if _KEY_FOLLOWS.match(after) and _NAME.fullmatch(value) and not masks.is_random(value):
        return value
    if value in masks.hosts and _PORT_FOLLOWS.match(after) and _CALLED.search(before):
        return value
    default = _DEFAULT.search(before)
    if default is not None:
        return mask_value(default[1], value, masks)
    pair = _PAIR.fullmatch(value)
    if pair is not None and pair[2] and not masks.is_random(pair[1]):
        return f"{pair[1]}={mask_value(pair[1], pair[2], masks)}"
    if name is not None:
        return mask_value(name[1], value, masks)
    return masks.parts(value) if _TEXT.fullmatch(value) else masks.value(value)
