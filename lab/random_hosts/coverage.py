"""Pairwise coverage: how many pairs of choices on two axes the drawn hosts hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from lab.random_hosts.host_spec import Constraint, HostSpec, Part, together
from lab.random_hosts.part_files import KIND, all_faults, all_parts, parts_of_kind

Pair = tuple[tuple[str, str], tuple[str, str]]
_SHOWN = 20     # missing pairs


@dataclass(frozen=True, slots=True)
class Coverage:
    """Pairs that the hosts hold, and those that could exist: no constraint between the two forbids them. `undrawn` are
    the faults that no host has."""

    seen: frozenset[Pair]
    possible: frozenset[Pair]
    undrawn: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[Pair, ...]:
        """Return the possible pairs that no host holds."""
        return tuple(sorted(self.possible - self.seen))

    @property
    def text(self) -> str:
        """Return the coverage in all and for each axis, the first missing pairs, and the faults that no host has."""
        lines = [f"pairs of choices covered: {len(self.seen & self.possible)} of {len(self.possible)}"]
        axes = sorted({axis for pair in self.possible for axis, _ in pair})
        for axis in axes:
            own = [pair for pair in self.possible if axis in (pair[0][0], pair[1][0])]
            held = sum(pair in self.seen for pair in own)
            lines.append(f"  {axis:<12}{held:>5} of {len(own)}")
        for number, ((axis, name), (other_axis, other)) in enumerate(self.missing[:_SHOWN]):
            lines.append(f"{'missing:' if not number else '':<10}{axis}={name} with {other_axis}={other}")
        if len(self.missing) > _SHOWN:
            lines.append(f"{'':<10}and {len(self.missing) - _SHOWN} more")
        if self.undrawn:
            lines.append(f"faults that no host has: {', '.join(self.undrawn)}")
        return "\n".join(lines)


def pairs_of(choices: Mapping[str, str]) -> frozenset[Pair]:
    """Return the pairs of one host, each in the order of its axes."""
    return frozenset(combinations(sorted(choices.items()), 2))


def coverage(hosts: Iterable[HostSpec]) -> Coverage:
    """Return the coverage of the axes by the hosts."""
    drawn = tuple(hosts)
    seen = frozenset[Pair]().union(*(pairs_of(_axes_of(host)) for host in drawn))
    held = {fault.name for host in drawn for fault in host.faults}
    return Coverage(seen, possible_pairs(), tuple(one.name for one in all_faults() if one.name not in held))


def _axes_of(host: HostSpec) -> Mapping[str, str]:
    return {axis: name for axis, name in host.choices.items() if axis in all_parts()}


@cache
def possible_pairs() -> frozenset[Pair]:
    """Return the pairs that some choice on the other axes completes to a host without violated constraints."""
    return frozenset[Pair]().union(*(_pairs_of_kind(parts_of_kind(kind)) for kind in all_parts()[KIND]))


def _pairs_of_kind(axes: Mapping[str, Sequence[Part]]) -> frozenset[Pair]:
    found = set()
    kind, deciding = axes[KIND][0].constraint, _deciding_axes(axes)
    for (axis, parts), (other_axis, others) in combinations(sorted(axes.items()), 2):
        rest = [choices for name, choices in deciding.items() if name not in (axis, other_axis)]
        for part in parts:
            for other in others:
                if _can_complete(together((kind, part.constraint, other.constraint)), rest):
                    found.add(((axis, part.name), (other_axis, other.name)))
    return frozenset(found)


def _deciding_axes(axes: Mapping[str, Sequence[Part]]) -> Mapping[str, Sequence[Part]]:
    """Return the axes that constraints are about: a part needs or refuses something, or offers what another does."""
    own = axes[KIND][0].constraint.offers
    asked = frozenset[str]().union(*((one.constraint.needs | one.constraint.refuses) - own
                                     for parts in axes.values() for one in parts))
    return {axis: parts for axis, parts in axes.items()
            if any((one.constraint.needs | one.constraint.refuses | one.constraint.offers) & asked for one in parts)}


def _can_complete(chosen: Constraint, rest: Sequence[Sequence[Part]]) -> bool:
    if chosen.refused:
        return False
    if not rest:
        return chosen.holds
    return any(_can_complete(together((chosen, part.constraint)), rest[1:]) for part in rest[0])
