"""Files of NAME=VALUE lines (env_file, .env, what a shell sources): names, values and the bytes where they stand."""

from __future__ import annotations

import re

from fixer.formats.shell_words import Piece, Word, shell_words
from fixer.lazy.regex import regex

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
            found[match[1]] = _value(text[match.end() : end], file, line, match.end())
        offset, line = end + 1, line + 1
    return found


def _value(raw: str, file: str, line: int, start: int) -> Word:
    """The value of one line: quoted as the shell would, or plain up to the end (shells and compose alike)."""
    raw = raw.rstrip()
    if raw[:1] in ("'", '"'):
        words = shell_words(raw, file, line, start)
        return words[0] if words else Word(())
    comment = re.search(r"\s#", raw)
    if comment:
        raw = raw[: comment.start()].rstrip()
    return Word((Piece(raw, file, line, start),))
