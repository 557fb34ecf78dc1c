"""What `lab solve` does: fixer's repair on a lab, shown as it goes, then the oracle's word on it."""

from __future__ import annotations

from collections.abc import Callable

from lab.scenario.catalog import scenario
from lab.stack.break_steps import mend_by_hand
from lab.stack.fixer_command import input_words, inside, outside
from lab.stack.running_lab import Lab
from lab.verbs.check import check

REPAIR = ("--yes", "--max-risk", "disruptive")


def solve(lab: Lab, say: Callable[[str], None], *, within: bool = False) -> bool:
    """Repair, then ask the oracle; whether the lab is well."""
    fixer = inside(lab) if within else outside(lab)
    words = (*REPAIR, *input_words(lab))
    say(f"$ {' '.join(('fixer', *fixer.argv('repair', *words)[len(fixer.prefix):]))}")
    code = fixer.show("repair", *words)
    variant = scenario(lab.record.scenario).variant(lab.record.variant)
    if code == 4 and variant.by_hand_on(lab.stack):
        say("What fixer has named is done by hand now, as a person would; then it is asked once more.")
        mend_by_hand(lab, variant)
        code = fixer.show("repair", *words)
    verdict = check(lab)
    if verdict.well:
        say("✔ well: login, session, API and report answer as before the fault")
    else:
        say(f"✘ fixer ended with {code}, and still fails:")
        for line in verdict.failing:
            say(f"  {line}")
    return verdict.well
