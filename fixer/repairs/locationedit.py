"""A directive of one location: changed where it stands beside the pass, else written right after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.errors import StepFailed
from fixer.lazy.dataclass import dataclass
from fixer.model.nginx_config import Route
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Nginx, Snapshot
from fixer.nginx.effective_config import word_span
from fixer.nginx.span_edit import insert_after, replace_span, replace_words
from fixer.nginx.tree import Directive, parse
from fixer.repairs.file_edits import NoPlace, Place, writable_place

_MOST = 4 << 20


@dataclass(frozen=True, slots=True)
class Set:
    """A directive's value to be in force for one route."""

    route: Route
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Edited:
    """The write, the places it changes (file:line), and the file it lies in."""

    step: WriteFile
    where: tuple[str, ...]
    place: Place


def set_in_locations(snapshot: Snapshot, nginx: Nginx, wishes: Sequence[Set], summary: str) -> Edited | NoPlace:
    """One write for all wishes of one file; NoPlace where a location cannot hold the directive."""
    path = wishes[0].route.source.file
    if any(wish.route.source.file != path for wish in wishes):
        return NoPlace("the locations lie in several files")
    place = writable_place(snapshot, nginx.node, path)
    if isinstance(place, NoPlace):
        return place
    if len(place.data) > _MOST:
        return NoPlace(f"{path} is too long")
    data, where = place.data, []
    shift, last = 0, -1      # several directives of one location: what stands before its pass may become longer
    for wish in sorted(wishes, key=lambda wish: -wish.route.source.start):
        start = wish.route.source.start
        shift = shift if start == last else 0
        made = _set(data, wish, start + shift)
        if isinstance(made, NoPlace):
            return made
        data, moved = made
        if start != last:
            where.append(f"{path}:{wish.route.source.line}")
        shift, last = shift + moved, start
    if data == place.data:
        return NoPlace(f"{path} says so already")
    return Edited(WriteFile(place.node, place.path, place.data, data, summary, in_place=place.in_place),
                  tuple(reversed(where)), place)


def _set(data: bytes, wish: Set, at: int) -> tuple[bytes, int] | NoPlace:
    """The file with it, and by how many bytes the pass, which begins at `at`, has moved."""
    chain = list(_chain(parse(data).directives, at))
    if not chain or (len(chain) > 1 and chain[-2].name in (b"if", b"limit_except")):
        return NoPlace(f"{wish.name} cannot stand where {wish.route.source.file}:{wish.route.source.line} does")
    beside = chain[-2].block if len(chain) > 1 else parse(data).directives
    words = wish.value.encode().split()
    named = [d for d in beside or () if d.name == wish.name.encode()]
    old = next((d for d in named if len(d.args) == len(words)), named[0] if named else None)
    try:
        if old is None:
            return insert_after(data, chain[-1].stop + 1, f"{wish.name} {wish.value};".encode()), 0
        made = data
        if len(old.args) != len(words):
            made = replace_words(made, word_span(old, 1).start, word_span(old, len(old.args)).end, words)
            words = []
        for index in range(len(words), 0, -1):
            span = word_span(old, index)
            made = replace_span(made, span.start, span.end, words[index - 1])
    except StepFailed as error:
        return NoPlace(error.message)
    return made, len(made) - len(data) if old.start < at else 0


def _chain(block: Sequence[Directive], at: int) -> Iterator[Directive]:
    """The directives around an offset, outermost first; the one that begins there is the last."""
    best: Directive | None = None
    for directive in block:
        if directive.start <= at:
            best = directive
    if best is None:
        return
    yield best
    if best.start != at and best.block:
        yield from _chain(best.block, at)
