"""What a word with variables can stand for: every text that the files give it, and where each byte of it is written."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from typing import NamedTuple

from fixer.model.nginx_config import Chooser, Span
from fixer.nginx.effective_config import Node, part_span
from fixer.nginx.variables import CHOOSERS, VARIABLE, Variables, variable_name

_NESTING = 5
_MOST_VALUES = 64          # of one variable
_MOST_COMBINATIONS = 16    # of several variables in one word
_LONGEST = 4096            # bytes of an expansion; no address comes near


class _Part(NamedTuple):
    """A run of an expansion: the bytes [start, end) of the word, or what a variable there stands for (`inner`)."""

    text: bytes
    start: int
    end: int
    inner: Expansion | None = None
    chosen_by: Chooser = ""
    host: bytes = b""


class Expansion(NamedTuple):
    """One text that a word can stand for. A variable whose value the files do not say stays in it as written."""

    text: bytes
    node: Node
    word: int
    parts: tuple[_Part, ...]

    def _within(self, start: int, end: int) -> Iterator[tuple[int, _Part]]:
        """Yield the parts that the bytes [start, end) of the text touch, each with its offset there."""
        at = 0
        for part in self.parts:
            after = at + len(part.text)
            if at < end and after > start:
                yield at, part
            at = after

    def place(self, start: int, end: int) -> tuple[Span, bytes]:
        """Return where the bytes [start, end) are written, and what stands there: the one value that holds all of them,
        else the words with its variables."""
        touched = tuple(self._within(start, end))
        if not touched:
            return part_span(self.node, self.word, 0, 0), b""
        (first_at, first), (last_at, last) = touched[0], touched[-1]
        if first is last and first.inner is not None:
            return first.inner.place(start - first_at, end - first_at)
        begin = first.start + (start - first_at if first.inner is None else 0)
        stop = last.start + (end - last_at) if last.inner is None else last.end
        span = part_span(self.node, self.word, begin, stop)
        return span, self.node.tree.data[span.start : span.end]

    def chosen_by(self, start: int, end: int) -> Chooser:
        """Return what makes a request lead to the bytes [start, end); empty if no variable is in them."""
        return max((part.chosen_by for _, part in self._within(start, end)), key=CHOOSERS.index, default="")

    def host(self, start: int, end: int) -> bytes:
        """Return the Host for which a `map` gives the bytes [start, end); empty if none alone does."""
        return next((part.host for _, part in self._within(start, end) if part.host), b"")

    def open_name(self, start: int, end: int) -> bytes:
        """Return the variable of the word that leaves the bytes [start, end) open; empty for none."""
        for _, part in self._within(start, end):
            match = VARIABLE.match(self.node.args[self.word - 1], part.start) if b"$" in part.text else None
            if match is not None:
                return variable_name(match)
        return b""


class _Choice(NamedTuple):
    """One text that a variable can stand for, what chooses it, and the Host if that alone does."""

    made: Expansion
    chosen_by: Chooser
    host: bytes


class _Expander:
    """Expander of one word; what a variable stands for is worked out once."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._known: dict[tuple[bytes, int], tuple[_Choice, ...]] = {}

    def of_text(self, text: bytes, node: Node, word: int, at: int, depth: int) -> Iterator[Expansion]:
        """Yield what a text from offset `at` on can stand for."""
        choices: list[tuple[_Part, ...]] = []
        for match in VARIABLE.finditer(text, at):
            if match.start() > at:
                choices.append((_Part(text[at : match.start()], at, match.start()),))
            at = match.end()
            filled = tuple(_Part(one.text, match.start(), at, one, chooser, host)
                           for one, chooser, host in self._of_variable(variable_name(match), depth))
            choices.append(filled or (_Part(match[0], match.start(), at),))
        choices.append((_Part(text[at:], at, len(text)),))
        several = sum(len(some) > 1 for some in choices) > 1
        for parts in islice(product(*choices), _MOST_COMBINATIONS if several else _MOST_VALUES):
            yield Expansion(b"".join(part.text for part in parts), node, word, parts)

    def _of_variable(self, name: bytes, depth: int) -> tuple[_Choice, ...]:
        """Return what a variable can stand for, and what chooses that; nothing if it is not known."""
        if depth >= _NESTING:
            return ()
        key = (name, depth)
        if key not in self._known:
            found = (_Choice(one, max(value.chosen_by, one.chosen_by(0, len(one.text)), key=CHOOSERS.index),
                             value.host or one.host(0, len(one.text)))
                     for value in self._variables.candidates(name)
                     for one in self.of_text(value.text, value.node, value.word, 0, depth + 1)
                     if len(one.text) <= _LONGEST)
            self._known[key] = tuple(islice(found, _MOST_VALUES))
        return self._known[key]


def expansions(node: Node, word: int, start: int, variables: Variables) -> Iterator[Expansion]:
    """Yield all that a word of a directive, from byte `start` on, can stand for; at least one."""
    return _Expander(variables).of_text(node.args[word - 1], node, word, start, 0)
