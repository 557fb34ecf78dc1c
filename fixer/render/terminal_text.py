"""Untrusted text made safe for terminals: escaped, measured, wrapped and shortened; colours and symbols as data."""

from __future__ import annotations

import unicodedata
from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

WIDTH = 80  # columns of the page, whatever the terminal's width: the output never depends on it

Colour: TypeAlias = Literal["red", "green", "yellow", "bold", "dim", "cyan"]

_CODES: dict[Colour, str] = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2", "cyan": "36"}

_ASCII = {"✗": "FAIL", "✔": "OK", "?": "?", "!": "!", "·": "-", "…": "...", "→": "->"}


@dataclass(frozen=True, slots=True)
class Style:
    """What the output supports: `colour` by escape codes, `symbols` beyond ASCII."""

    colour: bool = False
    symbols: bool = False

    def paint(self, text: str, colour: Colour) -> str:
        """Return the text in that colour, or unchanged."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.colour and text else text

    @property
    def sign_width(self) -> int:
        """Return the columns of the widest sign."""
        return 1 if self.symbols else 4

    def sign(self, symbol: str) -> str:
        """Return one of our symbols, or its ASCII form."""
        return symbol if self.symbols else _ASCII[symbol]


PLAIN = Style()


def clean(text: str) -> str:
    """Return the text on one line, with every control, direction override and lone surrogate as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text.replace("\t", "    "))


def _escape(char: str) -> str:
    if char == "\n":
        return "\\n"
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clean_lines(text: str) -> list[str]:
    """Return the lines of a text, each of them clean."""
    return [clean(line) for line in text.split("\n")]


def count_columns(text: str) -> int:
    """Return how many columns a clean text occupies."""
    if text.isascii():
        return len(text)
    return sum(_column_width(c) for c in text)


def _column_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shorten(text: str, width: int, style: Style = PLAIN) -> str:
    """Return a clean text cut to `width` columns, with an ellipsis if it was cut."""
    return text if count_columns(text) <= width else _cut_to_width(text, width - count_columns(
        style.sign("…"))) + style.sign("…")


def shorten_middle(text: str, width: int, style: Style = PLAIN) -> str:
    """Return a clean text cut in its middle to `width` columns: the end of a path matters more than its middle."""
    if count_columns(text) <= width:
        return text
    room = width - count_columns(style.sign("…"))
    return _cut_to_width(text, room // 3) + style.sign("…") + _cut_to_width(text[::-1], room - room // 3)[::-1]


def _cut_to_width(text: str, width: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += _column_width(char)
        if used > width:
            return text[:index]
    return text


def wrap(text: str, width: int) -> list[str]:
    """Return a clean text wrapped at spaces into lines of at most `width` columns; split a longer word."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        rest = word
        if line and count_columns(line) + 1 + count_columns(rest) <= width:
            line = f"{line} {rest}"
            continue
        if line:
            lines.append(line)
        while count_columns(rest) > width:
            part = _cut_to_width(rest, width) or rest[0]
            lines.append(part)
            rest = rest[len(part):]
        line = rest
    return [*lines, line] if line else lines or [""]


def pad(text: str, width: int) -> str:
    """Return a clean text padded with spaces to `width` columns."""
    return text + " " * max(0, width - count_columns(text))


def plain_text(text: str, style: Style) -> str:
    """Return our own text without symbols that the output does not support."""
    if style.symbols:
        return text
    for symbol, word in _ASCII.items():
        text = text.replace(symbol, word)
    return text
