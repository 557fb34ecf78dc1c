"""A second reader of nginx configurations, byte by byte after nginx's own loop, that shares nothing with fixer/nginx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

PASSES = (b"proxy_pass", b"grpc_pass", b"fastcgi_pass", b"uwsgi_pass", b"scgi_pass")
SPACE = b" \t\r\n"
ESCAPES = {b"t": b"\t", b"r": b"\r", b"n": b"\n"}


class Torn(Exception):
    """nginx would refuse the file: there is nothing to compare."""


class Statement(NamedTuple):
    """One directive with the line of its first word."""

    words: list[bytes]
    line: int
    block: list[Statement] | None


class FoundRoute(NamedTuple):
    """A pass: the number of its server, its location, kind, argument, line."""

    server: int
    location: str
    kind: str
    argument: str
    line: int


def read_statements(data: bytes) -> list[Statement]:
    """Return the directives of a file; raise Torn for one that nginx would refuse."""
    top: list[Statement] = []
    stack = [top]
    words: list[bytes] = []
    at, line = 0, 0
    while at < len(data):
        char = data[at : at + 1]
        if char in SPACE:
            at += 1
        elif char == b"#":
            after = _line_end(data, at)
            if after - at >= 4096:
                raise Torn
            at = after
        elif char in b";{}":
            if (char == b"}") == bool(words) or (char == b"}" and len(stack) == 1):
                raise Torn
            at += 1
            if char == b"}":
                stack.pop()
                continue
            block: list[Statement] | None = [] if char == b"{" else None
            stack[-1].append(Statement(words, line, block))
            if block is not None and words[0].endswith(b"_by_lua_block"):
                at = _after_lua(data, at)
            elif block is not None:
                stack.append(block)
            words = []
        else:
            line = line if words else data.count(b"\n", 0, at) + 1
            word, after = _quoted(data, at) if char in b"'\"" else _bare(data, at)
            if after - at >= 4096:
                raise Torn
            words.append(word)
            at = after
    if words or len(stack) > 1:
        raise Torn
    return top


def _line_end(data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    return len(data) if end < 0 else end


def _quoted(data: bytes, at: int) -> tuple[bytes, int]:
    quote, end = data[at], at + 1
    while end < len(data) and data[end] != quote:
        end += 2 if data[end : end + 1] == b"\\" else 1
    if end >= len(data) or (end + 1 < len(data) and data[end + 1 : end + 2] not in (*(b" ", b"\t", b"\r", b"\n"), b";", b"{", b")")):
        raise Torn
    return _plain(data[at + 1 : end]), end + 1


def _bare(data: bytes, at: int) -> tuple[bytes, int]:
    end = at
    while end < len(data):
        char = data[end : end + 1]
        if char == b"\\" or (char == b"$" and data[end + 1 : end + 2] == b"{"):
            end += 2
        elif char in SPACE or char in b";{":
            break
        else:
            end += 1
    if end >= len(data):
        raise Torn
    return _plain(data[at:end]), end


def _plain(text: bytes) -> bytes:
    out, at = [], 0
    while at < len(text):
        after = text[at + 1 : at + 2]
        if text[at : at + 1] == b"\\" and after and after in b"\"'\\trn":
            out.append(ESCAPES.get(after, after))
            at += 2
        else:
            out.append(text[at : at + 1])
            at += 1
    return b"".join(out)


def _after_lua(data: bytes, at: int) -> int:
    depth = 1
    while at < len(data):
        char = data[at : at + 1]
        comment = data.startswith(b"--", at)
        start = at + 2 if comment else at
        long = _long_bracket(data, start)
        if long >= 0:
            at = long
        elif comment:
            at = _line_end(data, at)
        elif char in b"'\"" and (close := _lua_string(data, at)) >= 0:
            at = close
        else:
            depth += {b"{": 1, b"}": -1}.get(char, 0)
            at += 1
            if depth == 0:
                return at
    raise Torn


def _long_bracket(data: bytes, at: int) -> int:
    """Return the end of `[[…]]` or `[==[…]==]`, -1 if none starts here."""
    end = at + 1
    while data[end : end + 1] == b"=":
        end += 1
    if data[at : at + 1] != b"[" or data[end : end + 1] != b"[":
        return -1
    close = data.find(b"]" + data[at + 1 : end] + b"]", end)
    return len(data) if close < 0 else close + (end - at) + 1


def _lua_string(data: bytes, at: int) -> int:
    """Return the end of a string that closes on its line, else -1."""
    quote, end = data[at], at + 1
    while end < len(data) and data[end] not in (quote, 10):
        end += 2 if data[end : end + 1] == b"\\" else 1
    return end + 1 if end < len(data) and data[end] == quote else -1


def routes_of(top: list[Statement]) -> list[FoundRoute]:
    """Return the passes of all `http` blocks, in order."""
    found: list[FoundRoute] = []
    number = 0
    for http in (one for one in top if one.words[0] == b"http" and one.block is not None):
        for server in http.block or ():
            if server.words[0] == b"server" and server.block is not None:
                found += _passes(server.block, number, "")
                number += 1
    return found


def _passes(block: list[Statement], server: int, label: str) -> Iterator[FoundRoute]:
    handlers = [one.words[0] for one in block if one.words[0] in (*PASSES, b"memcached_pass") and len(one.words) > 1]
    for one in block:
        name = one.words[0]
        if name in PASSES and len(one.words) > 1 and name == handlers[-1]:
            yield FoundRoute(server, label, _text(name), _text(one.words[1]), one.line)
        elif one.block is not None and name == b"location":
            yield from _passes(one.block, server, " ".join(map(_text, one.words[1:])))
        elif one.block is not None and name in (b"if", b"limit_except"):
            yield from _passes(one.block, server, label if name == b"if" else f"{label} limit_except".strip())


def _text(word: bytes) -> str:
    return word.decode("utf-8", "backslashreplace")
