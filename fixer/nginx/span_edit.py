"""Edits of configuration files that change only the intended bytes, verified by parsing the result."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.errors import StepFailed
from fixer.nginx.lexer import Token, tokenize
from fixer.nginx.tree import parse

# A backslash would start an escape, and a control byte would end a word early.
_FORBIDDEN = frozenset(range(32)) | {0x5C, 0x7F}
_SPECIAL = _FORBIDDEN | frozenset(b" ;{}#\"'$")


class EditRefused(StepFailed):
    """The edit would change more than the intended word; nothing was written."""

    kind = "edit-refused"


def span_text(data: bytes, start: int, end: int) -> bytes:
    """Return the bytes of a span; raise EditRefused if it exceeds the file."""
    if not 0 <= start <= end <= len(data):
        raise EditRefused(f"the file has no bytes {start} to {end}", "run fixer again: the file has changed")
    return data[start:end]


def replace_span(data: bytes, start: int, end: int, new: bytes) -> bytes:
    """Return `data` with the span replaced; every token except the one around the span must stay the same."""
    span_text(data, start, end)
    if _FORBIDDEN.intersection(new):
        raise EditRefused("the new text contains a backslash or a control character")
    edited = data[:start] + new + data[end:]
    before, problems_before = tokenize(data)
    index = _around(before, start, end)
    after, problems_after = tokenize(edited)
    shift = len(new) - (end - start)
    _require_same(before, after, index, shift)
    if [problem.kind for problem in problems_before] != [problem.kind for problem in problems_after]:
        raise EditRefused("the edited file would no longer be a valid configuration")
    return edited


def replace_words(data: bytes, start: int, end: int, words: Sequence[bytes]) -> bytes:
    """Return `data` with the words from `start` to `end` replaced by any number of `words`; all else stays."""
    span_text(data, start, end)
    if not words or any(not word or _SPECIAL.intersection(word) for word in words):
        raise EditRefused("an argument to insert is empty or contains a special character")
    if b"#" in data[start:end]:
        raise EditRefused("the text to replace may contain a comment")
    edited = data[:start] + b" ".join(words) + data[end:]
    before, after = tokenize(data)[0], tokenize(edited)[0]
    inside = [i for i, token in enumerate(before) if start <= token.start and token.end <= end]
    shift = len(edited) - len(data)
    if not inside or any(before[i].kind != "word" for i in inside):
        raise EditRefused("the text to replace contains more than arguments")
    first, last = inside[0], inside[-1] + 1
    rest = [(*_shape(token), token.start + shift) for token in before[last:]]
    if before[first].start != start or before[last - 1].end != end or after[:first] != before[:first] or (
            [token.value for token in after[first:first + len(words)]] != list(words)) or (
            [(*_shape(token), token.start) for token in after[first + len(words):]] != rest):
        raise EditRefused("the edit would change how the file is read")
    return edited


def insert_after(data: bytes, at: int, line: bytes) -> bytes:
    """Return `data` with a directive inserted after the one that ends (`;` or `}`) at `at`, indented like it.
    `line` is the directive with its terminator, without indentation. Only its own tokens may be added."""
    span_text(data, at, at)
    before = tokenize(data)[0]
    place = next((i for i, token in enumerate(before) if token.end == at and token.kind in ("end", "close")), None)
    if place is None:
        raise EditRefused("no directive ends at that position")
    start_of_line = data.rfind(b"\n", 0, at) + 1
    text = data[start_of_line:at]
    indent = text[: len(text) - len(text.lstrip(b" \t"))]
    newline = b"\r\n" if data[start_of_line - 2 : start_of_line] == b"\r\n" else b"\n"
    edited = data[:at] + newline + indent + line + data[at:]
    new = parse(line)
    if len(new.directives) != 1 or any(tree.problem is not None for tree in (new, parse(data), parse(edited))):
        raise EditRefused("the new directive or the file around it is incomplete")
    added = tokenize(line)[0]
    expected = [_shape(token) for token in (*before[: place + 1], *added, *before[place + 1 :])]
    if [_shape(token) for token in tokenize(edited)[0]] != expected:
        raise EditRefused("the new directive would change the text around it")
    return edited


def _around(tokens: tuple[Token, ...], start: int, end: int) -> int:
    for index, token in enumerate(tokens):
        quote = len(token.quote)
        if token.kind == "word" and token.start + quote <= start and end <= token.end - quote:
            return index
    raise EditRefused("the text to replace is not within one argument")


def _require_same(before: tuple[Token, ...], after: tuple[Token, ...], index: int, shift: int) -> None:
    if len(before) != len(after) or before[:index] != after[:index]:
        raise EditRefused("the edit would change how the file is read")
    old, new = before[index], after[index]
    if (old.kind, old.start, old.quote, old.end + shift) != (new.kind, new.start, new.quote, new.end):
        raise EditRefused("the edit would extend beyond its argument")
    for was, now in zip(before[index + 1 :], after[index + 1 :], strict=True):
        if (was.kind, was.value, was.quote, was.start + shift) != (now.kind, now.value, now.quote, now.start):
            raise EditRefused("the edit would change the text after it")


def _shape(token: Token) -> tuple[str, bytes, bytes]:
    return token.kind, token.value, token.quote
