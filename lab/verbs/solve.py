"""`lab solve`: fixer's repair on a lab, shown step by step, then the oracle's verdict."""

from __future__ import annotations

from collections.abc import Callable

from lab.scenario.catalog import scenario_named
from lab.stack.break_steps import repair_by_hand
from lab.stack.fixer_command import fixer_inside, fixer_outside, input_options
from lab.stack.running_lab import Lab
from lab.verbs.check import ask_oracle
from lab.verbs.debrief import debrief_text

REPAIR_OPTIONS = ("--yes", "--max-risk", "disruptive")


def solve(lab: Lab, say: Callable[[str], None], *, within: bool = False) -> bool:
    """Repair, then ask the oracle; return whether the lab is well."""
    fixer = fixer_inside(lab) if within else fixer_outside(lab)
    words = (*REPAIR_OPTIONS, *input_options(lab))
    say(f"$ {' '.join(('fixer', *fixer.argv('repair', *words)[len(fixer.prefix):]))}")
    code = fixer.show("repair", *words)
    variant = scenario_named(lab.record.scenario).variant(lab.record.variant)
    if code == 4 and variant.by_hand_on(lab.stack):
        say("The lab now does by hand what fixer named, as an operator would, and runs fixer again.")
        repair_by_hand(lab, variant)
        code = fixer.show("repair", *words)
    verdict = ask_oracle(lab)
    if verdict.is_well:
        say("✔ well: login, session, API and report answer as before the fault")
        say(f"  {verdict.load.text}\n" if verdict.load else "")
        say(debrief_text(lab, restarted=False))
    else:
        say(f"✘ fixer ended with exit code {code}; still failing:")
        for line in verdict.failing:
            say(f"  {line}")
    return verdict.is_well
