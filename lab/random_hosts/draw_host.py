"""A host drawn from a seed: one part of each axis that goes together, names and ports, and up to three faults."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lab.errors import LabError
from lab.random_hosts.host_spec import Fault, HostSpec, Part, fill, violations
from lab.random_hosts.part_files import all_faults, all_parts, base_part

WORDS = ("ledger", "orders", "depot", "tickets", "roster", "intake", "archive", "catalog", "billing", "permits")
OTHER_WORDS = ("harbor", "meadow", "quarry", "lantern", "orchard", "gazette")
MODULES = ("office", "portal", "desk", "counter")
PEOPLE = ("kim", "noor", "alex", "sasha")
FAULT_COUNTS = (0, 1, 1, 1, 1, 2, 2, 3)     # drawn evenly: an eighth of the hosts is well
_TRIES = 5000


def draw_host(seed: int, faults: Sequence[str] | None = None) -> HostSpec:
    """Return the host of a seed. `faults` names its faults instead of drawing them, for tests."""
    drawn = random.Random(f"random-host {seed}")  # noqa: S311  a draw, no secret
    wanted = [_fault_named(name) for name in faults] if faults is not None else None
    for _ in range(_TRIES):
        parts = (base_part(), *(drawn.choice(choices) for choices in all_parts().values()))
        if violations([part.constraint for part in parts]):
            continue
        if wanted is not None and any(not _fits(fault, parts, ()) for fault in wanted):
            continue
        bare = HostSpec(seed, parts, (), _values(drawn, parts))
        return replace(bare, faults=tuple(_draw_faults(drawn, bare) if wanted is None else wanted))
    raise LabError(f"random host: no parts go together for seed {seed}")


def _draw_faults(drawn: random.Random, host: HostSpec) -> list[Fault]:
    """Return faults that fit the host and each other: as many as the draw wants, fewer if no more fit."""
    chosen: list[Fault] = []
    for _ in range(drawn.choice(FAULT_COUNTS)):
        fitting = [fault for fault in all_faults() if _fits(fault, host.parts, chosen)
                   and not any(saves_overlap(host, fault, other) for other in chosen)]
        if fitting:
            chosen.append(drawn.choice(fitting))
    return chosen


def _fits(fault: Fault, parts: Sequence[Part], others: Sequence[Fault]) -> bool:
    if any(other.touches & fault.touches for other in others):
        return False
    return not violations([*(part.constraint for part in parts), *(other.constraint for other in others),
                           fault.constraint])


def saves_overlap(host: HostSpec, fault: Fault, other: Fault) -> bool:
    """Return whether both change a file, or one changes a folder that holds it: neither could be undone alone."""
    pairs = ((host.fill(one), host.fill(two)) for one in fault.saves for two in other.saves)
    return any(f"{one}/".startswith(f"{two}/") or f"{two}/".startswith(f"{one}/") for one, two in pairs)


def _fault_named(name: str) -> Fault:
    found = next((fault for fault in all_faults() if fault.name == name), None)
    if found is None:
        raise LabError(f"random host: no fault is called {name}")
    return found


def _values(drawn: random.Random, parts: Sequence[Part]) -> Mapping[str, str]:
    """Return names and ports of the draw, and the values of the parts: the base gives defaults, one part overrides."""
    port, other_port, third_port, fourth_port = drawn.sample(range(3001, 9900), 4)
    word, other = drawn.choice(WORDS), drawn.choice(OTHER_WORDS)
    module = drawn.choice(MODULES)
    found = {
        "word": word, "other": other, "module": module, "module_pattern": f"[{module[0]}]{module[1:]}",
        "port": str(port), "other_port": str(other_port), "third_port": str(third_port),
        "fourth_port": str(fourth_port),
        "signing_key": "".join(drawn.choices("abcdefghjkmnpqrstuvwxyz23456789", k=24)),
        "login": drawn.choice(PEOPLE), "password": "".join(drawn.choices("abcdefghjkmnpqrstuvwxyz", k=10)),
        "title": f"{word.capitalize()} {drawn.choice(('desk', 'service', 'back office'))}",
    }
    base, *others = parts
    given: dict[str, str] = {}
    for part in others:
        if twice := sorted((given.keys() | found.keys()) & part.values.keys()):
            raise LabError(f"random host: {part.axis}/{part.name} gives {twice[0]} another value than another part")
        given |= part.values
    every = {**base.values, **given, **found}
    return {name: fill(text, every) for name, text in every.items()}
