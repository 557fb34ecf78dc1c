"""Named symptoms, macros of steps and texts beside scenario.toml become what they stand for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lab.scenario import catalog
from lab.scenario.expand import KINDS_OF_SYMPTOM, expand, listed_symptoms, macros, named_symptoms, problems_of_expansion
from lab.scenario.scenario_file import SCHEMA, problems_of, read_toml

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
    assert expand(data(symptom=symptom), Path())["variants"]["one"]["symptom"] == expanded


def test_every_named_symptom_is_whole_used_and_known_to_the_schema() -> None:
    assert SCHEMA_PARTS["symptom_name"]["enum"] == list(named_symptoms()), "run script/schema"
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


EDIT = {"macro": "code-edit", "file": "main.py", "old": "a", "new": "{{word}}"}
HOST = {"stacks": ["host"], "edit": "{{home}}/app/main.py", "old": "a", "new": "{{word}}"}
CONTAINERS = {"stacks": ["containers"], "edit": "{{backend}}/app/main.py", "old": "a", "new": "{{word}}"}

ALL_IN_ONE = {"stacks": ["all-in-one"], "edit": "{{app_folder}}/main.py", "old": "a", "new": "{{word}}"}


@pytest.mark.parametrize(("step", "expanded"), [
    (EDIT, [HOST, CONTAINERS, ALL_IN_ONE]),
    ({**EDIT, "stacks": ["host"]}, [HOST]),
    ({**EDIT, "when": "moved=route"}, [
        {**HOST, "when": "moved=route"}, {**CONTAINERS, "when": "moved=route"}, {**ALL_IN_ONE, "when": "moved=route"}]),
    ({"macro": "drop-in", "name": "limits", "text": "[Unit]\n", "stacks": ["host"]},
     [{"stacks": ["host"], "write": "/etc/systemd/system/{{unit}}.service.d/limits.conf", "text": "[Unit]\n"}]),
    ({"reload": True}, [{"reload": True}]),
])
def test_a_macro_becomes_its_steps(step: dict[str, Any], expanded: list[dict[str, Any]]) -> None:
    for key in ("breaks", "by_hand", "again"):
        made = expand(data(**{key: [step, {"reload": True}]}), Path())["variants"]["one"][key]
        assert made == [*expanded, {"reload": True}]


def test_a_default_of_a_macro_may_be_changed() -> None:
    plain, other = expand(data(breaks=[
        {"macro": "certificate"}, {"macro": "certificate", "request": "-days 1"}]), Path())["variants"]["one"]["breaks"]
    assert "-nodes -days 400 -subj /CN={{word}} -keyout own.key" in plain["run"][2]
    assert "-nodes -days 1 -keyout own.key" in other["run"][2]


def test_a_text_may_lie_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "sync.py.in").write_text("PORT = {{port}}\n")
    text = {"from": "sync.py.in"}
    steps = [{"write": "/x", "text": text}, {"run": ["python3", "-c", text]}, {**EDIT, "new": text}, {"set": {"from": "x"}}]
    made = expand(data(breaks=steps), tmp_path)["variants"]["one"]["breaks"]
    written = [made[0]["text"], made[1]["run"][2], *(one["new"] for one in made[2:5])]
    assert written == ["PORT = {{port}}\n"] * 5
    assert made[5] == {"set": {"from": "x"}}


@pytest.mark.parametrize(("step", "problem"), [
    ({"macro": "code-edit", "file": "main.py", "old": "a"}, "breaks[0]: the macro code-edit needs 'new'"),
    ({**EDIT, "nwe": "b"}, "breaks[0].nwe: the macro code-edit takes file, old, new"),
    ({"write": "/x", "text": {"from": "gone.in"}}, "breaks[0].text: no file 'gone.in' lies beside scenario.toml"),
    ({"write": "/x", "text": {"from": "link.in"}}, "breaks[0].text: no file 'link.in' lies beside scenario.toml"),
    ({"run": ["sh", {"from": "../../../etc/passwd"}]}, "breaks[0].run[1]: no file '../../../etc/passwd' lies beside"),
])
def test_what_cannot_be_expanded_is_named(step: dict[str, Any], problem: str, tmp_path: Path) -> None:
    (tmp_path / "link.in").symlink_to("/etc/passwd")
    (found,) = problems_of_expansion(data(breaks=[step]), tmp_path)
    assert found.startswith(f"variants.one.{problem}")


def test_an_unknown_macro_is_answered_with_those_that_there_are() -> None:
    path = catalog.scenario_folders()["wrong-port"] / "scenario.toml"
    file = read_toml(path)
    file["variants"]["wrong-port"]["breaks"].append({"macro": "code-edti", "file": "main.py"})
    (found,) = problems_of(file, path)
    assert "variants.wrong-port.breaks[5]: macro: 'code-edti' is none of " + ", ".join(macros()) in found
    assert found.endswith("(did you mean code-edit?)")


def test_every_macro_is_used_and_known_to_the_schema() -> None:
    assert SCHEMA_PARTS["macro_name"]["enum"] == list(macros()), "run script/schema"
    text = "".join((folder / "scenario.toml").read_text() for folder in catalog.scenario_folders().values())
    for name, macro in macros().items():
        assert text.count(f'macro = "{name}"') >= 2, f"{name}: one variant alone has it"
        used = set(re.findall(r"\(\(([a-z_]+)\)\)", json.dumps(macro["steps"])))
        assert used == set(macro["keys"]) and macro["what"].endswith("."), name


def test_every_file_beside_a_scenario_is_used() -> None:
    for folder in catalog.scenario_folders().values():
        text = (folder / "scenario.toml").read_text()
        for path in folder.iterdir():
            assert path.name == "scenario.toml" or f'{{ from = "{path.name}" }}' in text, path
