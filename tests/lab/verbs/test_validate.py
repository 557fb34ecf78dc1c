"""Tests of lab/verbs/validate.py."""

from __future__ import annotations

from pathlib import Path

from lab.scenario import catalog
from lab.verbs.validate import find_problems
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
