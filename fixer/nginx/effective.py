"""The effective configuration: all files in one tree, includes put in place, each directive checked on the way."""

from __future__ import annotations

from typing import NamedTuple

from fixer.model.nginxconf import ConfigProblem, Span
from fixer.nginx.address import text_of
from fixer.nginx.checks import INNER, MAIN, Complaint, Context, complain
from fixer.nginx.include import Sources
from fixer.nginx.tree import Directive, Tree

# Bounds that no real configuration reaches, so that no file can make us run for ever.
DEEPEST_BLOCK = 60
DEEPEST_INCLUDE = 20
MOST_INCLUDES = 50_000
MOST_DIRECTIVES = 2_000_000


class Node(NamedTuple):
    """A directive of the effective configuration, the file it stands in, and its block with includes in place."""

    name: bytes
    args: list[bytes]
    directive: Directive
    tree: Tree
    block: list[Node] | None


class _Place(NamedTuple):
    """Where the reader is: the file, the context, the files that include it, how deep the block is."""

    tree: Tree
    context: Context | None
    files: tuple[str, ...]
    depth: int


class Effective:
    """Reads the main file and all it includes; what nginx would refuse is collected in `problems`."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.problems: list[ConfigProblem] = []
        self.missing: list[str] = []
        self._doubts: list[ConfigProblem] = []
        self._modules = False
        self._includes = 0
        self._directives = 0

    def read(self, main: str) -> list[Node]:
        """The nodes of the main context; a main file that was not read gives none."""
        tree = self.sources.tree(main)
        nodes: list[Node] = []
        if tree is None:
            self.missing.append(main)
            return nodes
        self._file(_Place(tree, MAIN, (main,), 0), nodes)
        if not self._modules:
            self.problems.extend(self._doubts)
        return nodes

    def refuse(self, node: Node, kind: str, message: str, *, fatal: bool = True) -> None:
        """Note something that nginx would refuse, at the line where it reads the end of the directive."""
        self._note(node.tree, node.directive, Complaint(kind, message, True, node.directive.start), fatal=fatal)

    def _note(self, tree: Tree, directive: Directive, complaint: Complaint, *, fatal: bool) -> None:
        self._add(tree, complaint.kind, complaint.message, directive.stop, complaint.near, fatal=fatal)

    def _add(self, tree: Tree, kind: str, message: str, at: int, near: int, *, fatal: bool) -> None:
        if tree.problem is not None and at > tree.problem.at:
            return
        near_line = tree.line(near) if near >= 0 else 0
        shown = tree.line(at)
        self.problems.append(
            ConfigProblem(kind, message, tree.file, shown, fatal, near_line, line_text(tree, near if near >= 0 else at))
        )

    def _file(self, at: _Place, out: list[Node]) -> None:
        tree = at.tree
        self._block(tree.directives, at, out)
        if tree.problem is not None:
            problem = tree.problem
            self._add(tree, problem.kind, problem.message, problem.at, problem.started, fatal=True)

    def _block(self, block: list[Directive], at: _Place, out: list[Node]) -> None:
        tree, context = at.tree, at.context
        self._directives += len(block)
        if at.depth > DEEPEST_BLOCK or self._directives > MOST_DIRECTIVES:
            return
        for directive in block:
            if context is not None:
                complaint = complain(directive, context, tree)
                if complaint is not None:
                    self._complaint(directive, tree, complaint)
            name, inner = directive.name, directive.block
            if inner is not None:
                children: list[Node] = []
                within = INNER.get((context.name, name)) if context is not None else None
                self._block(inner, _Place(tree, within, at.files, at.depth + 1), children)
                out.append(Node(name, directive.args, directive, tree, children))
            elif name == b"include" and len(directive.args) == 1:
                self._include(directive, at, out)
            else:
                if name == b"load_module":
                    self._modules = True
                out.append(Node(name, directive.args, directive, tree, None))

    def _complaint(self, directive: Directive, tree: Tree, complaint: Complaint) -> None:
        """An unknown name is certain only where no module is loaded, which is known when all was read."""
        count = len(self.problems)
        self._note(tree, directive, complaint, fatal=complaint.sure)
        if complaint.kind in ("unknown-directive", "not-allowed"):
            self._doubts.extend(self.problems[count:])
            del self.problems[count:]

    def _include(self, directive: Directive, at: _Place, out: list[Node]) -> None:
        path = self.sources.full_path(directive.args[0])
        matches = self.sources.matches(path)
        if matches is None:
            matches = (path,)
            if self.sources.tree(path) is None:
                self.missing.append(path)
                shown = text_of(path.encode("utf-8", "surrogateescape"))
                message = f'open() "{shown}" failed (2: No such file or directory)'
                self._add(at.tree, "missing-include", message, directive.stop, directive.start, fatal=True)
                return
        elif not matches:
            self.missing.append(path)
        for match in matches:
            included = self.sources.tree(match)
            self._includes += 1
            if included is None or self._includes > MOST_INCLUDES:
                continue
            if match in at.files or len(at.files) > DEEPEST_INCLUDE:
                message = f'"{match}" includes itself'
                self._add(at.tree, "include-loop", message, directive.stop, directive.start, fatal=True)
                continue
            self._file(_Place(included, at.context, (*at.files, match), at.depth), out)


def line_text(tree: Tree, at: int) -> str:
    """The line around a byte, for people: stripped and short."""
    start = tree.data.rfind(b"\n", 0, at) + 1
    end = tree.data.find(b"\n", at)
    return text_of(tree.data[start : end if end >= 0 else len(tree.data)][:200]).strip()


def word_span(node: Node, index: int) -> Span:
    """The span of the value of one word (0 is the name), without its quotes."""
    tree, directive = node.tree, node.directive
    if index == 1:
        word = node.args[0]
        start = tree.data.find(word, directive.start + len(node.name))
        if word and 0 <= start < directive.stop and tree.data[directive.start + len(node.name) : start].isspace():
            return Span(tree.file, tree.line(start), start, start + len(word))
    token = tree.words(directive)[index]
    quote = len(token.quote)
    return Span(tree.file, tree.line(token.start), token.start + quote, token.end - quote)


def part_span(node: Node, index: int, start: int, end: int) -> Span:
    """The span of the bytes [start, end) of a word's value; the whole word where escapes make that impossible."""
    whole = word_span(node, index)
    value = node.args[index - 1]
    if whole.end - whole.start == len(value):
        return Span(whole.file, whole.line, whole.start + start, whole.start + end)
    found = node.tree.data.find(value[start:end], whole.start, whole.end)
    if found < 0 or end == start:
        return whole
    return Span(whole.file, whole.line, found, found + end - start)
