"""Tests of lab/verbs/new.py."""

from __future__ import annotations

from pathlib import Path

from tests.lab.cli_builders import lab


def test_a_new_scenario_is_valid_and_never_overwrites(tmp_path: Path) -> None:
    made = lab("new", "late-start", BADGATEWAY_SCENARIOS=str(tmp_path))
    assert made.stdout.strip() == str(tmp_path / "late-start" / "scenario.toml")
    assert lab("validate", BADGATEWAY_SCENARIOS=str(tmp_path)).returncode == 0
    assert lab("new", "late-start", BADGATEWAY_SCENARIOS=str(tmp_path)).returncode == 2
    assert lab("new", "../x", BADGATEWAY_SCENARIOS=str(tmp_path)).returncode == 2
