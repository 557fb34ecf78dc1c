"""The effective configuration: all files in one tree, includes inserted, each directive checked."""

from __future__ import annotations

from typing import TypeAlias

from fixer.lazy.dataclass import dataclass, replace
from fixer.model.nginx_config import PIPE, ConfigProblem, Span
from fixer.nginx.address import text_of
from fixer.nginx.directive_checks import INNER, MAIN, VALUE_BLOCKS, Complaint, Context, complain
from fixer.nginx.include import Sources
from fixer.nginx.tree import Directive, Tree

# Limits that no real configuration reaches, so that no file can make this run for ever.
DEEPEST_BLOCK = 60
DEEPEST_INCLUDE = 20
MOST_INCLUDES = 40_000
MOST_DIRECTIVES = 2_000_000
_LONGEST_LINE = 4096
_LATE = 1 << 62     # behind every position of a file
MOST_NOTED = 200  # nginx stops at the first


# A directive of the effective configuration; its block has the includes inserted.
Node: TypeAlias = Directive


@dataclass(frozen=True, slots=True)
class _ReaderPosition:
    """The reader's position: the context, the files that include this one, the depth of the block."""

    context: Context | None
    files: tuple[str, ...]
    depth: int


@dataclass(frozen=True, slots=True)
class _Noted:
    """A problem, its position in nginx's reading order, and the number of earlier notes."""

    place: tuple[int, ...]
    number: int
    problem: ConfigProblem
    doubtful: bool


class _Notes:
    """Problems that nginx would refuse, up to a limit; from position `beyond` on, nothing is noted."""

    __slots__ = ("beyond", "entries")

    def __init__(self) -> None:
        self.entries: list[_Noted] = []
        self.beyond: tuple[int, ...] | None = None


