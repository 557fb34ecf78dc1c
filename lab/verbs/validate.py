"""`lab validate`: every scenario file against the schema, then drawn and rendered per variant and stack."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.errors import LabError
from lab.scenario import catalog
from lab.scenario.draw import draw
from lab.scenario.render import complete_parameters, render
from lab.scenario.scenario_file import Scenario, Stack, Table, Variant, parse_scenario, problems_of, read_toml
from lab.scenario.step_limits import path_problem, step_problem
from lab.scenario.templates import Parameters, fill_deep
from lab.stack.break_steps import STEPS
from lab.stack.images import IMAGE_NAMES

SEEDS = range(3)
_IMAGES = {name: name for name in IMAGE_NAMES}


def find_problems() -> Iterator[tuple[str, str]]:
    """Yield (scenario, problem) for every mistake that can be found without Docker."""
    for name, folder in catalog.scenario_folders().items():
        path = folder / "scenario.toml"
        try:
            data = read_toml(path)
            found = problems_of(data, path) or list(_find_render_problems(parse_scenario(folder, data)))
        except LabError as error:
            found = [error.message]
        for problem in found:
            yield name, problem
    try:
        catalog.aliases()
    except LabError as error:
        yield "aliases", error.message


def _find_render_problems(scenario: Scenario) -> Iterator[str]:
    """Yield the mistakes that only a drawn and rendered variant shows."""
    for variant in scenario.variants:
        for stack in variant.stacks:
            for seed in SEEDS:
                try:
                    _check_variant(scenario, variant, stack, seed)
                except (LabError, re.error) as error:
                    yield str(error)
                    break


def _check_step(step: Table, full: Parameters, at: str) -> None:
    filled = fill_deep(dict(step), full, at)
    assert isinstance(filled, dict)
    if not STEPS.keys() & filled.keys():
        raise LabError(f"{at}: unknown step")
    if problem := step_problem(filled, str(full["id"])):
        raise LabError(f"{at}.{problem}")
    for key in filled.get("set", {}):
        if key not in full:
            raise LabError(f"{at}.set: no parameter is called {key!r}")
    when = str(step.get("when", "")).partition("=")[0]
    if when and when not in full:
        raise LabError(f"{at}.when: no parameter is called {when!r}")


def _check_variant(scenario: Scenario, variant: Variant, stack: Stack, seed: int) -> None:
    full: Parameters = complete_parameters(draw(scenario, variant, stack, seed, noise=seed * 2), stack, "name-0000",
                                           _IMAGES)
    for path in render(full, stack).files:
        if problem := path_problem(path):
            raise LabError(f"{scenario.name}/scenario.toml: variants.{variant.name}.parameters: {path!r} {problem}")
    where = f"{scenario.name}/scenario.toml: variants.{variant.name}"
    for part, steps in (("breaks", variant.steps_on(stack)), ("by_hand", variant.by_hand_on(stack)),
                        ("again", variant.again_on(stack))):
        for number, step in enumerate(steps):
            _check_step(step, full, f"{where}.{part}[{number}]")
    symptom = fill_deep(dict(variant.symptom_on(stack)), full, f"{where}.symptom")
    assert isinstance(symptom, dict)
    re.compile(str(symptom.get("log", "")))
    full = {**full, "lab_folder": "/"}
    told = {"hints": list(variant.hints), "input": dict(variant.input), "load": dict(variant.load or {}),
            "story": variant.story, "debrief": variant.debrief}
    for key, text in told.items():
        fill_deep(text, full, f"{where}.{key}")
