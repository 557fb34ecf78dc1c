"""The directives of nginx's files that hold for a route: those of its location, then of its server, then of `http`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Known
from fixer.model.nginx_config import Route, Span
from fixer.model.snapshot import Nginx, Snapshot
from fixer.nginx.tree import Directive, Tree, parse


@dataclass(frozen=True, slots=True)
class PlacedDirective:
    """A directive with the file, as nginx names it, and its 1-based line. `words` are its name and its arguments."""

    path: str
    line: int
    directive: Directive

    @property
    def words(self) -> tuple[str, ...]:
        """Return its name and its arguments, as nginx reads them."""
        return tuple(word.decode("utf-8", "replace") for word in (self.directive.name, *self.directive.args))

    @property
    def text(self) -> str:
        """Return the directive for people, in one line, as it is written: with its quotes, and the brace of a block."""
        written = self.directive.tree.data[self.directive.start:self.directive.stop]
        told = " ".join(self.words) if b"#" in written else " ".join(written.decode("utf-8", "replace").split())
        return f"{told};" if self.directive.block is None else f"{told} {{"


def enclosing_directives(block: Sequence[Directive], at: int) -> Iterator[Directive]:
    """Yield the directives around an offset, outermost first; the last one starts there."""
    best: Directive | None = None
    for directive in block:
        if directive.start <= at:
            best = directive
    if best is None:
        return
    yield best
    if best.start != at and best.block:
        yield from enclosing_directives(best.block, at)


def directives_for(snapshot: Snapshot, nginx: Nginx, route: Route) -> Iterator[PlacedDirective]:
    """Yield the directives that can hold for a route, the nearest first. What another file includes into a block is
    found only for the server of the route and for `http` of the main file."""
    seen: set[tuple[str, int]] = set()
    for span in (route.source, *_server_spans(nginx, route)):
        for found in _around(snapshot, nginx, span):
            if (found.path, found.directive.start) not in seen:
                seen.add((found.path, found.directive.start))
                yield found
    tree = _tree_of(snapshot, nginx, nginx.conf_path)
    for directive in tree.directives if tree is not None else ():
        if tree is not None and directive.name == b"http":
            yield from _children(tree, directive.block or ())


def cache_of(snapshot: Snapshot, nginx: Nginx, route: Route) -> PlacedDirective | None:
    """Return the directive that names the cache of the route's answers; None if nginx asks for each of them."""
    name = f"{route.kind.removesuffix('_pass')}_cache"
    found = next((near for near in directives_for(snapshot, nginx, route) if near.words[0] == name), None)
    return None if found is None or found.words[1:] == ("off",) else found


def all_directives(snapshot: Snapshot, nginx: Nginx) -> Iterator[PlacedDirective]:
    """Yield every directive of every file of the configuration that was read."""
    files = nginx.config.value.files if isinstance(nginx.config, Known) else ()
    for path in dict.fromkeys((nginx.conf_path, *files)):
        tree = _tree_of(snapshot, nginx, path)
        if tree is not None:
            yield from _children(tree, tree.directives, deep=True)


def directives_of(data: bytes, path: str) -> Iterator[PlacedDirective]:
    """Yield every directive of one file."""
    tree = parse(data, path)
    yield from _children(tree, tree.directives, deep=True)


def _server_spans(nginx: Nginx, route: Route) -> tuple[Span, ...]:
    servers = nginx.config.value.servers if isinstance(nginx.config, Known) else ()
    return (servers[route.server_index].span,) if route.server_index < len(servers) else ()


def _around(snapshot: Snapshot, nginx: Nginx, span: Span) -> Iterator[PlacedDirective]:
    """Yield the directives of the blocks around a span, the innermost block first."""
    tree = _tree_of(snapshot, nginx, span.file)
    if tree is None:
        return
    chain = list(enclosing_directives(tree.directives, span.start))
    for outer in reversed(chain):
        yield from _children(tree, outer.block or ())
    yield from _children(tree, tree.directives)


def _children(tree: Tree, block: Sequence[Directive], *, deep: bool = False) -> Iterator[PlacedDirective]:
    for directive in block:
        yield PlacedDirective(tree.file, tree.line(directive.start), directive)
        if deep and directive.block:
            yield from _children(tree, directive.block, deep=True)


def _tree_of(snapshot: Snapshot, nginx: Nginx, path: str) -> Tree | None:
    file = snapshot.file(nginx.node, path)
    return parse(file.data, path) if file is not None else None