class Effective:
    """Reader of the main file and its includes, which notes what nginx would refuse."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.missing: list[str] = []
        # certain ones, and those that a module or another build may accept: many of these must not displace the former
        self._noted = (_Notes(), _Notes())
        self._modules = False
        self._number = 0
        self.refusals = 0     # calls of `refuse`
        self._includes = 0
        self._directives = 0
        self._cut = False

    @property
    def cut(self) -> bool:
        """Return whether a limit was reached, and the rest was not read."""
        return self._cut or self.sources.cut

    def read(self, main: str) -> list[Node]:
        """Return the directives of the main context; empty if the main file was not read."""
        tree = self.sources.tree(main)
        if tree is None:
            self.missing.append(main)
            return []
        return self._file(tree, _ReaderPosition(MAIN, (main,), 0))

    def problems(self) -> tuple[ConfigProblem, ...]:
        """Return the noted problems in nginx's reading order; nginx stops at the first.
        An unknown name is certain only if no module is loaded."""
        noted = sorted((entry for notes in self._noted for entry in notes.entries), key=_reading)
        return tuple(
            replace(entry.problem, fatal=False) if entry.doubtful and self._modules else entry.problem
            for entry in noted
        )

    def refuse(self, node: Node, kind: str, message: str, *, at: int | None = None, late: bool = False) -> None:
        """Note something that nginx would refuse, at the end of the directive or at an offset.
        `late`: nginx only says so once it has read everything."""
        self.refusals += 1
        self._note(node.tree, Complaint(kind, message, True, node.start), node.stop if at is None else at, late=late)

    def _note(self, tree: Tree, complaint: Complaint, at: int, *, late: bool = False) -> None:
        """Note a complaint. nginx stops at the first syntax error: later ones in that file are not noted."""
        if tree.problem is not None and at > tree.problem.at:
            return
        place, (kind, message, sure, near) = (*([_LATE] if late else []), *tree.order, at), complaint
        doubtful = kind in ("unknown-directive", "not-allowed")
        notes = self._noted[doubtful or not sure]
        if notes.beyond is not None and place >= notes.beyond:
            return
        near = near if near >= 0 else at
        problem = ConfigProblem(
            kind, message, tree.file, tree.line(at), sure, tree.line(near), line_text(tree, near),
        )
        self._number += 1
        notes.entries.append(_Noted(place, self._number, problem, doubtful))
        if len(notes.entries) > 2 * MOST_NOTED:
            notes.entries.sort(key=_reading)
            del notes.entries[MOST_NOTED:]
            notes.beyond = notes.entries[-1].place

    def _file(self, tree: Tree, at: _ReaderPosition) -> list[Node]:
        nodes = self._block(tree.directives, at)
        problem = tree.problem
        if problem is not None:
            self._note(tree, Complaint(problem.kind, problem.message, True, problem.started), problem.at)
        return nodes

    def _block(self, block: list[Directive], at: _ReaderPosition) -> list[Node]:
        """Return the block with includes inserted; the same list if there are none."""
        self._directives += len(block)
        if at.depth > DEEPEST_BLOCK or self._directives > MOST_DIRECTIVES:
            self._cut = True
            return []
        context = at.context
        rules = context.rules if context is not None else None
        out: list[Node] | None = None
        for index, directive in enumerate(block):
            name, args, _, _, _, inner, _ = directive
            if rules is not None:
                fitting, is_block = rules[name]
                if not fitting >> len(args) & 1 or is_block is (inner is None):
                    self._check(directive, context)
            if inner is not None:
                within = INNER.get((context.name, name)) if context is not None else None
                if context is not None and name in VALUE_BLOCKS:
                    self._check_values(inner)
                spliced = self._block(inner, _ReaderPosition(within, at.files, at.depth + 1))
                if spliced is not inner:
                    out = block[:index] if out is None else out
                    directive = directive._replace(block=spliced)  # noqa: PLW2901 the same one, spliced
            elif name == b"include" and len(args) == 1:
                out = block[:index] if out is None else out
                self._include(directive, at, out)
                continue
            elif name == b"load_module":
                self._modules = True
            if out is not None:
                out.append(directive)
        return block if out is None else out

    def _check(self, directive: Directive, context: Context | None) -> None:
        complaint = complain(directive, context) if context is not None else None
        if complaint is not None:
            self._note(directive.tree, complaint, directive.stop)

    def _check_values(self, block: list[Directive]) -> None:
        for child in block:
            if child.block is not None:
                self.refuse(child, "unexpected", 'unexpected "{"')

    def _include(self, directive: Directive, at: _ReaderPosition, out: list[Node]) -> None:
        path = self.sources.full_path(directive.args[0])
        matches = self.sources.matches(path)
        if matches is None:
            matches = (path,)
            if self.sources.tree(path) is None:
                shown = text_of(path.encode("utf-8", "surrogateescape"))
                self.refuse(directive, "missing-include", f'open() "{shown}" failed (2: No such file or directory)')
        if not any(self.sources.tree(match) for match in matches):
            self.missing.append(path)
            out.append(directive)  # its content is unknown
        for match in matches:
            included = self.sources.tree(match)
            self._includes += 1
            self._cut = self._cut or self._includes > MOST_INCLUDES
            if included is None or self._includes > MOST_INCLUDES:
                continue
            if self.sources.is_pipe(match):
                shown = text_of(match.encode("utf-8", "surrogateescape"))
                self.refuse(directive, PIPE, f'"{shown}" is a pipe (FIFO): nginx waits there forever')
                continue
            if match in at.files or len(at.files) > DEEPEST_INCLUDE:
                self.refuse(directive, "include-loop", f'"{match}" includes itself')
                continue
            if not included.order:
                included.order = (*directive.tree.order, directive.stop)
            out.extend(self._file(included, _ReaderPosition(at.context, (*at.files, match), at.depth)))


def _reading(entry: _Noted) -> tuple[tuple[int, ...], int]:
    """Return the position in nginx's reading order."""
    return entry.place, entry.number


def line_text(tree: Tree, at: int) -> str:
    """Return the line around a byte, for people: stripped and short."""
    first = max(0, at - _LONGEST_LINE)
    start = max(first, tree.data.rfind(b"\n", first, at) + 1)
    end = tree.data.find(b"\n", at, start + 200)
    return text_of(tree.data[start : end if end >= 0 else start + 200]).strip()


def word_span(node: Node, index: int) -> Span:
    """Return the span of one word's value (0 is the name), without its quotes."""
    tree = node.tree
    data, start = tree.data, node.start
    if index <= 1 and data.startswith(node.name, start):
        after = start + len(node.name)
        if index == 0:
            return Span(tree.file, tree.line(start), start, after)
        word = node.args[0]
        start = data.find(word, after, node.stop)
        if start >= 0 and word and data[after:start].isspace():
            return Span(tree.file, tree.line(start), start, start + len(word))
    token = node.words()[index]
    quote = len(token.quote)
    return Span(tree.file, tree.line(token.start), token.start + quote, token.end - quote)


def part_span(node: Node, index: int, start: int, end: int) -> Span:
    """Return the span of bytes [start, end) of a word's value; of the complete word if escapes prevent that."""
    whole = word_span(node, index)
    value = node.args[index - 1]
    if whole.end - whole.start == len(value):
        return Span(whole.file, whole.line, whole.start + start, whole.start + end)
    found = node.tree.data.find(value[start:end], whole.start, whole.end)
    if found < 0 or end == start:
        return whole
    return Span(whole.file, whole.line, found, found + end - start)
