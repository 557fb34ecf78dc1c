"""`lab validate`: every scenario file against the schema and fixer's catalogue, then drawn and rendered per variant and
stack. A file's mistakes are all listed, each once."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from lab.errors import LabError
from lab.scenario import catalog
from lab.scenario.complete import complete_parameters
from lab.scenario.deployment_fields import drawn_names, is_derived, is_drawn, value_problem
from lab.scenario.draw import draw
from lab.scenario.expand import expand
from lab.scenario.render import render
from lab.scenario.scenario_file import Scenario, Stack, Table, Variant, parse_scenario, problems_of, read_toml
from lab.scenario.step_limits import path_problem, step_problem
from lab.scenario.templates import Parameters, fill_deep
from lab.stack.break_steps import STEPS
from lab.stack.fixer_command import cause_catalogue
from lab.stack.images import IMAGE_NAMES
from lab.verbs.new import TEMPLATE

Causes: TypeAlias = Mapping[str, Mapping[str, Any]]
SEEDS = range(3)
_LAB_ID = "name-0000"
_IMAGES = {name: name for name in IMAGE_NAMES}
# How a scenario uses a parameter: filled in, around lines, in `when`, or as that of an `address` step.
_USE = r'\{{\{{[#^]?{name}[=}}]|"when": "{name}=|"address": "{name}"'
_NOT_PARSED = (KeyError, TypeError, AttributeError, ValueError, OSError)


def find_problems() -> Iterator[tuple[str, str]]:
    """Yield (scenario, problem) for every mistake that can be found without Docker."""
    causes = cause_catalogue()
    for name, folder in catalog.scenario_folders().items():
        try:
            found = list(_problems_in(folder, causes))
        except LabError as error:
            found = [error.message]
        for problem in dict.fromkeys(found):
            yield name, problem
    try:
        catalog.aliases()
    except LabError as error:
        yield "aliases", error.message


def _problems_in(folder: Path, causes: Causes) -> Iterator[str]:
    """Yield the mistakes of one scenario. What does not fit the schema may keep the rest from being checked."""
    path = folder / "scenario.toml"
    data = read_toml(path)
    unfit = problems_of(data, path)
    yield from unfit
    try:
        scenario = parse_scenario(folder, data)
        wrong = list(_parameter_problems(expand(data, folder)))
        yield from [f"{folder.name}/scenario.toml: {problem}" for problem in (
            *_template_problems(data), *_catalogue_problems(scenario, causes), *wrong)]
        if not wrong:
            yield from _find_render_problems(scenario)
    except _NOT_PARSED:
        if not unfit:
            raise


def _template_problems(data: Table) -> Iterator[str]:
    """Yield the texts that `lab new` wrote and nobody has replaced."""
    written = {text for _, text in _texts(tomllib.loads(TEMPLATE))}
    for key, text in _texts(data):
        if text in written:
            yield f"{key}: still the text that `lab new` wrote"


def _texts(data: Table) -> Iterator[tuple[str, str]]:
    """Yield what an author writes for people, with its key."""
    for key in ("title", "story", "hints", "debrief", "why_not"):
        value = data.get(key, "")
        inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
        yield from [(key, value)] if isinstance(value, str) else []
        for place, text in inner:
            yield f"{key}[{place}]" if isinstance(place, int) else f"{key}.{place}", str(text)


def _parameter_problems(data: Table) -> Iterator[str]:
    """Yield parameters that do not exist, that no scenario may set, and values that they cannot have."""
    text = json.dumps(data)
    tables = {"parameters": data.get("parameters", {})}
    tables |= {f"variants.{name}.parameters": one.get("parameters", {}) for name, one in data["variants"].items()}
    for key, table in tables.items():
        for name, wish in table.items():
            options = wish.get("choose", ()) if isinstance(wish, Mapping) else (wish,)
            problems = [_setting_problem(name), *(value_problem(name, option) for option in options)]
            if not is_drawn(name) and not re.search(_USE.format(name=name), text):
                problems = [f"{_unknown_parameter(name)}, and nothing in the scenario uses it"]
            yield from [f"{key}.{name}: {problem}" for problem in problems if problem]


def _setting_problem(name: str) -> str:
    """Return why a scenario cannot set a parameter; empty if it can."""
    return "follows from other parameters, so it cannot be set" if is_derived(name) else ""


def _unknown_parameter(name: str) -> str:
    near = difflib.get_close_matches(name, drawn_names(), 1)
    return f"no parameter is called {name!r}{f' (did you mean {near[0]}?)' if near else ''}"


def _catalogue_problems(scenario: Scenario, causes: Causes) -> Iterator[str]:
    """Yield causes and variants that fixer does not know, and a family that is not the cause's."""
    expected: set[str] = set()
    for variant in scenario.variants:
        key, expect = f"variants.{variant.name}.expect", variant.expect
        own = [expect.cause] if expect.cause else []
        for part, ids in (("cause", own), ("also", expect.also), ("mends", expect.mends)):
            for cause in ids:
                if cause not in causes:
                    yield f"{key}.{part}: {_unknown('cause', cause, causes)}"
        expected |= set(own)
        known = causes.get(expect.cause or "", {}).get("variants")
        if known is not None and expect.variant and expect.variant not in known:
            yield f"{key}.variant: {_unknown(f'variant of {expect.cause}', expect.variant, known)}"
    families = {str(causes[cause]["family"]) for cause in expected if cause in causes}
    families = families or {str(cause["family"]) for cause in causes.values()}
    if len(expected) == 1 and scenario.family not in families:
        yield f"family: {_unknown('family', scenario.family, families)}"


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"no {kind} is called {name!r} ({f'did you mean {near[0]}?' if near else '`fixer causes` lists them'})"


