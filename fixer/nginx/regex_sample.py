"""A text that a simple regular expression matches, made in one pass; None for a complex expression."""

from __future__ import annotations

import re

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

_DEEPEST = 6
_LONGEST = 500
_LONGEST_NESTED = 10      # characters that a repeat within a repeat is tried on: the cost may double with each
_MOST_REPEATS = 128
_CLASSES = {b"d": b"1", b"w": b"a", b"s": b" ", b"D": b"a", b"W": b"-", b"S": b"a"}
_NO_TEXT = frozenset((b"b", b"B", b"A", b"Z", b"z"))
_REPEAT = regex(rb"(\*|\+|\?|\{(\d{1,4})(,\d{0,4})?\})[?+]?")
_NAMED = regex(rb"\(\?P?<(\w+)>")
_LOOK_AROUND = regex(rb"\?<?[=!]")
_FLAGS = regex(rb"\?[imsx]+(?P<end>[:)])")
_LITERAL = regex(rb"(?:(?:[A-Za-z0-9/_~-]|\\[^A-Za-z0-9])(?![*?{+]))*")
_ESCAPED = regex(rb"\\(.)", re.DOTALL)
_SET_OPERATION = regex(rb"--|&&|~~|\|\|")  # Python may interpret these differently in future, and warns
_CANDIDATES = b"axz019-_.AZ/~+%"


@dataclass(frozen=True, slots=True)
class Sample:
    """A text that the expression probably matches, and the expression itself. `is_nested`: it repeats a repeat."""

    text: bytes
    pattern: re.Pattern[bytes]
    is_nested: bool = False

    def matches(self, path: bytes) -> bool | None:
        """Return whether the expression matches a path, None if that may be slow to find out."""
        if self.is_nested and len(path) > _LONGEST_NESTED:
            return None
        return self.pattern.search(path[:_LONGEST]) is not None


class _HardError(Exception):
    """The expression is too complex."""


def sample_of(pattern: bytes, *, ignore_case: bool) -> Sample | None:
    """Return a sample of the expression, None if it is too complex."""
    if len(pattern) > _LONGEST:
        return None
    try:
        reader = _Reader(pattern)
        text = reader.alternatives(0)
        compiled = re.compile(_NAMED.sub(rb"(?P<\1>", pattern), re.IGNORECASE if ignore_case else 0)
    except (_HardError, re.error, OverflowError):
        return None
    if reader.position < len(pattern):
        return None
    return Sample(text, compiled, reader.is_nested)


def literal_start(pattern: bytes) -> bytes:
    """Return the literal start of every match of a case-sensitive expression; empty if unknown."""
    if not pattern.startswith(b"^") or b"|" in pattern:
        return b""
    match = _LITERAL.match(pattern, 1)
    return _ESCAPED.sub(rb"\1", match[0]) if match is not None else b""


class _Reader:
    """Reader of an expression from left to right; takes the first, shortest alternative."""

    def __init__(self, pattern: bytes) -> None:
        self.pattern = pattern
        self.position = 0
        self.repeats = 0
        self.is_nested = False

    def alternatives(self, depth: int) -> bytes:
        if depth > _DEEPEST:
            raise _HardError
        first = self._sequence(depth)
        while self._take(b"|"):
            self._sequence(depth)
        return first

    def _sequence(self, depth: int) -> bytes:
        made: list[bytes] = []
        while self.position < len(self.pattern) and self.pattern[self.position : self.position + 1] not in (b"|", b")"):
            before = self.repeats
            atom = self._atom(depth)
            made.append(self._repeated(atom, self.repeats > before))
        return b"".join(made)

    def _repeated(self, atom: bytes, has_inner_repeat: bool) -> bytes:
        match = _REPEAT.match(self.pattern, self.position)
        if match is None:
            return atom
        self.position = match.end()
        if match[1] != b"?":
            self.repeats += 1
            self.is_nested |= has_inner_repeat
        if match[1] in (b"*", b"?"):
            return b""
        count = int(match[2]) if match[2] is not None else 1
        if count > _MOST_REPEATS or len(atom) * count > _LONGEST:
            raise _HardError
        return atom * count

    def _atom(self, depth: int) -> bytes:
        char = self.pattern[self.position : self.position + 1]
        self.position += 1
        match char:
            case b"^" | b"$":
                return b""
            case b".":
                return b"x"
            case b"\\":
                return self._escape()
            case b"[":
                return self._class()
            case b"(":
                return self._group(depth)
            case b"*" | b"+" | b"?":
                raise _HardError
            case _:
                return char

    def _escape(self) -> bytes:
        char = self.pattern[self.position : self.position + 1]
        self.position += 1
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _NO_TEXT:
            return b""
        if not char or char.isalnum():
            raise _HardError
        return char

    def _class(self) -> bytes:
        end = self.position + (self.pattern[self.position : self.position + 1] == b"^")
        end += self.pattern[end : end + 1] == b"]"
        while end < len(self.pattern) and self.pattern[end : end + 1] != b"]":
            end += 2 if self.pattern[end : end + 1] == b"\\" else 1
        body = self.pattern[self.position - 1 : end + 1]
        if b"[" in body[1:] or _SET_OPERATION.search(body):
            raise _HardError
        self.position = end + 1
        member = re.compile(body)
        for byte in _CANDIDATES + bytes(range(33, 127)):
            if member.fullmatch(bytes((byte,))):
                return bytes((byte,))
        raise _HardError

    def _group(self, depth: int) -> bytes:
        rest = self.pattern[self.position :]
        is_read = True
        if rest.startswith(b"?:"):
            self.position += 2
        elif (look := _LOOK_AROUND.match(rest)) is not None:
            self.position += look.end()
            is_read = False         # what it looks at is no part of the match
        elif (flags := _FLAGS.match(rest)) is not None:
            self.position += flags.end()
            if flags["end"] == b")":
                return b""
        elif rest.startswith(b"?"):
            named = _NAMED.match(self.pattern, self.position - 1)
            if named is None:
                raise _HardError
            self.position = named.end()
        text = self.alternatives(depth + 1)
        if not self._take(b")"):
            raise _HardError
        return text if is_read else b""

    def _take(self, char: bytes) -> bool:
        if self.pattern[self.position : self.position + 1] != char:
            return False
        self.position += 1
        return True
