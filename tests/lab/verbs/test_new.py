"""Tests of lab/verbs/new.py."""

from __future__ import annotations

from pathlib import Path

from tests.lab.cli_builders import lab


def test_a_new_scenario_can_be_listed_and_never_overwrites(tmp_path: Path) -> None:
    made = lab("new", "late-start", BADGATEWAY_SCENARIOS=str(tmp_path))
    assert made.stdout.strip() == str(tmp_path / "late-start" / "scenario.toml")
    assert "late-start" in lab("list", BADGATEWAY_SCENARIOS=str(tmp_path)).stdout
    assert lab("new", "late-start", BADGATEWAY_SCENARIOS=str(tmp_path)).returncode == 2
    assert lab("new", "../x", BADGATEWAY_SCENARIOS=str(tmp_path)).returncode == 2
