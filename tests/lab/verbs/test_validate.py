"""Tests of lab/verbs/validate.py."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.scenario import catalog
from lab.verbs.validate import _variant_problems, find_problems
from tests.lab.cli_builders import lab


def test_every_scenario_is_right() -> None:
    assert list(find_problems()) == []
    assert {"healthy", "wrong-port", "backend-down", "nginx-down"} <= set(catalog.scenario_folders())


def test_validate_names_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "scenario.toml").write_text('title = "x"\n')
    found = lab("validate", BADGATEWAY_SCENARIOS=str(tmp_path))
    assert found.returncode == 1
    assert "odd/scenario.toml: top level: 'story' is a required property" in found.stdout
    listed = lab("list", BADGATEWAY_SCENARIOS=str(tmp_path))
    assert (listed.returncode, listed.stderr.count("\n")) == (2, 1), "the same line, though a list checks nothing else"
    assert "odd/scenario.toml: top level: 'story' is a required property" in listed.stderr


def problems_of(folder: Path) -> list[str]:
    said = lab("validate", BADGATEWAY_SCENARIOS=str(folder))
    assert said.returncode == int("my-thing/" in said.stdout), said.stderr
    return [line.partition("my-thing/scenario.toml: ")[2] or line for line in said.stdout.splitlines()]


def test_a_new_scenario_is_refused_until_its_author_has_written_it(tmp_path: Path) -> None:
    """Its file fits the schema; its texts are still those of `lab new`, and fixer has no such cause."""
    lab("new", "my-thing", BADGATEWAY_SCENARIOS=str(tmp_path))
    found = problems_of(tmp_path)
    assert [line.partition(":")[0] for line in found] == [
        "title", "story", "hints[0]", "hints[1]", "hints[2]", "debrief", "why_not.containers", "variants.my-thing.expect.cause"]
    assert "title: still the text that `lab new` wrote" in found
    path = tmp_path / "my-thing/scenario.toml"
    text = path.read_text()
    for old, new in (("what is wrong, in a sentence", "the service is stopped"), ("What users report. Never the cause.", "502 for all."),
                     ("Vague: ", "Perhaps "), ("Closer: ", "Then "), ("Exact: ", "Do: "), ("What it was, ", "It was "),
                     ("why it cannot be there", "it has no units"), ('cause = "my-thing"', 'cause = "backend-down"'),
                     ('variant = "my-thing"', 'variant = "backend-not-running"')):
        text = text.replace(old, new)
    path.write_text(text)
    assert problems_of(tmp_path) == ["1 scenario, no problems"]


def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    """Also beside one that breaks the schema: ids that fixer lacks, names that nothing fills, a bad pattern."""
    (tmp_path / "my-thing").mkdir()
    text = (catalog.scenario_folders()["backend-down"] / "scenario.toml").read_text()
    (tmp_path / "my-thing/scenario.toml").write_text("odd = 1\n" + text.replace(
        'family = "backend not running"', 'family = "backnd not running"', 1).replace(
        'variant = "backend-not-running"', 'variant = "backend-not-runing"', 1).replace("hints = [", 'hints = [\n"{{nope}}",', 1).replace(
        'symptom = "refused"', 'symptom = { like = "refused", log = "(connect" }', 1))
    found = problems_of(tmp_path)
    for start in ("top level: Additional properties are not allowed ('odd' was unexpected)",
                  "family: no family is called 'backnd not running' (did you mean backend not running?)",
                  "variants.backend-not-running.expect.variant: no variant of backend-down is called 'backend-not-runing' "
                  "(did you mean backend-not-running?)",
                  "variants.backend-not-running.hints[0]: no parameter is called 'nope'"):
        assert start in found, found
    assert any("symptom.log: no regular expression: " in line for line in found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(("key", "step", "said"), [
    ("breaks", {"write": "../../../pwned-by-lab", "text": "x"}, r"breaks\[0\]\.write: .*leaves the lab's folder"),
    ("breaks", {"remove": "../../../victim"}, r"breaks\[0\]\.remove"),
    ("by_hand", {"link": "../../../pwned-link", "to": "/etc"}, r"by_hand\[0\]\.link"),
    ("again", {"compose": ["cp", "web:/etc/hostname", "/tmp/x"]}, r"again\[0\]\.compose: 'cp'"),
])
def test_a_step_that_leaves_the_lab_is_a_mistake(key: str, step: dict[str, Any], said: str) -> None:
    scenario = catalog.scenario_named("wrong-port")
    wrong: Any = {key: (step,)}
    found = list(_variant_problems(scenario, replace(scenario.variant("wrong-port"), **wrong), "containers", 0))
    assert any(re.search(said, problem) for problem in found), found


def test_a_parameter_that_leaves_the_lab_is_a_mistake() -> None:
    scenario = catalog.scenario_named("wrong-port")
    wrong = replace(scenario.variant("wrong-port"), parameters={"web": "../../../pwned"})
    found = list(_variant_problems(scenario, wrong, "containers", 0))
    assert any(re.search(r"parameters: '\.\./\.\./\.\./pwned.*leaves the lab's folder", problem) for problem in found), found


def test_a_parameter_that_nobody_knows_is_a_mistake(tmp_path: Path) -> None:
    """A typo, a value that the parameter cannot have, and one that follows from others."""
    shutil.copytree(catalog.scenario_folders()["wrong-port"], tmp_path / "my-thing")
    text = (tmp_path / "my-thing/scenario.toml").read_text()
    (tmp_path / "my-thing/scenario.toml").write_text(text.replace(
        'manager = { choose = ["systemd", "supervisord"] }',
        'mangaer = { choose = ["systemd", "supervisord"] }\nserver = { choose = ["uvicorn", "gunnicorn"] }\ntls = "yes"', 1).replace(
        'parameters = { web_network = "host" }', 'parameters = { web_network = "host", site_file = "x" }', 1))
    assert problems_of(tmp_path) == [
        "parameters.mangaer: no parameter is called 'mangaer' (did you mean manager?), and nothing in the scenario uses it",
        "parameters.server: 'gunnicorn' is none of 'uvicorn', 'gunicorn', 'node'",
        "parameters.tls: 'yes' is no true or false",
        "variants.docker-port-not-published.parameters.site_file: follows from other parameters, so it cannot be set"]


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    shutil.copytree(catalog.scenario_folders()["wrong-port"], tmp_path / "my-thing")
    (tmp_path / "my-thing/neighbour.py.in").unlink()
    assert problems_of(tmp_path) == [
        "variants.wrong-port-other-service.breaks[0].text: no file 'neighbour.py.in' lies beside scenario.toml"]
    listed = lab("list", BADGATEWAY_SCENARIOS=str(tmp_path))
    assert (listed.returncode, listed.stderr.count("\n")) == (2, 1) and "no file 'neighbour.py.in'" in listed.stderr


@pytest.mark.parametrize(("values", "said"), [
    ({"rout_port": 1}, r"breaks\[0\]\.set: no parameter is called 'rout_port' \(did you mean route_port\?\)"),
    ({"route_port": "{{word}}"}, r"breaks\[0\]\.set\.route_port: '\w+' is no whole number"),
    ({"command": "x"}, r"breaks\[0\]\.set\.command: follows from other parameters, so it cannot be set"),
])
def test_a_step_sets_what_exists(values: dict[str, Any], said: str) -> None:
    scenario = catalog.scenario_named("wrong-port")
    wrong = replace(scenario.variant("wrong-port"), breaks=({"set": values},))
    assert [problem for problem in _variant_problems(scenario, wrong, "host", 0) if re.search(said, problem)]
