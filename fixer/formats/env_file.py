"""Environment files: systemd's EnvironmentFile= and shell-like NAME=VALUE files, with byte positions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fixer.formats.shell_words import Piece, Word, shell_words
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

_COMMENT = regex(r"\s#")

_ESCAPABLE = "\"\\`$"  # what a backslash escapes within double quotes


@dataclass(frozen=True, slots=True)
class EnvLine:
    """One `NAME=value`: its first and last line, the offset of each character of the value,
    and the quote that is open at the end of the file (empty for none)."""

    name: str
    line: int
    last: int
    at: int
    value_offsets: tuple[int, ...]
    quote: str


def env_lines(text: str) -> Iterator[EnvLine]:
    """Yield all assignments in order; the name is as written, without blanks around it."""
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
    """Return the offset of a separate new line: the end, unless an open quote or backslash would include it."""
    before = "" if not text or text.endswith("\n") else "\n"
    found = list(env_lines(f"{text}{before}A=\n"))
    return len(text) if found[-1].name == "A" and found[-1].at >= len(text) else found[-1].at


def _value(text: str, at: int) -> tuple[list[int], int, str]:
    """Return the offsets of a value's characters, the start of the next line, and the quote left open."""
    kept: list[int] = []
    quote, trimmed, begun = "", 0, False  # `trimmed`: length without trailing blanks
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


# Files of NAME=VALUE lines (env_file, .env, what a shell sources): names, values and their byte positions.
_EXPORT_ALL = regex(r"(?m)^[ \t]*set[ \t]+(?:-[a-zA-Z]*a|-o[ \t]+allexport)")
_EXPORTS = regex(r"(?m)^[ \t]*export[ \t]+(.*)$")
_LINE = regex(r"[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*")


def read_env_file(file: str, data: bytes) -> dict[str, Word]:
    """Return every variable of the file, the last assignment of each, without quotes and comments."""
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


def exported_names(data: bytes) -> Callable[[str], bool]:
    """Return which variables a file exports that a shell sources: `export NAME=VALUE`, `export NAME`, `set -a`."""
    text = data.decode("latin-1")
    if _EXPORT_ALL.search(text):
        return lambda name: True
    said = [line[1] for line in _EXPORTS.finditer(text)]
    if any("`" in words or "$(" in words for words in said):
        return lambda name: True
    return frozenset(word.partition("=")[0] for words in said for word in words.split()).__contains__


def _shell_value(raw: str, file: str, line: int, start: int) -> Word:
    """Return the value of one line: quoted as in a shell, or plain to the end (shells and compose agree)."""
    raw = raw.rstrip()
    if raw[:1] in ("'", '"'):
        words = shell_words(raw, file, line, start)
        return words[0] if words else Word(())
    comment = _COMMENT.search(raw)
    if comment:
        raw = raw[: comment.start()].rstrip()
    return Word((Piece(raw, file, line, start),))


# EnvironmentFile= of systemd: no shell, a `#` within a line is part of the value, `export` is no prefix.
_NAME = regex(r"[A-Za-z_]\w*")


def read_unit_env_file(file: str, data: bytes) -> dict[str, Word]:
    """Return every variable that systemd reads from the file, the last assignment of each."""
    text = data.decode("latin-1")
    found: dict[str, Word] = {}
    for one in env_lines(text):
        if _NAME.fullmatch(one.name):
            found[one.name] = Word(tuple(_split_pieces(text, one.value_offsets, file, (one.at, one.line))))
    return found


def _split_pieces(text: str, kept: tuple[int, ...], file: str, counted: tuple[int, int]) -> Iterator[Piece]:
    """Yield runs of adjacent characters; `counted` is an offset before them, and its line."""
    before, line = counted
    start = 0
    for i in range(1, len(kept) + 1):
        if i == len(kept) or kept[i] != kept[i - 1] + 1:
            run = kept[start:i]
            line, before = line + text.count("\n", before, run[0]), run[0]
            yield Piece(text[run[0]:run[-1] + 1], file, line, run[0])
            start = i
