"""The directives of nginx's files that hold for a route: those of its location, then of its server, then of `http`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Known
from fixer.model.nginx_config import Route, Span
from fixer.model.snapshot import Nginx, Snapshot
from fixer.nginx.effective_config import DEEPEST_INCLUDE
from fixer.nginx.include import Sources
from fixer.nginx.tree import Directive, Tree, parse

_Block: TypeAlias = tuple[Tree, Sequence[Directive]]       # the directives of a block, and the file that they are in


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
    """Yield the directives that can hold for a route, the nearest first, with what `include` inserts into its blocks.

    Of blocks that include the route's own file, those of its server are found, and `http` of the main file."""
    files, seen = _files_of(snapshot, nginx), set[tuple[str, int]]()
    sources = _open_sources(files, nginx.conf_path)
    for block in _blocks_around(sources, nginx, route):
        for found in _with_includes(sources, block, ()):
            if (found.path, found.directive.start) not in seen:
                seen.add((found.path, found.directive.start))
                yield found
    yield from (found for found in _http_level(files, nginx.conf_path)
                if (found.path, found.directive.start) not in seen)


def set_by_another_file(snapshot: Snapshot, nginx: Nginx, route: Route, name: str) -> PlacedDirective | None:
    """Return the directive of that name in the very block of a route's pass, if another file than the pass's sets it:
    nginx refuses a second one there."""
    sources = _sources_of(snapshot, nginx)
    block = next(_blocks_around(sources, nginx, route, levels_only=True), None)
    found = _with_includes(sources, block, ()) if block is not None else iter(())
    return next((d for d in found if d.words[0] == name and d.path != route.source.file), None)


def is_included_once(snapshot: Snapshot, nginx: Nginx, path: str) -> bool:
    """Return whether only one place of the configuration reads that file, and none reads that place's file twice."""
    sources, seen = _sources_of(snapshot, nginx), {path}
    while path != nginx.conf_path:
        places = [d.path for d in all_directives(snapshot, nginx)
                  if any(tree.file == path for tree in _included(sources, d.directive, ()))]
        if len(places) != 1 or places[0] in seen:
            return False
        path = places[0]
        seen.add(path)
    return True


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
            yield from _children(tree, tree.directives)


def directives_of(data: bytes, path: str) -> Iterator[PlacedDirective]:
    """Yield every directive of one file."""
    tree = parse(data, path)
    yield from _children(tree, tree.directives)


def _blocks_around(sources: Sources, nginx: Nginx, route: Route, *, levels_only: bool = False) -> Iterator[_Block]:
    """Yield the blocks around the `proxy_pass` of a route, up to the file of its server, the innermost first; with
    `levels_only` only braces count, not the ends of files."""
    server = _server_span(nginx, route)
    if server is not None and server.file != route.source.file:
        yield from reversed(_inner_blocks(sources, server, route))
    for span in (route.source, server):
        tree = sources.tree(span.file) if span is not None else None
        if span is None or tree is None:
            continue
        for outer in reversed(list(enclosing_directives(tree.directives, span.start))):
            if outer.block is not None or not levels_only:
                yield tree, outer.block or ()
        yield tree, tree.directives


def _inner_blocks(sources: Sources, server: Span, route: Route) -> tuple[_Block, ...]:
    """Return the blocks from a route's location inwards, the outermost first; empty if no file of its server includes
    the route's."""
    tree = sources.tree(server.file)
    around = list(enclosing_directives(tree.directives, server.start)) if tree is not None else []
    for found, blocks in _walk(sources, around[-1].block or (), ()) if around else ():
        if (found.tree.file, found.start) == (route.source.file, route.source.start) and any(
                one.name == b"location" and _label(one) == route.location for one in blocks):
            return tuple((one.tree, one.block or ()) for one in blocks)
    return ()


def _walk(sources: Sources, block: Sequence[Directive], around: tuple[Directive, ...],
          files: tuple[str, ...] = ()) -> Iterator[tuple[Directive, tuple[Directive, ...]]]:
    """Yield each directive below a block, includes inserted, with the blocks around it, the outermost first."""
    for directive in block:
        yield directive, around
        if directive.block:
            yield from _walk(sources, directive.block, (*around, directive), files)
        for tree in _included(sources, directive, files):
            yield from _walk(sources, tree.directives, around, (*files, tree.file))


def _label(location: Directive) -> str:
    return " ".join(word.decode("utf-8", "replace") for word in location.args)


def _with_includes(sources: Sources, block: _Block, files: tuple[str, ...]) -> Iterator[PlacedDirective]:
    """Yield the directives of a block, and of the files that it includes where it includes them."""
    tree, directives = block
    for directive in directives:
        yield PlacedDirective(tree.file, tree.line(directive.start), directive)
        for inserted in _included(sources, directive, files):
            yield from _with_includes(sources, (inserted, inserted.directives), (*files, inserted.file))


def _included(sources: Sources, directive: Directive, files: tuple[str, ...]) -> Iterator[Tree]:
    """Yield the files that an `include` inserts, without one that includes itself."""
    if directive.name != b"include" or len(directive.args) != 1 or len(files) > DEEPEST_INCLUDE:
        return
    path = sources.full_path(directive.args[0])
    for match in sources.matches(path) or (path,):
        tree = sources.tree(match) if match not in files else None
        if tree is not None:
            yield tree


def _server_span(nginx: Nginx, route: Route) -> Span | None:
    servers = nginx.config.value.servers if isinstance(nginx.config, Known) else ()
    return servers[route.server_index].span if route.server_index < len(servers) else None


def _files_of(snapshot: Snapshot, nginx: Nginx) -> tuple[tuple[str, bytes], ...]:
    """Return the files of the configuration that was read."""
    paths = nginx.config.value.files if isinstance(nginx.config, Known) else ()
    found = ((path, snapshot.file(nginx.node, path)) for path in dict.fromkeys((nginx.conf_path, *paths)))
    return tuple((path, file.data) for path, file in found if file is not None)


def _sources_of(snapshot: Snapshot, nginx: Nginx) -> Sources:
    return _open_sources(_files_of(snapshot, nginx), nginx.conf_path)


@lru_cache(maxsize=2)       # several causes ask about each failing route; each file is parsed when it is needed first
def _open_sources(files: tuple[tuple[str, bytes], ...], main: str) -> Sources:
    return Sources(dict(files), main)


@lru_cache(maxsize=2)       # there may be thousands of sites, each in a file of its own
def _http_level(files: tuple[tuple[str, bytes], ...], main: str) -> tuple[PlacedDirective, ...]:
    """Return the directives of `http` itself, without its servers."""
    sources = _open_sources(files, main)
    tree = sources.tree(main)
    blocks = [one.block or () for one in tree.directives if one.name == b"http"] if tree is not None else []
    return tuple(found for block in blocks if tree is not None for found in _with_includes(sources, (tree, block), ())
                 if found.directive.name != b"server")


def _children(tree: Tree, block: Sequence[Directive]) -> Iterator[PlacedDirective]:
    for directive in block:
        yield PlacedDirective(tree.file, tree.line(directive.start), directive)
        if directive.block:
            yield from _children(tree, directive.block)


def _tree_of(snapshot: Snapshot, nginx: Nginx, path: str) -> Tree | None:
    file = snapshot.file(nginx.node, path)
    return parse(file.data, path) if file is not None else None
