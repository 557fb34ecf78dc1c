"""Tokens of one nginx configuration file with byte spans, split exactly as nginx splits them.

Modelled on `ngx_conf_read_token` of nginx 1.26. A byte-order mark, invalid UTF-8 and NUL are ordinary bytes of a word,
as for nginx. Nothing raises: what nginx would refuse is returned as a `LexProblem`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

TokenKind: TypeAlias = Literal["word", "open", "close", "end", "raw"]

# nginx refuses a parameter that fills its read buffer.
LONGEST_WORD = 4096

# Text before a token. Each comment runs to the end of its line and counts as a gap.
GAP = rb"(?:[ \t\r\n]++|#[^\n]*+)*+"

# The rest of a bare word: a backslash takes the next byte, whatever it is; `{` belongs to the word after a `$`.
_REST = rb"(?:[^ \t\r\n;{\\$]++|\\.|\$\{*+)*+"

_TOKEN = regex(
    GAP + rb"(?:([;{}])"
    rb'|"((?:[^"\\]++|\\.)*+)"'
    rb"|'((?:[^'\\]++|\\.)*+)'"
    rb"|((?:[^ \t\r\n;{}\"'#\\$]|\\.|\$\{*+)" + _REST + rb"\\?)"
    rb"|([\"'\\]))",
    re.DOTALL,
)
_LONG_COMMENT = regex(rb"#[^\n]{4095}")
_ESCAPE = regex(rb"\\([\"'\\trn])")
_ESCAPED = {b"t": b"\t", b"r": b"\r", b"n": b"\n"}

# Blocks of the Lua module: its strings and comments may contain any brace.
_LUA = regex(
    rb"--\[(=*)\[.*?(?:\]\1\]|\Z)|--[^\n]*|\[(=*)\[.*?(?:\]\2\]|\Z)"
    rb"|\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?|([{}])",
    re.DOTALL,
)


_BRACE = regex(rb"[{}]")


class Token(NamedTuple):
    """One token: `start`/`end` include the quotes, `value` is nginx's value, `quote` is `"`, `'` or empty."""

    kind: TokenKind
    start: int
    end: int
    value: bytes
    quote: bytes = b""


@dataclass(frozen=True, slots=True)
class LexProblem:
    """Something nginx would refuse at `at`; `started` is its start (an opening quote)."""

    kind: str
    message: str
    at: int
    started: int


class Scanned(NamedTuple):
    """The token at a position (None at the end of the file), and what is wrong with it."""

    token: Token | None
    problem: LexProblem | None


def scan(data: bytes, position: int) -> Scanned:
    """Read the token that starts at or after `position`."""
    match = _TOKEN.match(data, position)
    gap_end = match.start(match.lastindex or 0) if match is not None else len(data)
    if gap_end - position >= LONGEST_WORD and (comment := _LONG_COMMENT.search(data, position, gap_end)) is not None:
        found = _scanned(data, match) if match is not None else Scanned(None, None)
        # nginx reads more only if there is more: the last bytes of a file may be as long as that
        return found._replace(problem=_too_long(comment[0], comment.start())) if comment.end() < len(data) else found
    return _scanned(data, match) if match is not None else Scanned(None, None)


def _scanned(data: bytes, match: re.Match[bytes]) -> Scanned:
    group = match.lastindex or 0
    start, end = match.span(group)
    text = match[group]
    if group == 1:
        kind: TokenKind = "open" if text == b"{" else "close" if text == b"}" else "end"
        return Scanned(Token(kind, start, end, text), None)
    if group in (2, 3):
        return _quoted(data, start - 1, end + 1, text)
    if group == 5:
        return _unterminated(data, start)
    problem = _too_long(text, start) if end - start >= LONGEST_WORD else None
    return Scanned(Token("word", start, end, unescape(text)), problem)


def tokenize(data: bytes) -> tuple[tuple[Token, ...], tuple[LexProblem, ...]]:
    """Return all tokens of a file in order, and their problems."""
    tokens: list[Token] = []
    problems: list[LexProblem] = []
    for token, problem in _walk(data):
        tokens.append(token)
        if problem is not None:
            problems.append(problem)
    return tuple(tokens), tuple(problems)


def _walk(data: bytes) -> Iterator[tuple[Token, LexProblem | None]]:
    position = 0
    first: bytes | None = None
    while True:
        token, problem = scan(data, position)
        if token is None:
            return
        yield token, problem
        position = token.end
        if token.kind == "word":
            first = token.value if first is None else first
            continue
        if token.kind == "open" and first is not None and is_raw_block(first):
            end = raw_end(data, position)
            yield Token("raw", position, end, data[position:end]), None
            position = end
        first = None


def is_raw_block(name: bytes) -> bool:
    """Return whether a directive's block is code in another language (`content_by_lua_block`)."""
    return name.endswith(b"_by_lua_block")


def raw_end(data: bytes, position: int) -> int:
    """Return the offset of the closing brace of a Lua block, or the end of the file."""
    depth = 1
    for match in _LUA.finditer(data, position):
        for brace in _BRACE.finditer(match[0]) if _is_open_string(match) else (match,) if match[3] else ():
            depth += 1 if brace[0] == b"{" else -1
            if depth == 0:
                return match.start() + brace.start() * (brace is not match)
    return len(data)


def _is_open_string(match: re.Match[bytes]) -> bool:
    """Return whether a quote does not close on its line: it is no string for nginx, which counts the braces behind."""
    text = match[0]
    return text[:1] in (b'"', b"'") and (len(text) == 1 or text[-1:] != text[:1])


def unescape(text: bytes) -> bytes:
    r"""Return a word as nginx stores it: only \\" \\' \\\\ \\t \\r \\n are escapes, any other backslash stays."""
    if b"\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)


def _quoted(data: bytes, start: int, end: int, text: bytes) -> Scanned:
    token = Token("word", start, end, unescape(text), data[start : start + 1])
    after = data[end : end + 1]
    if len(text) >= LONGEST_WORD - 1:      # nginx's buffer holds the closing quote too
        return Scanned(token, _too_long(text, start))
    if after in (b"", b" ", b"\t", b"\r", b"\n", b";", b"{", b")"):
        return Scanned(token, None)
    shown = after.decode("ascii", "backslashreplace")
    return Scanned(token, LexProblem("unexpected", f'unexpected "{shown}"', end, start))


def _unterminated(data: bytes, start: int) -> Scanned:
    """Return the rest of the file as one token, for a quote without end (or a lone backslash)."""
    quote = data[start : start + 1]
    if quote == b"\\":
        return Scanned(Token("word", start, len(data), quote), None)
    message = 'unexpected end of file, expecting ";" or "}"'
    if len(data) - start > LONGEST_WORD:
        message = f'too long parameter, probably missing terminating "{quote.decode()}" character'
    token = Token("word", start, len(data), unescape(data[start + 1 :]), quote)
    return Scanned(token, LexProblem("unterminated", message, len(data), start))


def _too_long(text: bytes, start: int) -> LexProblem:
    shown = text[:10].decode("utf-8", "backslashreplace")
    return LexProblem("too-long", f'too long parameter "{shown}..." started', start, start)
