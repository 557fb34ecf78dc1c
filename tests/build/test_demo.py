"""The demo: what it draws is broken, and repaired without a word of a person's."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lab.scenario.catalog import choose
from lab.scenario.scenario_file import Stack

DEMO = runpy.run_path(str(Path(__file__).parents[2] / "script/demo.py"))


@pytest.mark.parametrize("stack", DEMO["STACKS"])
@pytest.mark.parametrize("way", DEMO["WAYS"])
def test_each_way_is_one_that_ends_repaired(way: str, stack: Stack) -> None:
    chosen = choose(DEMO["PLAIN"].get((way, stack), way), stack, DEMO["SEED"])
    expect = chosen.variant.expect
    assert expect.cause and expect.repair.exit == 0, chosen.variant.name
    assert not any(symptom.get("healthy") for symptom in chosen.variant.symptoms), f"{chosen.variant.name} answers well"
