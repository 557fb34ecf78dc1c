"""The catalogue of scenarios, and command-line names: a scenario, a variant, an alias."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.errors import ScenarioError, UsageError
from lab.paths import extra_scenarios_root, scenarios_root
from lab.scenario.draw import is_plain, pick_name, pick_variant
from lab.scenario.scenario_file import (
    STACKS,
    Scenario,
    Stack,
    Variant,
    load_for_listing,
    load_scenario,
    read_toml,
)

ANY = "any"  # the word for a scenario that nobody has named, so that its name does not reveal the fault
EASY = 1     # the difficulty of a first lab
_MOST_SEEDS = 5000  # tried for one; one in 130 suits on average where it is hardest


@dataclass(frozen=True, slots=True)
class Wish:
    """What a lab called `any` shall be: its difficulty, and the start of its family's name."""

    difficulty: int | None = None
    family: str = ""


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
    folder = scenario_folders().get(name)
    return str(further) if further is not None and folder is not None and folder.parent == further else ""


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
def _listed(name: str) -> Scenario:
    return load_for_listing(scenario_folders()[name])


@cache
def all_scenarios() -> Mapping[str, Scenario]:
    """Return every scenario, by name, for lists; `scenario_named` also validates it."""
    return {name: _listed(name) for name in scenario_folders()}


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


def full_name(word: str) -> str:
    """Return SCENARIO/VARIANT for a variant's own name, and any other word unchanged."""
    if "/" in word or is_scenario_or_alias(word):
        return word
    found = [name for name in _variant_names() if name.endswith(f"/{word}")]
    if len(found) > 1:
        raise UsageError(f"several scenarios have a variant {word!r}", f"name one: {', '.join(found)}")
    return found[0] if found else word


def _variant_names() -> tuple[str, ...]:
    """Return SCENARIO/VARIANT of all variants; an invalid scenario hides only its own."""
    names: list[str] = []
    for scenario, folder in scenario_folders().items():
        try:
            names += [f"{scenario}/{variant.name}" for variant in load_for_listing(folder).variants]
        except ScenarioError:
            continue
    return tuple(names)


def resolve_names(word: str) -> tuple[str, ...]:
    """Return the scenarios that a word names; for an unknown word, raise UsageError with the nearest."""
    name = word.partition("/")[0]
    if name in scenario_folders():
        return (name,)
    if name in aliases() and "/" not in word:
        return aliases()[name]
    by_last = {known.rpartition("/")[2]: known for known in _variant_names()}
    near = difflib.get_close_matches(name, [*scenario_folders(), *aliases(), ANY], 1)
    near = near or [by_last[last] for last in difflib.get_close_matches(name, by_last, 1)]
    near = near or ([ANY] if name in ("random", "surprise") else [])
    raise UsageError(f"no scenario is called {word!r}", f"did you mean {near[0]}?" if near else "`lab list` shows all")


def find_scenario(word: str) -> Scenario:
    """Return the one scenario that a word names."""
    names = resolve_names(full_name(word))
    if len(names) > 1:
        raise UsageError(f"{word!r} is an alias of {', '.join(names)}", "name one of them")
    return scenario_named(names[0])


def variant_of(found: Scenario, word: str) -> Variant | None:
    """Return the variant that SCENARIO/VARIANT names; None if the word leaves it open."""
    wanted = full_name(word).partition("/")[2]
    if not wanted:
        return None
    variant = next((one for one in found.variants if one.name == wanted), None)
    if variant is None:
        known = ", ".join(one.name for one in found.variants)
        raise UsageError(f"{found.name} has no variant {wanted!r}", f"it has {known}")
    return variant


def choose(word: str, stack: Stack | None, seed: int, wish: Wish | None = None) -> Choice:
    """Return scenario, variant and stack for a word: what it leaves open is drawn from the seed."""
    listed = choose_listed(word, stack, seed, wish)
    scenario = scenario_named(listed.scenario.name)  # validated
    return Choice(scenario, scenario.variant(listed.variant.name), listed.stack)


def choose_listed(word: str, stack: Stack | None, seed: int, wish: Wish | None = None) -> Choice:
    """Return the same without validation, for which the standard library is enough."""
    if word == ANY and ANY not in scenario_folders():
        return _choose_any(stack, seed, wish or Wish())
    if wish not in (None, Wish()):
        raise UsageError("--difficulty and --family choose among all scenarios", "write: lab up any --difficulty N")
    word = full_name(word)
    names = resolve_names(word)
    fitting = [name for name in names if stack is None or stack in _listed(name).stacks]
    if not fitting:
        reason = _listed(names[0]).why_not.get(str(stack), "")
        there = [on for on in STACKS if any(on in _listed(name).stacks for name in names)]
        raise UsageError(f"{word} does not run on the {stack} stack: {reason}", f"it runs on {', '.join(there)}")
    chosen = _listed(pick_name(fitting, seed))
    variant = variant_of(chosen, word)
    if variant is None:
        on = stack or chosen.stacks[0]
        return Choice(chosen, pick_variant(chosen, on, seed), on)
    if stack is not None and stack not in variant.stacks:
        reason = f": {variant.why_not[stack]}" if stack in variant.why_not else ""
        raise UsageError(f"{word} does not run on the {stack} stack{reason}", f"it runs on {', '.join(variant.stacks)}")
    return Choice(chosen, variant, stack or variant.stacks[0])


def _choose_any(stack: Stack | None, seed: int, wish: Wish) -> Choice:
    """Return a fault of that difficulty and family, drawn from the seed; a healthy stack is none."""
    families = sorted({found.family for found in all_scenarios().values()})
    if wish.family and not any(_is_family(family, wish) for family in families):
        raise UsageError(f"no family is called {wish.family!r}", f"there are: {'; '.join(families)}")
    fitting: dict[str, list[Choice]] = {}
    for found in all_scenarios().values():
        faults = [variant for variant in found.variants if variant.expect.cause and _is_family(found.family, wish)
                  and wish.difficulty in (None, variant.difficulty)]
        choices = [Choice(found, variant, on) for variant in faults for on in variant.stacks if stack in (None, on)]
        if choices:
            fitting[found.name] = choices
    if not fitting:
        raise UsageError("no scenario has that difficulty, family and stack", "`lab list` shows them all")
    drawn = fitting[pick_name(list(fitting), seed)]
    names = [f"{choice.variant.name}/{choice.stack}" for choice in drawn]
    return drawn[names.index(pick_name(names, seed))]


def _is_family(family: str, wish: Wish) -> bool:
    return family.lower().startswith(wish.family.lower())


def seed_for(word: str, stack: Stack | None, wish: Wish, next_seed: Callable[[], int]) -> int:
    """Return a seed for a lab that is asked for without one, so that the first lab is easy: of a scenario one of its
    easiest variants, and an easy variant in a usual deployment. A seed or a variant's name asks for anything else."""
    named = "/" in full_name(word) or word == ANY
    for _ in range(_MOST_SEEDS):
        seed = next_seed()
        choice = choose(word, stack, seed, wish)
        easiest = min(variant.difficulty for variant in choice.scenario.variants_on(choice.stack))
        hard = choice.variant.difficulty
        if (named or hard == easiest) and (
                hard > EASY or is_plain(choice.scenario, choice.variant, choice.stack, seed)):
            break
    return seed
