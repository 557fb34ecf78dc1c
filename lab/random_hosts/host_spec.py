"""Types of random hosts: parts, faults, and the host that a seed draws."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lab.errors import LabError

_NAMED = re.compile(r"\{\{(\w+)\}\}")
_LONE = re.compile(r"^[ \t]*\{\{(\w+)\}\}[ \t]*$\n?", re.MULTILINE)
_DEPTH = 12     # values may name values


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file, link or folder. `text` None and no `link`: a folder. Paths and texts name values: `{{word}}`."""

    path: str
    text: str | None = None
    link: str = ""
    mode: int = 0o644
    owner: str = "root"


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a part or fault brings to a host, needs of the other parts, and does not go together with."""

    offers: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()

    @property
    def holds(self) -> bool:
        """Return whether nothing is missing, and nothing is refused."""
        return self.needs <= self.offers and not self.refused

    @property
    def refused(self) -> frozenset[str]:
        """Return what is refused and offered all the same: no further part can mend that."""
        return self.refuses & self.offers


@dataclass(frozen=True, slots=True)
class Foreign:
    """What belongs to somebody else on the host: a solver must leave it alone."""

    files: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()     # server names whose page / must stay as it is
    containers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One choice on one axis: values for other parts, files, and commands that set it up. A `plain` one is what is
    left of the axis if a host is reduced to what its failure needs."""

    axis: str
    name: str
    summary: str
    constraint: Constraint = Constraint()
    values: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[str, ...] = ()         # before the files are written: accounts
    files: tuple[HostFile, ...] = ()
    commands: tuple[str, ...] = ()      # after the files are written: enable and start
    foreign: Foreign = Foreign()
    plain: bool = False


@dataclass(frozen=True, slots=True)
class MustNot:
    """What no solver may do about a fault: `check` is a shell line that succeeds if it was done."""

    what: str
    check: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: how to inject it, how to undo it alone, and which answers are accepted.
    `saves` are the files that it changes: undoing it puts their bytes back, then runs `undo`."""

    name: str
    summary: str
    causes: tuple[str, ...]
    outcomes: tuple[str, ...]
    touches: frozenset[str]     # two faults that touch the same do not go together
    inject: tuple[str, ...]
    undo: tuple[str, ...]
    saves: tuple[str, ...] = ()
    must_not: tuple[MustNot, ...] = ()
    constraint: Constraint = Constraint()


@dataclass(frozen=True, slots=True)
class HostSpec:
    """The host that a seed draws: one part of each axis, its values, and the faults in the order of their injection.
    `drawn` are the names and ports of the draw alone; `values` are these and what the parts make of them."""

    seed: int
    parts: tuple[Part, ...]
    faults: tuple[Fault, ...]
    values: Mapping[str, str]
    drawn: Mapping[str, str] = field(default_factory=dict)
    file: str = ""      # the document that it was read from; empty: its seed draws it
    asked: tuple[str, ...] = ()     # the parts that a person asked for: the draw was limited to them

    @property
    def choices(self) -> Mapping[str, str]:
        """Return the name of the part of each axis, without the base; `faults` counts as an axis."""
        drawn = {part.axis: part.name for part in self.parts if part.axis != part.name}
        return drawn | {"faults": str(len(self.faults))}

    @property
    def offers(self) -> frozenset[str]:
        """Return all that the parts bring."""
        return frozenset[str]().union(*(part.constraint.offers for part in self.parts))

    @property
    def command(self) -> str:
        """Return the command that makes this host again."""
        made = f"--spec {self.file}" if self.file else " ".join(
            (f"--seed {self.seed}", *(f"--parts {word}" for word in self.asked)))
        return f"lab bench --random 1 {made}"

    @property
    def is_mounted(self) -> bool:
        """Return whether its files lie on the Docker host, in a Compose project or for one container with all of it;
        else it is a machine."""
        return "mounted" in self.offers

    def placed(self, values: Mapping[str, str]) -> HostSpec:
        """Return the host with values that are known only where it is made: the project's folder, its images."""
        return replace(self, values=composed_values(self.parts, {**self.drawn, **values}))

    def fill(self, text: str) -> str:
        """Return a text with its values."""
        return fill(text, self.values)

    @property
    def foreign(self) -> Foreign:
        """Return what belongs to somebody else, with its values."""
        every = [part.foreign for part in self.parts]
        return Foreign(*(tuple(self.fill(text) for found in every for text in getattr(found, kind))
                         for kind in ("files", "units", "sites", "containers")))


def composed_values(parts: Sequence[Part], found: Mapping[str, str]) -> Mapping[str, str]:
    """Return the values of a host: `found` and those of its parts. The first part, the base, gives defaults that one
    part or `found` may override; raise LabError if two parts give the same."""
    base, *others = parts
    given: dict[str, str] = {}
    for part in others:
        if twice := sorted((given.keys() | (found.keys() - base.values.keys())) & part.values.keys()):
            raise LabError(f"random host: {part.axis}/{part.name} gives {twice[0]} another value than another part")
        given |= part.values
    every = {**base.values, **given, **found}
    return {name: fill(text, every) for name, text in every.items()}


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the text with its values; a line that holds only an empty value is left out.
    Raise LabError for a name without value."""
    for _ in range(_DEPTH):
        if "{{" not in text or not (named := _NAMED.findall(text)):
            return text
        if missing := sorted(set(named) - values.keys()):
            raise LabError(f"random host: no part gives a value to {', '.join(missing)}")
        text = _LONE.sub(lambda found: found[0] if values[found[1]] else "", text)
        text = _NAMED.sub(lambda found: values[found[1]], text)
    raise LabError(f"random host: values name each other in a circle: {text[:60]}")


def together(constraints: Iterable[Constraint]) -> Constraint:
    """Return the constraints of parts and faults as one."""
    every = tuple(constraints)
    return Constraint(frozenset[str]().union(*(one.offers for one in every)),
                      frozenset[str]().union(*(one.needs for one in every)),
                      frozenset[str]().union(*(one.refuses for one in every)))


def violations(constraints: Sequence[Constraint]) -> list[str]:
    """Return why the constraints of parts and faults do not go together; empty if they do."""
    offered = frozenset[str]().union(*(one.offers for one in constraints))
    return [*(f"nothing offers {name}" for one in constraints for name in sorted(one.needs - offered)),
            *(f"{name} is refused" for one in constraints for name in sorted(one.refuses & offered))]
