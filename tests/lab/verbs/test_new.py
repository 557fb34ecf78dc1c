"""Tests of lab/verbs/new.py."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.scenario.catalog import scenario_named
from lab.verbs.new import TEMPLATE, new_scenario
from tests.lab.cli_builders import lab


def test_a_new_scenario_can_be_listed_and_never_overwrites(tmp_path: Path) -> None:
    made = lab("new", "late-start", BADGATEWAY_SCENARIOS=str(tmp_path))
    assert made.stdout.strip() == str(tmp_path / "late-start" / "scenario.toml")
    assert "late-start" in lab("list", BADGATEWAY_SCENARIOS=str(tmp_path)).stdout
    assert lab("new", "late-start", BADGATEWAY_SCENARIOS=str(tmp_path)).returncode == 2
    assert lab("new", "../x", BADGATEWAY_SCENARIOS=str(tmp_path)).returncode == 2


def test_an_installed_lab_takes_no_scenario_into_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_data" / "scenarios").mkdir(parents=True)
    monkeypatch.setattr("lab.verbs.new.package_root", lambda: tmp_path)
    monkeypatch.setenv("BADGATEWAY_SCENARIOS", str(tmp_path / "_data" / "scenarios"))
    with pytest.raises(UsageError) as refused:
        new_scenario("late-start")
    assert refused.value.hint.endswith("lab --scenarios DIR new late-start") and not list((tmp_path / "_data/scenarios").iterdir())


def test_what_it_says_of_its_fault_is_what_the_matrix_finds() -> None:
    """Whoever leaves its step as it is has a variant that passes."""
    (mine,) = tomllib.loads(TEMPLATE)["variants"].values()
    proven = scenario_named("backend-down").variant("backend-not-running")
    assert mine["breaks"] == [dict(step) for step in proven.breaks]
    repair = mine["expect"]["repair"]
    assert (repair["risk"], repair["exit"], repair["restart"]) == (
        proven.expect.repair.risk, proven.expect.repair.exit, proven.expect.repair.restart)
