"""Parser for the YAML of compose files that records the byte span of every scalar. Never raises."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from typing import TypeAlias

from fixer.lazy.dataclass import dataclass, field
from fixer.lazy.parse_cache import parse_once
from fixer.lazy.regex import regex

_ALIAS = regex(r"\*([^\s,\]}]+)")
_SPACE_BEFORE_COMMENT = regex(r"[ \t]#")
_LINE_BREAK = regex(r"(?<!\s)\s*\n\s*")
_ESCAPE = regex(r"\\(.)")
_BLANK = regex(r"(?:\s|#[^\n]*)*")

DEEPEST = 40


@dataclass(slots=True)
class Scalar:
    """One value. `start`/`end` cover its text inside quotes; `exact` if the file has that text byte for byte."""

    text: str
    start: int
    end: int
    exact: bool
    style: str  # plain, single, double, block
    outer_end: int  # after the closing quote


@dataclass(slots=True)
class Map:
    """A mapping; `indent` is the column of its keys, `end` the end of its last entry."""

    entries: list[tuple[Scalar, Node | None]]
    indent: int
    flow: bool
    start: int
    end: int

    def get(self, key: str) -> Node | None:
        """Return the value of a key, through merges (`<<`); the last one wins."""
        for name, value in reversed(self.entries):
            if name.text == key:
                return value
        for name, value in self.entries:
            if name.text == "<<":
                for source in value.items if isinstance(value, Seq) else [value]:
                    found = source.get(key) if isinstance(source, Map) else None
                    if found is not None:
                        return found
        return None


@dataclass(slots=True)
class Seq:
    """A list; `indent` is the column of its dashes."""

    items: list[Node | None]
    indent: int
    flow: bool
    start: int
    end: int


Node: TypeAlias = Scalar | Map | Seq


@dataclass(slots=True)
class _Line:
    indent: int
    at: int  # of its first significant character
    end: int  # of the line, without its newline


_KEY = regex(
    r"""(?: (?: "(?:\\.|[^"\\\n])*" | '(?:''|[^'\n])*' ) [ \t]*
          | [^\s\#'"\[\]{},&*!|>%@`-] [^\n\#:]*+ (?: :\S [^\n\#:]*+ )*
          | - [^\s:] [^\n:]*+ )
        : (?=[ \t\n]|$)""",
    re.VERBOSE,
)
_PROPERTY = regex(r"(?:&(\S+)|!\S*)[ \t]*")
_COMMENT = regex(r"[ \t]*(?:#[^\n]*)?(?=\n|$)")
_FLOW_TEXT = regex(     # up to the blanks before what ends it
    r"(?:[^,\[\]{}\n#: \t]++|:(?![ \t\n])|[ \t]++(?![,\]}\n#]|:[ \t\n]|$))*(?=[ \t]*(?:[,\]}\n#]|:[ \t\n]|$))")
_DOUBLE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", '"': '"', "\\": "\\", "/": "/", " ": " "}


def parse_yaml(data: bytes) -> Node | None:
    """Return the first document of a file; None if this parser understands nothing of it."""
    return _Reader(data.decode("latin-1")).read()


@dataclass(slots=True)
class _Reader:
    text: str
    lines: list[_Line] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)

    def read(self) -> Node | None:
        self.lines = list(self._split())
        if not self.lines:
            return None
        return self._block(0, self.lines[0].indent, 0)[0]

    def _split(self) -> Iterator[_Line]:
        at = 0
        seen = False
        for raw in self.text.split("\n"):
            stripped = raw.strip(" \t\r")
            if raw.startswith("...") or (raw.startswith("---") and seen):
                return
            seen = seen or bool(stripped and not stripped.startswith("#") and not raw.startswith("%"))
            if stripped and not stripped.startswith("#") and not raw.startswith(("---", "%")):
                indent = len(raw) - len(raw.lstrip(" \t"))
                yield _Line(indent, at + indent, at + len(raw.rstrip("\r")))
            at += len(raw) + 1

    def _block(self, i: int, indent: int, depth: int) -> tuple[Node | None, int]:
        """Return the node whose first line is `i`, and the line after it."""
        line = self.lines[i]
        if depth > DEEPEST:
            return None, len(self.lines)
        if self._is_dash(line):
            return self._sequence(i, indent, depth)
        if _KEY.match(self.text, line.at, line.end):
            return self._mapping(i, indent, depth)
        return self._value(i, line.at, indent - 1, depth)

    def _is_dash(self, line: _Line) -> bool:
        return self.text[line.at] == "-" and self.text[line.at + 1 : line.at + 2] in ("", " ", "\n", "\t", "\r")

    def _mapping(self, i: int, indent: int, depth: int) -> tuple[Node, int]:
        found = Map([], indent, False, self.lines[i].at, self.lines[i].at)
        while i < len(self.lines) and self.lines[i].indent == indent and not self._is_dash(self.lines[i]):
            line = self.lines[i]
            match = _KEY.match(self.text, line.at, line.end)
            if match is None:
                break
            key = self._scalar(line.at, match.end() - 1, match.end() - 1)
            value, i = self._value(i, match.end(), indent, depth)
            found.entries.append((key, value))
            found.end = value.end if isinstance(value, Map | Seq) and not self._is_alias(value, match.end()) else \
                value.outer_end if isinstance(value, Scalar) and value.start >= line.at else match.end()
        return found, max(i, 0)

    def _is_alias(self, value: Node, at: int) -> bool:
        return value.start < at

    def _sequence(self, i: int, indent: int, depth: int) -> tuple[Node, int]:
        found = Seq([], indent, False, self.lines[i].at, self.lines[i].at)
        while i < len(self.lines) and self.lines[i].indent == indent and self._is_dash(self.lines[i]):
            line = self.lines[i]
            at = line.at + 1
            while self.text[at : at + 1] in (" ", "\t"):
                at += 1
            inner = _Line(indent + at - line.at, at, line.end)
            if at < line.end and (self._is_dash(inner) or _KEY.match(self.text, at, line.end)):
                self.lines[i] = inner
                value, i = self._block(i, self.lines[i].indent, depth + 1)
            else:
                value, i = self._value(i, line.at + 1, indent, depth)
            found.items.append(value)
            found.end = value.end if isinstance(value, Map | Seq) else value.outer_end if value is not None else at
        return found, i

    def _value(self, i: int, at: int, indent: int, depth: int) -> tuple[Node | None, int]:
        """Parse what follows a key or dash of line `i`, from offset `at` on, with a parent at `indent`."""
        line = self.lines[i]
        anchor = ""
        while at < line.end and self.text[at] in " \t":
            at += 1
        while match := _PROPERTY.match(self.text, at, line.end):
            anchor, at = match[1] or anchor, match.end()
        node, after = self._plain_value(i, at, indent, depth)
        if anchor and node is not None:
            self.anchors[anchor] = node
        return node, after

    def _plain_value(self, i: int, at: int, indent: int, depth: int) -> tuple[Node | None, int]:
        line = self.lines[i]
        if _COMMENT.match(self.text, at, line.end) and (at >= line.end or self.text[at] == "#"):
            return self._below(i + 1, indent, depth)
        char = self.text[at]
        if char in "[{":
            node, end = self._flow(at, depth)
            return node, self._line_after(end, i)
        if char == "*":
            name = _ALIAS.match(self.text, at)
            return self.anchors.get(name[1]) if name else None, i + 1
        if char in "|>":
            return self._block_scalar(i, at, indent)
        if char in "\"'":
            scalar = self._quoted(at)
            return scalar, self._line_after(scalar.outer_end, i)
        return self._plain(i, at, indent)

    def _below(self, i: int, indent: int, depth: int) -> tuple[Node | None, int]:
        if i >= len(self.lines):
            return None, i
        line = self.lines[i]
        if line.indent > indent or (line.indent == indent and self._is_dash(line)):
            return self._block(i, line.indent, depth + 1)
        return None, i

    def _line_after(self, end: int, i: int) -> int:
        while i < len(self.lines) and self.lines[i].at < end:
            i += 1
        return i

    def _plain(self, i: int, at: int, indent: int) -> tuple[Scalar, int]:
        """Parse a plain scalar, with the deeper lines that continue it."""
        end = self._plain_end(at, self.lines[i].end)
        text, exact, last = self.text[at:end], True, end
        i += 1
        while i < len(self.lines) and self.lines[i].indent > indent and "#" not in self.text[last : self.lines[i].at]:
            last = self._plain_end(self.lines[i].at, self.lines[i].end)
            text, exact = f"{text} {self.text[self.lines[i].at : last]}", False
            i += 1
        return Scalar(text, at, last, exact, "plain", last), i

    def _plain_end(self, at: int, end: int) -> int:
        match = _SPACE_BEFORE_COMMENT.search(self.text, at, end)
        end = match.start() if match else end
        return at + len(self.text[at:end].rstrip())

    def _scalar(self, at: int, end: int, outer: int) -> Scalar:
        if self.text[at] in "\"'":
            return self._quoted(at)
        text = self.text[at:end].rstrip()
        return Scalar(text, at, at + len(text), True, "plain", outer)

    def _quoted(self, at: int) -> Scalar:
        quote = self.text[at]
        pattern = r'"((?:\\.|[^"\\])*)"' if quote == '"' else r"'((?:''|[^'])*)'"
        match = re.compile(pattern, re.DOTALL).match(self.text, at)
        if match is None:
            return Scalar(self.text[at + 1 :], at + 1, len(self.text), False, "plain", len(self.text))
        raw = match[1]
        flowed = _LINE_BREAK.sub(" ", raw)
        text = (_ESCAPE.sub(lambda m: _DOUBLE_ESCAPES.get(m[1], m[1]), flowed) if quote == '"'
                else flowed.replace("''", "'"))
        style = "double" if quote == '"' else "single"
        return Scalar(text, match.start(1), match.end(1), text == raw, style, match.end())

    def _block_scalar(self, i: int, at: int, indent: int) -> tuple[Scalar, int]:
        """Parse `|` and `>`: the deeper lines below, joined by newlines or blanks."""
        start = min(self.lines[i].end + 1, len(self.text))
        offset, end, parts = start, start, []
        while offset < len(self.text):
            stop = self.text.find("\n", offset)
            stop = len(self.text) if stop < 0 else stop
            raw = self.text[offset:stop]
            if raw.strip() and len(raw) - len(raw.lstrip(" ")) <= indent:
                break
            parts.append(raw.strip())
            end = stop if raw.strip() else end
            offset = stop + 1
        text = ("\n" if self.text[at] == "|" else " ").join(parts).strip()
        return Scalar(text, start, end, False, "block", end), self._line_after(end, i + 1)

    def _flow(self, at: int, depth: int) -> tuple[Node | None, int]:
        """Parse a flow list or mapping, which may span lines."""
        opening = self.text[at]
        closing = "]" if opening == "[" else "}"
        items: list[Node | None] = []
        entries: list[tuple[Scalar, Node | None]] = []
        i = at + 1
        while i < len(self.text) and depth <= DEEPEST:
            i = self._skip(i)
            char = self.text[i : i + 1]
            if char in ("", closing):
                break
            if char == ",":
                i += 1
                continue
            before = i
            node, i = self._flow_item(i, depth)
            j = self._skip(i)
            if self.text[j : j + 1] == ":" and isinstance(node, Scalar):
                value, i = self._flow_item(self._skip(j + 1), depth)
                entries.append((node, value))
            elif opening == "[":
                items.append(node)
            elif isinstance(node, Scalar):
                entries.append((node, None))
            i = max(i, before + 1)
        end = min(i + 1, len(self.text))
        return Seq(items, -1, True, at, end) if opening == "[" else Map(entries, -1, True, at, end), end

    def _flow_item(self, i: int, depth: int) -> tuple[Node | None, int]:
        char = self.text[i : i + 1]
        if char in ("[", "{"):
            return self._flow(i, depth + 1)
        if char in ('"', "'"):
            scalar = self._quoted(i)
            return scalar, scalar.outer_end
        match = _FLOW_TEXT.match(self.text, i)
        end = match.end() if match else i + 1
        text = self.text[i:end].rstrip()
        if text.startswith("*"):
            return self.anchors.get(text[1:]), end
        return Scalar(text, i, i + len(text), True, "plain", i + len(text)), end

    def _skip(self, i: int) -> int:
        match = _BLANK.match(self.text, i)
        return match.end() if match else i


# Line numbers of offsets: needed for every word, so not counted from the start each time.


def line_of(data: bytes, at: int) -> int:
    """Return the line number, from 1."""
    return bisect_left(parse_once(partial(_line_ends, data), "lines", data), at) + 1


def _line_ends(data: bytes) -> list[int]:
    ends, at = [], data.find(b"\n")
    while at >= 0:
        ends.append(at)
        at = data.find(b"\n", at + 1)
    return ends
