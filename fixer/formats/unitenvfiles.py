"""What systemd reads in an EnvironmentFile=: no shell, a `#` within a line is part of the value, `export` no name."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.env_file import assignments
from fixer.formats.shell_words import Piece, Word
from fixer.lazy.regex import regex

_NAME = regex(r"[A-Za-z_]\w*")


def read_unit_env_file(file: str, data: bytes) -> dict[str, Word]:
    """Every variable that systemd takes from the file, the last assignment of each, by its own rules."""
    text = data.decode("latin-1")
    found: dict[str, Word] = {}
    for one in assignments(text):
        if _NAME.fullmatch(one.name):
            found[one.name] = Word(tuple(_pieces(text, one.kept, file, (one.at, one.line))))
    return found


def _pieces(text: str, kept: tuple[int, ...], file: str, counted: tuple[int, int]) -> Iterator[Piece]:
    """Runs of what stands side by side; `counted` is a place before them, and its line."""
    before, line = counted
    start = 0
    for i in range(1, len(kept) + 1):
        if i == len(kept) or kept[i] != kept[i - 1] + 1:
            run = kept[start:i]
            line, before = line + text.count("\n", before, run[0]), run[0]
            yield Piece(text[run[0]:run[-1] + 1], file, line, run[0])
            start = i
