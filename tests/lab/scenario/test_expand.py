"""Named symptoms become what they stand for."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lab.scenario import catalog
from lab.scenario.expand import KINDS_OF_SYMPTOM, expand, listed_symptoms, named_symptoms
from lab.scenario.scenario_file import SCHEMA, read_toml

REFUSED = {"statuses": [502], "log": r"connect\(\) failed \(111: Connection refused\) while connecting to upstream"}
SCHEMA_PARTS = json.loads(SCHEMA.read_text())["$defs"]


def data(**changes: Any) -> dict[str, Any]:
    return {"variants": {"one": {"breaks": [], "symptom": "refused", **changes}}}


@pytest.mark.parametrize(("symptom", "expanded"), [
    ("refused", [REFUSED]), (["refused"], [REFUSED]), ({"like": "refused"}, [REFUSED]),
    ({"like": "refused", "requests": 4}, [{**REFUSED, "requests": 4}]),
    ({"like": "refused", "statuses": [502, 503]}, [{**REFUSED, "statuses": [502, 503]}]),
    ([{"like": "refused", "stacks": ["host"]}, {"silent": True, "stacks": ["containers"]}],
     [{**REFUSED, "stacks": ["host"]}, {"silent": True, "stacks": ["containers"]}]),
    ({"statuses": [404]}, [{"statuses": [404]}]), ("nginx-gone", [{"refused": True}]),
])
def test_a_name_stands_for_a_symptom(symptom: Any, expanded: list[dict[str, Any]]) -> None:
    assert expand(data(symptom=symptom))["variants"]["one"]["symptom"] == expanded


def test_every_named_symptom_is_whole_used_and_known_to_the_schema() -> None:
    assert SCHEMA_PARTS["symptom"]["properties"]["like"]["enum"] == list(named_symptoms())
    assert SCHEMA_PARTS["symptoms"]["then"]["enum"] == list(named_symptoms())
    text = "".join((folder / "scenario.toml").read_text() for folder in catalog.scenario_folders().values())
    for name, symptom in named_symptoms().items():
        assert len(symptom.keys() & {*KINDS_OF_SYMPTOM}) == 1 and symptom["what"].endswith("."), name
        re.compile(symptom.get("log", ""))
        assert len(re.findall(f'(symptom|symptom\\.like|like) = "{name}"', text)) >= 2, f"{name}: one variant alone has it"


def test_no_scenario_types_a_named_symptom() -> None:
    kinds = ("statuses", "refused", "log")
    known = [{key: one[key] for key in kinds if key in one} for one in named_symptoms().values() if "healthy" not in one]
    for folder in catalog.scenario_folders().values():
        for name, variant in read_toml(folder / "scenario.toml")["variants"].items():
            for symptom in listed_symptoms(variant):
                typed = {key: symptom[key] for key in kinds if key in symptom} if isinstance(symptom, dict) else {}
                assert typed not in known, f"{folder.name}/{name}"
