"""A deployment has a field for each parameter, and takes no value that a field cannot have."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from lab.errors import ScenarioError
from lab.paths import compose_root
from lab.scenario import catalog
from lab.scenario.deployment_fields import (
    CompleteDeployment,
    Deployment,
    drawn_names,
    is_derived,
    is_drawn,
    replace,
    value_problem,
    with_values,
)
from lab.scenario.draw import SLOTS, STRUCTURE, draw
from lab.scenario.scenario_file import STACKS, Stack
from lab.scenario.templates import Value
from lab.stack.images import IMAGE_NAMES
from tests.lab.scenario.test_render import made

ONLY_IN_ONE_FILE = {"site_text", "program", "arguments", "aside_name", "command_line", "directory", "account", "programs",
                    "mounts", "volumes", "start_words"}  # what render.py gives a single template


def test_every_key_of_the_draw_tables_is_a_field() -> None:
    keys = {key for table in STRUCTURE.values() for key in table}
    keys |= {key for slots in SLOTS.values() for ways in slots.values() for way in ways.values() for key in way}
    assert keys <= drawn_names()
    for table in (*STRUCTURE.values(), *(way for slots in SLOTS.values() for ways in slots.values() for way in ways.values())):
        for key, options in table.items():
            for value in options if isinstance(options, tuple) else (options,):
                assert value_problem(key, value) == ""


def test_templates_use_fields_alone() -> None:
    fields = {*drawn_names(), *(f"image_{name}" for name in IMAGE_NAMES), *ONLY_IN_ONE_FILE}
    fields |= {name for stack in STACKS for name in made(stack, 1)[0].template_values()}
    for path in Path(compose_root()).rglob("*"):
        if path.is_file() and "images" not in path.parts and path.suffix != ".pyc":
            used = re.findall(r"\{\{[#^]?([a-z][a-z0-9_]*)[=}]", path.read_text())
            assert {*used} <= fields, path


@pytest.mark.parametrize("stack", STACKS)
def test_a_record_on_disk_gives_the_same_deployment(stack: Stack) -> None:
    full = made(stack, 4)[0]
    assert CompleteDeployment.from_values(full.template_values()) == full
    found = catalog.scenario_named("wrong-port")
    drawn = draw(found, found.variants_on(stack)[0], stack, 4, noise=2)
    assert "moved" in drawn.own and Deployment.from_values(drawn.template_values()) == drawn


def test_a_record_of_another_version_may_lack_some_and_have_more() -> None:
    kept = CompleteDeployment.from_values({"stack": "host", "word": "shop", "colour": "red", "image_web": "web:1"})
    assert (kept.word, kept.unit, kept.port, kept.tls, kept.manager) == ("shop", "", 0, False, "systemd")
    assert kept.own == {"colour": "red"} and kept.images == {"web": "web:1"}


def test_a_stack_has_no_parameter_of_the_other_one() -> None:
    names = {stack: {*made(stack, 1)[0].template_values()} for stack in STACKS}
    assert {"bind", "envfile", "unit_command"} <= names["host"] - names["containers"]
    assert {"mount", "conf_folder", "restart_word"} <= names["containers"] - names["host"]


@pytest.mark.parametrize(("name", "value", "problem"), [
    ("manager", "systmd", r"'systmd' is none of 'systemd', 'supervisord'"), ("port", "8000", "'8000' is no whole number"),
    ("port", True, "True is no whole number"), ("tls", 1, "1 is no true or false"), ("title", 3, "3 is no text"),
    ("report_seconds", "3", "'3' is no number"), ("quote", False, "False is none of"),
])
def test_a_field_takes_no_value_of_another_kind(name: str, value: Value, problem: str) -> None:
    assert problem in value_problem(name, value)
    with pytest.raises(ScenarioError, match=f"^{name}: "):
        with_values(made("host", 1)[0], {name: value})


@pytest.mark.parametrize(("name", "value"), [
    ("report_seconds", 3), ("report_seconds", 0.5), ("six", True), ("six", "::1"), ("quote", ""), ("colour", 3)])
def test_a_field_takes_what_it_can_have(name: str, value: Value) -> None:
    assert value_problem(name, value) == ""
    assert with_values(made("host", 1)[0], {name: value}).template_values()[name] == value


def test_what_follows_from_others_is_told_from_what_is_drawn() -> None:
    assert is_drawn("port") and is_drawn("start_seconds") and not is_drawn("site") and not is_drawn("own")
    assert is_derived("site") and is_derived("image_web") and not is_derived("port") and not is_derived("colour")


@pytest.mark.parametrize("stack", STACKS)
def test_a_copy_is_what_the_standard_function_makes(stack: Stack) -> None:
    found = catalog.scenario_named("healthy")
    drawn = draw(found, found.variants[0], stack, 3)
    copy = replace(drawn, port=1, own={"x": 2})
    assert copy == dataclasses.replace(drawn, port=1, own={"x": 2}) and type(copy) is type(drawn)
    assert drawn.port != 1 and vars(copy).keys() == vars(drawn).keys()
    with pytest.raises(TypeError, match="nothing"):
        replace(drawn, nothing=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        copy.port = 2       # type: ignore[misc]
