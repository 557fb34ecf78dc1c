"""`--shrink`: the fewest parts and faults with which a host still fails in the same way, by delta debugging."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from lab.random_hosts.draw_host import do_go_together
from lab.random_hosts.figures import HostResult
from lab.random_hosts.host_spec import HostSpec, Part, composed_values
from lab.random_hosts.part_files import KIND, plain_part

FAULT = "fault "
TRIES = 30      # hosts that are made at most: half an hour to an hour
_SURENESS = re.compile(r" \((?:certain|likely|possible|unstated)\)")


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What is left: `left` of the choices and faults that were not plain, after `tries` hosts.
    `is_least`: nothing more could be left out; else the tries ended before that was known."""

    left: tuple[str, ...]
    tries: int
    is_least: bool


def way_of(result: HostResult) -> str:
    """Return in which way a host was not passed; empty if it was. It names no fault, no path and no confidence."""
    if result.judgement is None:
        return f"generator: {result.problem.partition(': ')[0]}"
    first = next(iter(result.judgement.problems), "")
    kind, _, what = first.partition(": ")
    if kind not in ("cause", "outcome"):
        return kind
    return f"{kind}: {_SURENESS.sub('', what.partition('; ')[0])}"


def extras_of(spec: HostSpec) -> tuple[str, ...]:
    """Return what a host has beyond the plain host of its kind: `AXIS=PART` and `fault NAME`."""
    plain = {axis: part.name for axis, part in _plain_parts(spec).items()}
    chosen = [f"{part.axis}={part.name}" for part in spec.parts[1:] if plain[part.axis] != part.name]
    return (*chosen, *(f"{FAULT}{one.name}" for one in spec.faults))


def reduced(spec: HostSpec, left: Sequence[str], file: str) -> HostSpec | None:
    """Return the host with only these extras, as its document `file` will hold it; None if they do not go together
    with plain parts."""
    plain = _plain_parts(spec)
    parts = (spec.parts[0], *(part if f"{part.axis}={part.name}" in left else plain[part.axis]
                              for part in spec.parts[1:]))
    faults = tuple(one for one in spec.faults if f"{FAULT}{one.name}" in left)
    found = replace(spec, parts=parts, faults=(), values=composed_values(parts, spec.drawn), file=file)
    found = replace(found, faults=faults)
    return found if do_go_together(found) else None


def _plain_parts(spec: HostSpec) -> dict[str, Part]:
    kind = next(part for part in spec.parts if part.axis == KIND)
    return {part.axis: plain_part(part.axis, kind) for part in spec.parts[1:]}


def shrink(extras: Sequence[str], fails: Callable[[Sequence[str]], bool | None], tries: int = TRIES) -> Shrunk:
    """Return the fewest extras with which `fails` is still True. None says that they do not go together: that costs no
    try. `fails` is known to be True for all of them."""
    search = _Search(fails, tries)
    left, pieces = ([] if search.still_fails([]) else list(extras)), 2
    while left:
        size = -(-len(left) // pieces)
        kept = next((one for one in _without_each(left, size) if search.still_fails(one)), None)
        if kept is not None:
            left, pieces = kept, max(pieces - 1, 2)
        elif size == 1 or search.is_over:
            break
        else:
            pieces = min(len(left), pieces * 2)
    return Shrunk(tuple(left), search.tries, is_least=not search.is_over)


def _without_each(left: Sequence[str], size: int) -> Iterator[list[str]]:
    """Yield what is left without each piece of a size. One piece of all of them was tried first."""
    for start in range(0, len(left), size):
        if kept := [*left[:start], *left[start + size:]]:
            yield kept


@dataclass(slots=True)
class _Search:
    """The tries that are left, and what was asked already."""

    fails: Callable[[Sequence[str]], bool | None]
    limit: int
    tries: int = 0
    is_over: bool = False
    known: dict[frozenset[str], bool] = field(default_factory=dict)

    def still_fails(self, extras: Sequence[str]) -> bool:
        key = frozenset(extras)
        if key not in self.known and self.tries >= self.limit:
            self.is_over = True
            return False
        if key not in self.known:
            answer = self.fails(extras)
            self.tries += answer is not None
            self.known[key] = answer is True
        return self.known[key]