def _find_render_problems(scenario: Scenario) -> Iterator[str]:
    """Yield the mistakes that only a drawn and rendered variant shows."""
    for variant in scenario.variants:
        for stack in variant.stacks:
            for seed in SEEDS:
                yield from _variant_problems(scenario, variant, stack, seed)


def _variant_problems(scenario: Scenario, variant: Variant, stack: Stack, seed: int) -> Iterator[str]:
    """Yield the files, steps and texts of a drawn variant that cannot be filled in."""
    try:
        deployment = complete_parameters(draw(scenario, variant, stack, seed, noise=seed * 2), _LAB_ID, _IMAGES)
        files = render(deployment).files
    except LabError as error:
        yield error.message
        return
    full: Parameters = deployment.template_values()
    outside = ((path, path_problem(path)) for path in files)
    yield from (f"{scenario.name}/scenario.toml: variants.{variant.name}.parameters: {path!r} {problem}"
                for path, problem in outside if problem)
    where = f"{scenario.name}/scenario.toml: variants.{variant.name}"
    for part, steps in (("breaks", variant.steps_on(stack)), ("by_hand", variant.by_hand_on(stack)),
                        ("again", variant.again_on(stack))):
        for number, step in enumerate(steps):
            yield from _step_problems(step, full, f"{where}.{part}[{number}]")
    try:
        symptom = fill_deep(dict(variant.symptom_on(stack)), full, f"{where}.symptom")
        assert isinstance(symptom, dict)
        re.compile(str(symptom.get("log", "")))
    except LabError as error:
        yield error.message
    except re.error as error:
        yield f"{where}.symptom.log: no regular expression: {error}"
    full = {**full, "lab_folder": "/"}
    texts = {**{f"hints[{number}]": hint for number, hint in enumerate(variant.hints)}, "input": dict(variant.input),
             "load": dict(variant.load or {}), "story": variant.story, "debrief": variant.debrief}
    for key, text in texts.items():
        try:
            fill_deep(text, full, f"{where}.{key}")
        except LabError as error:
            yield error.message


def _step_problems(step: Table, full: Parameters, at: str) -> Iterator[str]:
    try:
        filled = fill_deep(dict(step), full, at)
    except LabError as error:
        yield error.message
        return
    assert isinstance(filled, dict)
    if not STEPS.keys() & filled.keys():
        yield f"{at}: unknown step"
    if problem := step_problem(filled, _LAB_ID):
        yield f"{at}.{problem}"
    for key, value in filled.get("set", {}).items():
        if key not in full:
            yield f"{at}.set: {_unknown_parameter(key)}"
        elif problem := _setting_problem(key) or value_problem(key, value):
            yield f"{at}.set.{key}: {problem}"
    when = str(step.get("when", "")).partition("=")[0]
    if when and when not in full:
        yield f"{at}.when: no parameter is called {when!r}"
