"""A host drawn from a seed: one part of each axis that goes together, names and ports, and up to three faults."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lab.errors import LabError
from lab.random_hosts.host_spec import Constraint, Fault, HostSpec, Part, composed_values, together
from lab.random_hosts.part_files import (
    KIND,
    all_faults,
    all_parts,
    base_part,
    fault_named,
    part_named,
    parts_of_kind,
)

WORDS = ("ledger", "orders", "depot", "tickets", "roster", "intake", "archive", "catalog", "billing", "permits")
OTHER_WORDS = ("harbor", "meadow", "quarry", "lantern", "orchard", "gazette")
MODULES = ("office", "portal", "desk", "counter")
PEOPLE = ("kim", "noor", "alex", "sasha")
FRONT_SERVICES = ("web", "proxy", "edge", "front")      # of a Compose project
BACK_SERVICES = ("app", "backend", "service", "pages")
FAULT_COUNTS = (0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3)      # drawn evenly: a sixth of the hosts is well
_TRIES = 5000
_FAULT = "fault"        # the word for a fault among the parts that a person asks for


def draw_host(seed: int, faults: Sequence[str] | None = None, asked: Sequence[str] = ()) -> HostSpec:
    """Return the host of a seed. `faults` names its faults instead of drawing them, for tests. `asked` limits the draw
    to hosts with these parts, each AXIS=NAME or fault=NAME. Raise LabError if there are none."""
    drawn = random.Random(f"random-host {seed}")  # noqa: S311  a draw, no secret
    fixed, named = _asked_parts(asked)
    wanted = [fault_named(name) for name in (*(faults or ()), *named)] if faults is not None or named else None
    kinds = (fixed[KIND],) if KIND in fixed else all_parts()[KIND]
    kind = drawn.choice(kinds)      # first, so that each has its share of all hosts
    for _ in range(_TRIES):
        if wanted is not None or fixed:
            kind = drawn.choice(kinds)      # not every fault goes with each
        choices = parts_of_kind(kind)
        if any(part not in choices[axis] for axis, part in fixed.items()):
            continue
        parts = (base_part(), *(drawn.choice((fixed[axis],) if axis in fixed else found)
                                for axis, found in choices.items()))
        if not together(one.constraint for one in (*parts, *(wanted or ()))).holds:
            continue
        names = _draw_names(drawn)
        bare = HostSpec(seed, parts, (), composed_values(parts, names), names, asked=tuple(asked))
        return replace(bare, faults=tuple(_draw_faults(drawn, bare) if wanted is None else wanted))
    told = f": {', '.join(asked)} do not go together" if asked else ""
    raise LabError(f"random host: no parts go together for seed {seed}{told}")


def _asked_parts(asked: Sequence[str]) -> tuple[Mapping[str, Part], Sequence[str]]:
    """Return the part of each axis that a person asks for, and the names of the faults."""
    words = [text.partition("=")[::2] for text in asked]
    parts = {axis: part_named(axis, name) for axis, name in words if axis != _FAULT}
    return parts, [name for axis, name in words if axis == _FAULT]


def _draw_faults(drawn: random.Random, host: HostSpec) -> list[Fault]:
    """Return faults that fit the host and each other: as many as the draw wants, fewer if no more fit. Those of files
    come first: what is stopped by another one would not read them."""
    chosen: list[Fault] = []
    base = together(part.constraint for part in host.parts)
    for _ in range(drawn.choice(FAULT_COUNTS)):
        fitting = [fault for fault in all_faults() if _fits(fault, base, chosen)
                   and not any(disturb_each_other(host, fault, other) for other in chosen)]
        if fitting:
            chosen.append(drawn.choice(fitting))
    return sorted(chosen, key=lambda fault: not fault.saves)


def do_go_together(host: HostSpec) -> bool:
    """Return whether parts and faults of a host may stand together, as if they had been drawn."""
    bare, before = replace(host, faults=()), together(part.constraint for part in host.parts)
    return before.holds and all(
        _fits(fault, before, host.faults[:number])
        and not any(disturb_each_other(bare, fault, other) for other in host.faults[:number])
        for number, fault in enumerate(host.faults))


def _fits(fault: Fault, base: Constraint, others: Sequence[Fault]) -> bool:
    if any(other.touches & fault.touches for other in others):
        return False
    return together([base, *(other.constraint for other in others), fault.constraint]).holds


def disturb_each_other(host: HostSpec, fault: Fault, other: Fault) -> bool:
    """Return whether one of two faults cannot be injected or undone alone."""
    return saves_overlap(host, fault, other) or ends_other(host, fault, other) or ends_other(host, other, fault)


def ends_other(host: HostSpec, fault: Fault, other: Fault) -> bool:
    """Return whether a fault, or its undoing, ends all processes of the service, and the other one is about these, or
    must reach them: it is over then, or cannot be undone."""
    ends = host.values["ends_service"]
    needs_them = "service" in other.touches or any("{{inside}}" in script for script in (*other.inject, *other.undo))
    return bool(ends) and needs_them and any(ends in host.fill(script) for script in (*fault.inject, *fault.undo))


def saves_overlap(host: HostSpec, fault: Fault, other: Fault) -> bool:
    """Return whether both change a file, or one changes a folder that holds it: neither could be undone alone."""
    pairs = ((host.fill(one), host.fill(two)) for one in fault.saves for two in other.saves)
    return any(f"{one}/".startswith(f"{two}/") or f"{two}/".startswith(f"{one}/") for one, two in pairs)


def _draw_names(drawn: random.Random) -> Mapping[str, str]:
    """Return the names and ports of the draw."""
    port, other_port, third_port, fourth_port = drawn.sample(range(3001, 9900), 4)
    word, other = drawn.choice(WORDS), drawn.choice(OTHER_WORDS)
    module = drawn.choice(MODULES)
    return {
        "word": word, "other": other, "module": module, "module_pattern": f"[{module[0]}]{module[1:]}",
        "port": str(port), "other_port": str(other_port), "third_port": str(third_port),
        "fourth_port": str(fourth_port),
        "signing_key": "".join(drawn.choices("abcdefghjkmnpqrstuvwxyz23456789", k=24)),
        "login": drawn.choice(PEOPLE), "password": "".join(drawn.choices("abcdefghjkmnpqrstuvwxyz", k=10)),
        "title": f"{word.capitalize()} {drawn.choice(('desk', 'service', 'back office'))}",
        "web": drawn.choice(FRONT_SERVICES), "app": drawn.choice(BACK_SERVICES),
    }
