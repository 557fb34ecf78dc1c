"""Tests of lab/verbs/validate.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.scenario import catalog
from lab.verbs.validate import _check_variant, find_problems
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


@pytest.mark.parametrize(("key", "step", "said"), [
    ("breaks", {"write": "../../../pwned-by-lab", "text": "x"}, r"breaks\[0\]\.write: .*leaves the lab's folder"),
    ("breaks", {"remove": "../../../victim"}, r"breaks\[0\]\.remove"),
    ("by_hand", {"link": "../../../pwned-link", "to": "/etc"}, r"by_hand\[0\]\.link"),
    ("again", {"compose": ["cp", "web:/etc/hostname", "/tmp/x"]}, r"again\[0\]\.compose: 'cp'"),
])
def test_a_step_that_leaves_the_lab_is_a_mistake(key: str, step: dict[str, Any], said: str) -> None:
    scenario = catalog.scenario_named("wrong-port")
    wrong: Any = {key: (step,)}
    with pytest.raises(LabError, match=said):
        _check_variant(scenario, replace(scenario.variant("wrong-port"), **wrong), "containers", 0)


def test_a_parameter_that_leaves_the_lab_is_a_mistake() -> None:
    scenario = catalog.scenario_named("wrong-port")
    wrong = replace(scenario.variant("wrong-port"), parameters={"web": "../../../pwned"})
    with pytest.raises(LabError, match=r"parameters: '\.\./\.\./\.\./pwned.*leaves the lab's folder"):
        _check_variant(scenario, wrong, "containers", 0)
