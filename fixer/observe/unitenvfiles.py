"""What systemd reads in an EnvironmentFile=: no shell, a `#` within a line is part of the value, `export` no name."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.model.regex import regex
from fixer.observe.words import Piece, Word

_NAME = regex(r"[A-Za-z_]\w*")
_HELD = "\"\\`$"          # what a backslash takes its meaning from within double quotes


def read_unit_env_file(file: str, data: bytes) -> dict[str, Word]:
    """Every variable that systemd takes from the file, the last assignment of each, by its own rules."""
    text = data.decode("latin-1")
    found: dict[str, Word] = {}
    at, line = 0, 1
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        name, sign, _ = text[at:end].partition("=")
        if not sign or name.strip()[:1] in ("#", ";"):
            at, line = end + 1, line + 1
            continue
        kept, after = _value(text, at + len(name) + 1)
        if _NAME.fullmatch(name.strip()):
            found[name.strip()] = Word(tuple(_pieces(text, kept, file, (at, line))))
        at, line = after, line + text.count("\n", at, after)
    return found


def _value(text: str, at: int) -> tuple[list[int], int]:
    """Where the characters of a value stand, and where the next line begins."""
    kept: list[int] = []
    quote, trimmed, begun = "", 0, False    # `trimmed`: how much stays when blanks at the end go
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'":
            escaped = text[at + 1:at + 2]
            if quote and escaped not in (*_HELD, "\n"):
                kept.append(at)
            if escaped and escaped != "\n":
                kept.append(at + 1)
            at, trimmed, begun = at + 2, len(kept), True
            continue
        if quote:
            if char == quote:
                quote, begun, trimmed = "", False, len(kept)
            else:
                kept.append(at)
        elif char == "\n":
            break
        elif not begun and char in "'\"":
            quote = char
        elif begun or not char.isspace():
            kept.append(at)
            begun, trimmed = True, trimmed if char.isspace() else len(kept)
        at += 1
    return kept if quote else kept[:trimmed], at + 1


def _pieces(text: str, kept: list[int], file: str, counted: tuple[int, int]) -> Iterator[Piece]:
    """Runs of what stands side by side; `counted` is a place before them, and its line."""
    before, line = counted
    start = 0
    for i in range(1, len(kept) + 1):
        if i == len(kept) or kept[i] != kept[i - 1] + 1:
            run = kept[start:i]
            line, before = line + text.count("\n", before, run[0]), run[0]
            yield Piece(text[run[0]:run[-1] + 1], file, line, run[0])
            start = i
