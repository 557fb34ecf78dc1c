"""One configuration file as directives in blocks, each with the place where it stands.

Almost every statement of a real file is made of bare words, so one pattern reads a whole statement; whatever it does
not match (quotes, escapes, comments between words) is read token by token. Both give the same tree.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import NamedTuple

from fixer.nginx.lexer import GAP, LONGEST_WORD, LexProblem, Token, is_raw_block, raw_end, scan

_BARE = rb"(?:[^ \t\r\n\v\f;{}\"'#\\$]|\$(?!\{))(?:[^ \t\r\n\v\f;{\\$]++|\$(?!\{))*+"
_STATEMENT = re.compile(GAP + rb"(?:(" + _BARE + rb"(?:[ \t\r\n]++" + _BARE + rb")*+)[ \t\r\n]*+([;{])|(\}))")
_NEVER = re.compile(rb"(?!)")
_NEWLINE = re.compile(rb"\n")


class Directive(NamedTuple):
    """A name, its arguments as nginx sees them, and its block (None without one).

    `start` is where the name begins, `stop` the terminator (`;`, `{`, or the end of the file where it is missing).
    """

    name: bytes
    args: list[bytes]
    start: int
    stop: int
    block: list[Directive] | None = None
    closed: bool = True


class Tree:
    """The directives of one file. `problem` is the first thing nginx would refuse: there it stops reading."""

    __slots__ = ("_newlines", "data", "directives", "file", "problem")

    def __init__(self, file: str, data: bytes, directives: list[Directive], problem: LexProblem | None) -> None:
        self.file = file
        self.data = data
        self.directives = directives
        self.problem = problem
        self._newlines: list[int] | None = None

    def line(self, offset: int) -> int:
        """The 1-based line of a byte."""
        if self._newlines is None:
            self._newlines = [match.start() for match in _NEWLINE.finditer(self.data)]
        return bisect_left(self._newlines, offset) + 1

    def words(self, directive: Directive) -> list[Token]:
        """The tokens of a directive, its name first, with their spans."""
        words: list[Token] = []
        position = directive.start
        while position < directive.stop:
            token = scan(self.data, position).token
            if token is None or token.kind != "word":
                break
            words.append(token)
            position = token.end
        return words


def parse(data: bytes, file: str = "", *, thorough: bool = False) -> Tree:
    """Read a file; never raises. `thorough` reads token by token only, to compare the two ways."""
    reader = _Reader(data)
    reader.read(_NEVER if thorough else _STATEMENT)
    return Tree(file, data, reader.root, reader.problem)


class _Reader:
    __slots__ = ("block", "data", "opened", "problem", "root", "stack")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.root: list[Directive] = []
        self.block = self.root
        self.stack: list[list[Directive]] = []
        self.opened: list[int] = []
        self.problem: LexProblem | None = None

    def read(self, pattern: re.Pattern[bytes]) -> None:
        data, match_at, position = self.data, pattern.match, 0
        while True:
            match = match_at(data, position)
            if match is None or match.end() - position >= LONGEST_WORD:
                after = self._read_slowly(position)
                if after is None:
                    break
                position = after
                continue
            position = match.end()
            group = match.lastindex
            if group == 3:
                self._close(position - 1)
                continue
            name, *args = match[1].split()
            if data[position - 1] == 59:
                self.block.append(Directive(name, args, match.start(1), position - 1))
            else:
                position = self._open(name, args, match.start(1), position - 1)
        if self.stack:
            self._refuse("unexpected", 'unexpected end of file, expecting "}"', len(data), self.opened[-1])

    def _read_slowly(self, position: int) -> int | None:
        """Read one statement token by token; None at the end of the file."""
        words: list[Token] = []
        while True:
            token, problem = scan(self.data, position)
            if problem is not None:
                self.problem = self.problem or problem
            if token is None:
                self._end_of_file(words)
                return None
            position = token.end
            if token.kind == "word":
                words.append(token)
                continue
            return self._statement(words, token)

    def _statement(self, words: list[Token], token: Token) -> int:
        if token.kind == "close":
            if words:
                self._refuse("unexpected", 'unexpected "}"', token.start, words[0].start)
                self._append(words, token.start, closed=False)
            self._close(token.start)
            return token.end
        if not words:
            self._refuse("unexpected", f'unexpected "{token.value.decode()}"', token.start, token.start)
            return token.end if token.kind == "end" else self._open(b"", [], token.start, token.start)
        if token.kind == "end":
            self._append(words, token.start, closed=True)
            return token.end
        return self._open(words[0].value, [word.value for word in words[1:]], words[0].start, token.start)

    def _append(self, words: list[Token], stop: int, *, closed: bool) -> None:
        args = [word.value for word in words[1:]]
        self.block.append(Directive(words[0].value, args, words[0].start, stop, None, closed))

    def _open(self, name: bytes, args: list[bytes], start: int, stop: int) -> int:
        inner: list[Directive] = []
        self.block.append(Directive(name, args, start, stop, inner))
        position = stop + 1
        if is_raw_block(name):
            position = raw_end(self.data, position)
        self.stack.append(self.block)
        self.opened.append(start)
        self.block = inner
        return position

    def _close(self, at: int) -> None:
        if not self.stack:
            self._refuse("unexpected", 'unexpected "}"', at, at)
            return
        self.block = self.stack.pop()
        self.opened.pop()

    def _end_of_file(self, words: list[Token]) -> None:
        if words:
            message = 'unexpected end of file, expecting ";" or "}"'
            self._refuse("unexpected", message, len(self.data), words[0].start)
            self._append(words, len(self.data), closed=False)

    def _refuse(self, kind: str, message: str, at: int, started: int) -> None:
        self.problem = self.problem or LexProblem(kind, message, at, started)
