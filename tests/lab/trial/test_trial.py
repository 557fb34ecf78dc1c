"""Tests of lab/trial/trial.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.scenario import catalog
from lab.scenario.catalog import scenario_named
from lab.trial.trial import Case, _expected_outcome


@pytest.mark.parametrize(("word", "variant", "wanted"), [
    ("healthy", "healthy", "nothing"), ("disk-full", "log-disk-full", "advice"), ("slow-start", "startup-slow", "patience"),
    ("crash-code-error", "start-syntax-error", "person"), ("wrong-port", "wrong-port", "repair"),
])
def test_what_must_become_of_a_case(word: str, variant: str, wanted: str) -> None:
    assert _expected_outcome(scenario_named(word).variant(variant).expect) == wanted


def test_the_command_that_repeats_a_case_names_the_folder_of_ones_own_scenarios(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tmp_path / "my scenarios"
    monkeypatch.setattr(catalog, "extra_scenarios_root", lambda: own)
    monkeypatch.setattr(catalog, "scenario_folders", lambda: {"late": own / "late", "wrong-port": Path("/x/wrong-port")})
    assert Case("late", "late", "host", 1).up_command == f"lab --scenarios '{own}' up late/late --stack host --seed 1"
    assert Case("wrong-port", "wrong-port", "host", 2, noise=1).up_command == (
        "lab up wrong-port/wrong-port --stack host --seed 2 --noise 1")
