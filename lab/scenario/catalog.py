"""The catalogue of scenarios, and command-line names: a scenario, a variant, an alias."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.errors import ScenarioError, UsageError
from lab.paths import extra_scenarios_root, scenarios_root
from lab.scenario.draw import pick_name, pick_variant
from lab.scenario.scenario_file import Scenario, Stack, Variant, load_for_listing, load_scenario, read_toml


@dataclass(frozen=True, slots=True)
class Choice:
    """The result of a name and a seed."""

    scenario: Scenario
    variant: Variant
    stack: Stack


@cache
def scenario_folders() -> Mapping[str, Path]:
    """Return the folder of every scenario, by name; none is read yet, so that an invalid one does not hide others."""
    found, further = _folders_below(scenarios_root()), extra_scenarios_root()
    own = {} if further is None else _folders_below(further)
    both = sorted(found.keys() & own.keys())
    if both:
        raise UsageError(f"{further}/{both[0]}: a scenario with that name already exists", "rename the folder")
    return {**found, **own}


def extra_folder_of(name: str) -> str:
    """Return the folder of `--scenarios` if the scenario comes from it, else empty."""
    further = extra_scenarios_root()
    return str(further) if further is not None and scenario_folders()[name].parent == further else ""


def _folders_below(root: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in sorted(root.glob("*/scenario.toml"))}


@cache
def scenario_named(name: str) -> Scenario:
    """Return the scenario of that name."""
    folder = scenario_folders().get(name)
    if folder is None:
        raise UsageError(f"the scenario {name} does not exist (any more)", "name its folder: lab --scenarios DIR")
    return load_scenario(folder)


@cache
def all_scenarios() -> Mapping[str, Scenario]:
    """Return every scenario, by name, for lists; `scenario_named` also validates it."""
    return {name: load_for_listing(folder) for name, folder in scenario_folders().items()}


@cache
def aliases() -> Mapping[str, tuple[str, ...]]:
    """Return the aliases of one or several scenarios."""
    path = scenarios_root() / "aliases.toml"
    if not path.exists():
        return {}
    table = read_toml(path)
    for word, names in table.items():
        if not isinstance(names, list) or not all(name in scenario_folders() for name in names):
            raise ScenarioError(f"scenarios/aliases.toml: {word}: must be a list of scenarios")
    return {word: tuple(names) for word, names in table.items()}


def is_scenario_or_alias(word: str) -> bool:
    """Return whether a word names a scenario, an alias or SCENARIO/VARIANT."""
    name, _, variant = word.partition("/")
    if variant:
        return name in scenario_folders() and any(found.name == variant for found in scenario_named(name).variants)
    return name in scenario_folders() or name in aliases()


def resolve_names(word: str) -> tuple[str, ...]:
    """Return the scenarios that a word names; for an unknown word, raise UsageError with the nearest."""
    name = word.partition("/")[0]
    if name in scenario_folders():
        return (name,)
    if name in aliases() and "/" not in word:
        return aliases()[name]
    near = difflib.get_close_matches(name, [*scenario_folders(), *aliases()], 1)
    raise UsageError(f"no scenario is called {word!r}", f"did you mean {near[0]}?" if near else "`lab list` shows all")


def find_scenario(word: str) -> Scenario:
    """Return the one scenario that a word names."""
    names = resolve_names(word)
    if len(names) > 1:
        raise UsageError(f"{word!r} is an alias of {', '.join(names)}", "name one of them")
    return scenario_named(names[0])


def variant_of(found: Scenario, word: str) -> Variant | None:
    """Return the variant that SCENARIO/VARIANT names; None if the word leaves it open."""
    wanted = word.partition("/")[2]
    if not wanted:
        return None
    variant = next((one for one in found.variants if one.name == wanted), None)
    if variant is None:
        known = ", ".join(one.name for one in found.variants)
        raise UsageError(f"{found.name} has no variant {wanted!r}", f"it has {known}")
    return variant


def choose(word: str, stack: Stack | None, seed: int) -> Choice:
    """Return scenario, variant and stack for a word: what it leaves open is drawn from the seed."""
    names = resolve_names(word)
    fitting = [name for name in names if stack is None or stack in scenario_named(name).stacks]
    if not fitting:
        reason = scenario_named(names[0]).why_not.get(str(stack), "")
        raise UsageError(f"{word} does not run on the {stack} stack: {reason}")
    chosen = scenario_named(pick_name(fitting, seed))
    variant = variant_of(chosen, word)
    if variant is None:
        on = stack or chosen.stacks[0]
        return Choice(chosen, pick_variant(chosen, on, seed), on)
    if stack is not None and stack not in variant.stacks:
        reason = f": {variant.why_not[stack]}" if stack in variant.why_not else ""
        raise UsageError(f"{word} does not run on the {stack} stack{reason}", f"it runs on {', '.join(variant.stacks)}")
    return Choice(chosen, variant, stack or variant.stacks[0])
