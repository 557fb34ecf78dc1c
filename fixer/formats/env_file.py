"""How systemd reads an EnvironmentFile=, character by character: where a value ends, and what runs on into it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.formats.shell_words import Piece, Word, shell_words
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

_ESCAPABLE = "\"\\`$"          # what a backslash takes its meaning from within double quotes


@dataclass(frozen=True, slots=True)
class EnvLine:
    """One `NAME=value`: its first and last line, the offset of each character of the value, and the quote that is
    open where the file ends (empty where none is)."""

    name: str
    line: int
    last: int
    at: int
    value_offsets: tuple[int, ...]
    quote: str


def env_lines(text: str) -> Iterator[EnvLine]:
    """All of them in order; the name is as it stands there, without blanks around it."""
    at, line = 0, 1
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        name, sign, _ = text[at:end].partition("=")
        if not sign or name.strip()[:1] in ("#", ";"):
            at, line = end + 1, line + 1
            continue
        kept, after, quote = _value(text, at + len(name) + 1)
        after = min(after, len(text) + 1)
        last = line + text.count("\n", at, after - 1)
        yield EnvLine(name.strip(), line, last, at, tuple(kept), quote)
        at, line = after, line + text.count("\n", at, after)


def append_offset(text: str) -> int:
    """The offset where a further line is one of its own: the end, unless a quote or backslash takes in what follows."""
    before = "" if not text or text.endswith("\n") else "\n"
    found = list(env_lines(f"{text}{before}A=\n"))
    return len(text) if found[-1].name == "A" and found[-1].at >= len(text) else found[-1].at


def _value(text: str, at: int) -> tuple[list[int], int, str]:
    """Where the characters of a value stand, where the next line begins, and the quote that nobody closed."""
    kept: list[int] = []
    quote, trimmed, begun = "", 0, False    # `trimmed`: how much stays when blanks at the end go
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'":
            escaped = text[at + 1:at + 2]
            if quote and escaped not in (*_ESCAPABLE, "\n"):
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
    return (kept if quote else kept[:trimmed]), at + 1, quote


# Files of NAME=VALUE lines (env_file, .env, what a shell sources): names, values and the bytes where they stand.
_LINE = regex(r"[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*")


def read_env_file(file: str, data: bytes) -> dict[str, Word]:
    """Every variable of the file, the last assignment of each; quotes are taken off, comments left out."""
    text = data.decode("latin-1")
    found: dict[str, Word] = {}
    offset, line = 0, 1
    while offset < len(text):
        end = text.find("\n", offset)
        end = len(text) if end < 0 else end
        match = _LINE.match(text, offset, end)
        if match:
            found[match[1]] = _shell_value(text[match.end() : end], file, line, match.end())
        offset, line = end + 1, line + 1
    return found


def _shell_value(raw: str, file: str, line: int, start: int) -> Word:
    """The value of one line: quoted as the shell would, or plain up to the end (shells and compose alike)."""
    raw = raw.rstrip()
    if raw[:1] in ("'", '"'):
        words = shell_words(raw, file, line, start)
        return words[0] if words else Word(())
    comment = re.search(r"\s#", raw)
    if comment:
        raw = raw[: comment.start()].rstrip()
    return Word((Piece(raw, file, line, start),))


# What systemd reads in an EnvironmentFile=: no shell, a `#` within a line is part of the value, `export` no name.
_NAME = regex(r"[A-Za-z_]\w*")


def read_unit_env_file(file: str, data: bytes) -> dict[str, Word]:
    """Every variable that systemd takes from the file, the last assignment of each, by its own rules."""
    text = data.decode("latin-1")
    found: dict[str, Word] = {}
    for one in env_lines(text):
        if _NAME.fullmatch(one.name):
            found[one.name] = Word(tuple(_split_pieces(text, one.value_offsets, file, (one.at, one.line))))
    return found


def _split_pieces(text: str, kept: tuple[int, ...], file: str, counted: tuple[int, int]) -> Iterator[Piece]:
    """Runs of what stands side by side; `counted` is a place before them, and its line."""
    before, line = counted
    start = 0
    for i in range(1, len(kept) + 1):
        if i == len(kept) or kept[i] != kept[i - 1] + 1:
            run = kept[start:i]
            line, before = line + text.count("\n", before, run[0]), run[0]
            yield Piece(text[run[0]:run[-1] + 1], file, line, run[0])
            start = i
