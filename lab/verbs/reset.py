"""`lab reset`: break a lab again from scratch."""

from __future__ import annotations

from lab.scenario.catalog import Choice, scenario_named
from lab.stack.running_lab import Lab
from lab.stack.seat import seat_of
from lab.verbs.down import lab_down
from lab.verbs.start_lab import StartedLab, start_and_break
from lab.verbs.up import ProgressCallback, draw_record


def reset(lab: Lab, say: ProgressCallback) -> StartedLab:
    """Break a lab again: the same id, the same draw, new containers and files."""
    old = lab.record
    scenario = scenario_named(old.scenario)
    choice = Choice(scenario, scenario.variant(old.variant), old.stack)
    fresh = draw_record(old.asked, choice, old.seed, old.noise, say, chosen_seed=old.chosen_seed, lab_id=old.id,
                        seat=seat_of(lab))
    fresh.beside = old.beside
    lab_down(old.id)
    return start_and_break(fresh, choice.variant, say)
