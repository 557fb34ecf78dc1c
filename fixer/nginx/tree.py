"""One configuration file as directives in blocks, each with its position.

Almost every statement of a real file consists of bare words, so one pattern reads a complete statement. The rest
(quotes, escapes, comments between words) is read token by token. Both give the same tree."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import NamedTuple

from fixer.lazy.regex import regex
from fixer.nginx.lexer import GAP, LONGEST_WORD, LexProblem, Token, is_raw_block, raw_end, scan

_BARE = rb"(?:[^ \t\r\n\v\f;{}\"'#\\$]|\$(?!\{))(?:[^ \t\r\n\v\f;{\\$]++|\$(?!\{))*+"
_STATEMENT = regex(GAP + rb"(?:(" + _BARE + rb"(?:[ \t\r\n]++" + _BARE + rb")*+)[ \t\r\n]*+([;{])|(\}))")
_NEVER = regex(rb"(?!)")
_NEWLINE = regex(rb"\n")

# Memory limit for the words of a configuration, in words; no real one comes near.
MOST_WORDS = 2_000_000
_EACH = 4  # cost of a directive itself, in words


class Directive(NamedTuple):
    """A name, its arguments as nginx sees them, and its block (None without one).
    `start` is the offset of the name, `stop` that of the terminator (`;`, `{`, or the end of the file if it is
    missing). `tree` is its file."""

    name: bytes
    args: list[bytes]
    start: int
    stop: int
    tree: Tree
    block: list[Directive] | None = None
    closed: bool = True

    def words(self) -> list[Token]:
        """Return the tokens of the directive, its name first, with their spans."""
        words: list[Token] = []
        position = self.start
        while position < self.stop:
            token = scan(self.tree.data, position).token
            if token is None or token.kind != "word":
                break
            words.append(token)
            position = token.end
        return words

    def block_end(self) -> int:
        """Return the offset of the brace that closes its block, or the end of the file; `stop` without a block."""
        depth, position = 0, self.stop
        while self.block is not None:
            token = scan(self.tree.data, position).token
            if token is None:
                return len(self.tree.data)
            depth += {"open": 1, "close": -1}.get(token.kind, 0)
            if depth == 0:
                return token.start
            position = token.end
        return self.stop


class Tree:
    """The directives of one file. `problem` is the first thing nginx would refuse: reading stops there.
    If the words exceed the limit, `left` is negative and the rest was not read."""

    __slots__ = ("_near", "_newlines", "data", "directives", "file", "left", "order", "problem")

    def __init__(self, file: str, data: bytes) -> None:
        self.file = file
        self.data = data
        self.directives: list[Directive] = []
        self.problem: LexProblem | None = None
        self.left = MOST_WORDS
        self.order: tuple[int, ...] = ()  # positions of the includes that led here first
        self._newlines: list[int] | None = None
        self._near = (0, -1, 1)  # the line of the last call: spans of one directive ask for the same one

    def line(self, offset: int) -> int:
        """Return the 1-based line of a byte."""
        low, high, line = self._near
        if low <= offset <= high:
            return line
        if self._newlines is None:
            self._newlines = [match.start() for match in _NEWLINE.finditer(self.data)]
        index = bisect_left(self._newlines, offset)
        before = self._newlines[index - 1] + 1 if index else 0
        self._near = (before, self._newlines[index] if index < len(self._newlines) else len(self.data), index + 1)
        return index + 1


def parse(data: bytes, file: str = "", *, thorough: bool = False, most: int = MOST_WORDS) -> Tree:
    """Read a file; never raises. `thorough` reads token by token only, to compare both ways."""
    tree = Tree(file, data)
    tree.left = most
    _Reader(tree).read(_NEVER if thorough else _STATEMENT)
    return tree


class _Reader:
    __slots__ = ("block", "data", "opened", "stack", "tree")

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.data = tree.data
        self.block = tree.directives
        self.stack: list[list[Directive]] = []
        self.opened: list[int] = []

    def read(self, pattern: re.Pattern[bytes]) -> None:
        data, tree, match_at, position = self.data, self.tree, pattern.match, 0
        while tree.left >= 0:
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
            tree.left -= _EACH + len(args)
            if data[position - 1] == 59:
                self.block.append(Directive(name, args, match.start(1), position - 1, tree))
            else:
                position = self._open(name, args, match.start(1), position - 1)
        if self.stack and tree.left >= 0:
            self._refuse("unexpected", 'unexpected end of file, expecting "}"', len(data), self.opened[-1])

    def _read_slowly(self, position: int) -> int | None:
        """Read one statement token by token; return None at the end of the file."""
        words: list[Token] = []
        while True:
            token, problem = scan(self.data, position)
            if problem is not None:
                self.tree.problem = self.tree.problem or problem
            if token is None:
                self._end_of_file(words)
                return None
            position = token.end
            if token.kind == "word":
                words.append(token)
                self.tree.left -= _EACH  # a held token costs as much
                if self.tree.left < 0:
                    return None
                continue
            self.tree.left += (_EACH - 1) * len(words) - _EACH
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
        self.block.append(Directive(words[0].value, args, words[0].start, stop, self.tree, None, closed))

    def _open(self, name: bytes, args: list[bytes], start: int, stop: int) -> int:
        inner: list[Directive] = []
        self.block.append(Directive(name, args, start, stop, self.tree, inner))
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
        self.tree.problem = self.tree.problem or LexProblem(kind, message, at, started)
