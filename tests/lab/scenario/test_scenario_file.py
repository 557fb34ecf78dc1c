"""Tests of lab/scenario/scenario_file.py."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.errors import ScenarioError
from lab.scenario import catalog
from lab.scenario.scenario_file import ExpectedRepair, load_scenario, parse_scenario, problems_of, read_toml
from tests.lab.scenario.catalog_builders import variant


@pytest.mark.parametrize(("said", "host", "containers"), [
    ({}, "fails", "fails"), ({"restart": "cures"}, "cures", "cures"), ({"restart": {"host": "hides"}}, "hides", "fails"),
    ({"cleared_by_restart": True}, "cures", "cures"),
])
def test_what_it_helps_to_restart_everything(said: dict[str, Any], host: str, containers: str) -> None:
    repair = ExpectedRepair(risk="safe", exit=0, **said)
    assert (repair.restart_on("host"), repair.restart_on("containers")) == (host, containers)


WRONG_PORT = catalog.scenario_folders()["wrong-port"] / "scenario.toml"

Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(("change", "said"), [
    (lambda d: d.update(difficulty=9), "difficulty: 9 is greater than the maximum of 5"),
    (lambda d: d.pop("story"), "top level: 'story' is a required property"),
    (lambda d: d.update(colour="red"), "top level: Additional properties are not allowed ('colour' was unexpected)"),
    (lambda d: d["hints"].pop(), "hints: "),
    (lambda d: variant(d)["breaks"].append({"restart": "bakend"}), "variants.wrong-port.breaks[5]: restart: 'bakend' is"),
    (lambda d: variant(d)["breaks"].append({"rn": ["x"]}), "is none of: set, reload, restart"),
    (lambda d: variant(d).update(by_hand=[{"restart": "bakend"}]), "variants.wrong-port.by_hand[0]: restart: 'bakend' is"),
    (lambda d: variant(d).update(symptom=["refused", {}]), "variants.wrong-port.symptom[1]: {} is none of: healthy, refused"),
    (lambda d: variant(d).update(symptom="refusd"), "variants.wrong-port.symptom: 'refusd' is none of healthy, refused, "),
    (lambda d: variant(d).update(symptom=[{"like": "timedout"}]),
     "variants.wrong-port.symptom[0].like: 'timedout' is none of healthy, refused, "),
    (lambda d: variant(d).update(symptom=["refused", "timedout"]), "(did you mean timed-out?)"),
    (lambda d: variant(d).update(symptom={"like": "refused", "silent": True}), "variants.wrong-port.symptom: "),
    (lambda d: variant(d).update(symptom={"like": "healthy", "statuses": [502]}),
     "variants.wrong-port.symptom[0]: needs one of healthy, refused, silent, statuses, and has healthy and statuses"),
    (lambda d: variant(d).update(symptom={"like": "refused", "stacks": ["containers"]}), "no symptom for the host stack"),
    (lambda d: variant(d)["expect"]["repair"].update(risk="mild"), "variants.wrong-port.expect.repair.risk: 'mild'"),
    (lambda d: d.update(stacks=["host"]), "why_not.containers"),
    (lambda d: variant(d).update(why_not={"host": "no"}), "variants.wrong-port.why_not.host: the variant runs on host"),
    (lambda d: d.update(variants={"one": {**variant(d), "stacks": ["containers", "host"]}}, why_not={"host": "no"}),
     "why_not.host: every variant runs on host"),
    (lambda d: variant(d).update(symptom=[{"stacks": ["containers"], "refused": True}]), "no symptom for the host stack"),
    (lambda d: d["parameters"].update(Bad=1), "parameters: 'Bad' does not match"),
])
def test_a_mistake_is_named_with_file_and_key(change: Change, said: str) -> None:
    data = copy.deepcopy(read_toml(WRONG_PORT))
    change(data)
    found = problems_of(data, WRONG_PORT)
    assert any(line.startswith("scenarios/wrong-port/scenario.toml: ") and said in line for line in found), found


def test_what_is_no_toml_is_answered_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "scenarios" / "odd"
    folder.mkdir(parents=True)
    (folder / "scenario.toml").write_text('title = "x\n')
    with pytest.raises(ScenarioError, match=r"scenarios/odd/scenario\.toml: .*line 1"):
        load_scenario(folder)


@pytest.mark.parametrize(("said", "load"), [
    ({}, {"limit": 12, "work": 3}), ({"load": {"limit": 5, "work": 1}}, {"limit": 5, "work": 1}), ({"load": False}, None),
])
def test_a_variant_has_the_load_of_its_scenario_another_or_none(tmp_path: Path, said: dict[str, Any], load: dict[str, int] | None) -> None:
    data = copy.deepcopy(read_toml(WRONG_PORT))
    data["load"] = {"limit": 12, "work": 3}
    variant(data).update(said)
    assert problems_of(data, WRONG_PORT) == []
    assert parse_scenario(WRONG_PORT.parent, data).variant("wrong-port").load == load
