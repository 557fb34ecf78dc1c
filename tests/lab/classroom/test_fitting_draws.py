"""Tests of lab/classroom/fitting_draws.py."""

from __future__ import annotations

import itertools

import pytest

from lab.classroom.fitting_draws import STACK, fitting_draws, why_barred
from lab.errors import UsageError
from lab.scenario.catalog import Wish, all_scenarios
from lab.scenario.draw import draw


def test_every_variant_is_judged_by_what_it_needs() -> None:
    """Nothing that mounts, filters for everybody or acts on the engine is left; most faults are."""
    barred, kept = {}, []
    for scenario in all_scenarios().values():
        for variant in scenario.variants_on(STACK):
            drawn = draw(scenario, variant, STACK, 1)
            reason = why_barred(drawn, variant)
            if reason:
                barred[f"{scenario.name}/{variant.name}"] = reason
            else:
                kept.append(variant.name)
                assert {"SYS_ADMIN", "BPF", "SYSLOG"}.isdisjoint(drawn.capabilities.split(", "))
                assert not drawn.own_mounts and "host" not in (drawn.web_network, drawn.backend_network)
                assert not any("engine_rule" in step for step in variant.steps_on(STACK))
    assert {reason.partition(" needs ")[2] for reason in barred.values()} >= {"SYS_ADMIN"}
    assert len(kept) > 4 * len(barred) > 0


def test_what_is_barred_is_drawn_otherwise() -> None:
    """`any` draws other faults instead; a word that only names barred ones is refused with the reason."""
    barred = next(f"{scenario.name}/{variant.name}" for scenario in all_scenarios().values()
                  for variant in scenario.variants_on(STACK) if why_barred(draw(scenario, variant, STACK, 1), variant))
    with pytest.raises(UsageError, match="a class cannot have"):
        next(fitting_draws(barred, Wish(), itertools.count(1)))
    seeds = [seed for seed, choice in itertools.islice(fitting_draws("any", Wish(), itertools.count(1)), 40)]
    assert seeds == sorted(set(seeds)) and seeds[-1] > 40      # each its own seed, and some were passed over


def test_a_scenario_without_a_machine_is_refused() -> None:
    only = next(found.name for found in all_scenarios().values() if STACK not in found.stacks)
    with pytest.raises(UsageError, match="does not run on the host stack"):
        next(fitting_draws(only, Wish(), itertools.count(1)))
