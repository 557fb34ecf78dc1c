"""Texts that make a backtracking regular expression work: fixed runs, and what a pattern's own parts suggest."""

from __future__ import annotations

import re
import re._constants as _c
import re._parser as _parser
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

Shape = Callable[[int], str]    # returns a text of about so many characters

# Repeated to any length; each is a run or a nest that logs, configurations and names of an attacker may hold.
_UNITS = (
    "a", "A", "_", "7", " ", "\t", "\n", "'", '"', ".", "/", ":", "-", "=", "[", "(", "{", "<", "\\", "$", "%", "#", ",", ";", "@",
    "a ", "aA", "a.", "a/", "a:", "a-", "a=", "a,", "1.", "1:", "1 ", "/a", ": ", " a=", '"a"', "'a' ", "a\n", " \n", "\n\n ", "[]",
    "[[a]", "()", "((a)", "{a}", "a:1 ", "a.b:1: ", "\\\"", "\\\\", "x=1;", "x: 'y' ", "A_1=", "#\n", "a'b\"", "\r\n", "é", "密 ",
)
_ENDS = ("", "\0", "!\n", "a")
_MOST_PREFIXES = 40             # partial samples of one pattern
_CANDIDATES = "a7A_ \n\t./:-='\"[](){}<>\\$%#,;@!\0+&*|?é0fF"


def fixed_shapes() -> list[tuple[str, Shape]]:
    """Return (name, shape) of the runs that every pattern is tried on."""
    return [(f"{unit!r} repeated", _repeat("", unit, "")) for unit in _UNITS]


def own_shapes(pattern: re.Pattern[Any]) -> list[tuple[str, Shape]]:
    """Return (name, shape) of the texts that the parts of a pattern suggest.

    A prefix is a text that the pattern's first parts match. Each prefix is repeated; where a repetition follows, it is
    followed by a run of what is repeated, also with prefix and run together repeated.
    """
    written = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    tree = _parser.parse(written, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags)
    shapes: dict[tuple[str, str, str], None] = {}
    for prefix, runs in islice(_prefixes(list(tree), "", pattern.flags), _MOST_PREFIXES):
        if prefix:
            shapes[("", prefix, "")] = None
            shapes[("", prefix + "\n", "")] = None
            shapes[("", prefix + " ", "")] = None
        for run in runs:
            shapes[(prefix, run, "\0")] = None
            shapes[("", prefix + run * 3, "\0")] = None
            if prefix:
                shapes[("\n", prefix + run, "\n\0")] = None
    return [(f"{head[:60]!r} + {unit[:60]!r} repeated + {end!r}", _repeat(head, unit, end)) for head, unit, end in shapes]


def _repeat(head: str, unit: str, end: str) -> Shape:
    return lambda size: head + unit * max(1, size // len(unit)) + end


def _prefixes(parts: list[Any], before: str, flags: int) -> Iterator[tuple[str, list[str]]]:
    """Yield each partial sample of a sequence with the characters of the repetition that follows it, if one does."""
    text = before
    for at, part in enumerate(parts):
        yield from _inside(part, text, flags)
        text += _sample(part)
        if at == len(parts) - 1 or at % 3 == 2:
            yield text, []


def _inside(part: Any, text: str, flags: int) -> Iterator[tuple[str, list[str]]]:
    kind, value = part
    if kind in (_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT):
        _, most, body = value
        if most > 50:
            yield text, _runs(list(body))
        yield from _prefixes(list(body), text, flags)
    elif kind is _c.SUBPATTERN:
        yield from _prefixes(list(value[3]), text, flags)
    elif kind is _c.ATOMIC_GROUP:
        yield from _prefixes(list(value), text, flags)
    elif kind is _c.BRANCH:
        for branch in value[1]:
            yield from _prefixes(list(branch), text, flags)
    elif kind in (_c.ASSERT, _c.ASSERT_NOT) and value[0] > 0:
        yield from _prefixes(list(value[1]), text, flags)


def _runs(body: list[Any]) -> list[str]:
    """Return what a repetition may repeat: up to five different characters of its class, or its body's sample."""
    if len(body) == 1 and body[0][0] in (_c.IN, _c.ANY, _c.NOT_LITERAL, _c.CATEGORY):
        return [c for c in _CANDIDATES if _fits(body[0], c)][:8]
    sample = "".join(map(_sample, body))
    return [sample] if sample else []


def _sample(part: Any) -> str:
    """Return a short text that one part matches."""
    kind, value = part
    if kind is _c.LITERAL:
        return chr(value)
    if kind in (_c.IN, _c.NOT_LITERAL, _c.ANY):
        return next((c for c in _CANDIDATES if _fits(part, c)), "")
    if kind in (_c.MAX_REPEAT, _c.MIN_REPEAT, _c.POSSESSIVE_REPEAT):
        least, most, body = value
        once = "".join(map(_sample, body))
        return once * min(max(int(least), 1 if most else 0), 40)
    if kind is _c.SUBPATTERN:
        return "".join(map(_sample, value[3]))
    if kind is _c.ATOMIC_GROUP:
        return "".join(map(_sample, value))
    if kind is _c.BRANCH:
        return "".join(map(_sample, value[1][0]))
    return ""


def _fits(part: Any, char: str) -> bool:
    kind, value = part
    if kind is _c.ANY:
        return char != "\n"
    if kind is _c.LITERAL:
        return ord(char) == value
    if kind is _c.NOT_LITERAL:
        return ord(char) != value
    if kind is _c.CATEGORY:
        return re.match(_CATEGORIES[value], char) is not None
    if kind is _c.RANGE:
        return bool(value[0] <= ord(char) <= value[1])
    if kind is not _c.IN:
        return False
    negated = value[0][0] is _c.NEGATE
    return negated != any(_fits(each, char) for each in value[negated:])


_CATEGORIES = {
    _c.CATEGORY_DIGIT: r"\d", _c.CATEGORY_NOT_DIGIT: r"\D", _c.CATEGORY_SPACE: r"\s", _c.CATEGORY_NOT_SPACE: r"\S",
    _c.CATEGORY_WORD: r"\w", _c.CATEGORY_NOT_WORD: r"\W",
}
