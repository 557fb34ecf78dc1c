"""Tests of lab/trial/trial.py."""

from __future__ import annotations

import pytest

from lab.scenario.catalog import scenario_named
from lab.trial.trial import _expected_outcome


@pytest.mark.parametrize(("word", "variant", "wanted"), [
    ("healthy", "healthy", "nothing"), ("disk-full", "log-disk-full", "advice"), ("slow-start", "startup-slow", "patience"),
    ("crash-code-error", "start-syntax-error", "person"), ("wrong-port", "wrong-port", "repair"),
])
def test_what_must_become_of_a_case(word: str, variant: str, wanted: str) -> None:
    assert _expected_outcome(scenario_named(word).variant(variant).expect) == wanted
