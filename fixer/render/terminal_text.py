"""Untrusted text made safe for terminals: escaped, measured, wrapped; width, colours, symbols, language as data."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

if TYPE_CHECKING:  # an English run loads no catalogue
    from fixer.languages.catalogue import Catalogue

SHORTEST_COLUMN = 24  # a narrower column of text on the right goes below its name instead
TEXT_WIDTH = 100  # columns of running text on a wider terminal: longer lines are hard to read

Colour: TypeAlias = Literal["red", "green", "yellow", "bold", "dim", "cyan"]

_CODES: dict[Colour, str] = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2", "cyan": "36"}

_ASCII = {"✗": "FAIL", "✔": "OK", "?": "?", "!": "!", "·": "-", "…": "...", "→": "->"}


@dataclass(frozen=True, slots=True)
class Style:
    """What the output supports: `colour` by escape codes, `symbols` beyond ASCII, its columns, and its language: a
    catalogue, None for English."""

    colour: bool = False
    symbols: bool = False
    width: int = 80
    catalogue: Catalogue | None = None

    def say(self, key: str, english: str, /, **values: object) -> str:
        """Return one of our texts in the language of the output, with `{name}` filled in."""
        text = english if self.catalogue is None else self.catalogue.text(key, english)
        return text.format(**values) if values else text

    def title(self, key: str, english: str) -> str:
        """Return the translation of a title that an English output does not show; empty if there is none."""
        found = self.catalogue is not None and self.catalogue.has(key, english)
        return self.say(key, english) if found else ""

    def paint(self, text: str, colour: Colour) -> str:
        """Return the text in that colour, or unchanged."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.colour and text else text

    @property
    def text_width(self) -> int:
        """Return the columns of running text."""
        return min(self.width, TEXT_WIDTH)

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


def wrap(text: str, width: int) -> list[str]:
    """Return a clean text wrapped at spaces, and Chinese between characters, into lines of `width` columns. A longer
    word has a line of its own."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        gap = " "
        for piece in _pieces(word):
            if line and count_columns(line) + len(gap) + count_columns(piece) <= width:
                line = f"{line}{gap}{piece}"
            else:
                lines += [line] if line else []
                line = piece
            gap = ""
    return [*lines, line]


def _pieces(word: str) -> list[str]:
    """Return a word cut where Chinese text may wrap: after its punctuation, and between the characters of a clause that
    holds nothing else. A name or path with ASCII in it is not cut."""
    if word.isascii():
        return [word]
    clauses = [word[0]]
    for before, char in pairwise(word):
        if _is_wide(before, _CLOSING) and not _is_wide(char, _CLOSING):
            clauses.append("")
        clauses[-1] += char
    return [piece for clause in clauses for piece in _clause_pieces(clause)]


def _clause_pieces(clause: str) -> list[str]:
    if any(c.isascii() for c in clause):
        return [clause]
    pieces = [clause[0]]
    for before, char in pairwise(clause):
        both_wide = _is_wide(before) and _is_wide(char)
        if both_wide and not (_is_wide(char, _CLOSING) or _is_wide(before, _OPENING)):
            pieces.append("")
        pieces[-1] += char
    return pieces


_OPENING, _CLOSING = ("Ps", "Pi"), ("Pe", "Pf", "Po")  # Unicode's categories of brackets, quotes and other punctuation


def _is_wide(char: str, categories: tuple[str, ...] = ()) -> bool:
    """Return whether a character takes two columns, and is of one of the categories, if any are given."""
    return _column_width(char) == 2 and (not categories or unicodedata.category(char) in categories)


def hang(text: str, width: int, indent: int) -> list[str]:
    """Return a clean text wrapped and indented; the lines after the first are indented by two more."""
    first, *rest = wrap(text, width - indent - 2)
    return [" " * indent + first, *(" " * (indent + 2) + line for line in rest)]


def command_lines(text: str, width: int, indent: int) -> list[str]:
    """Return a command wrapped and indented, each line continued after a backslash: it can be copied as is."""
    *lines, last = hang(text, width - 2, indent)
    return [*(f"{line} \\" for line in lines), last]


def longest_word(text: str) -> int:
    """Return the columns of the longest word of a clean text."""
    return max((count_columns(piece) for word in text.split() for piece in _pieces(word)), default=0)


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
