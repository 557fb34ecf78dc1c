"""What `lab check` does: asks the oracle about a lab, restarts it and asks again."""

from __future__ import annotations

import time

from lab.oracle import Verdict, ask, baseline_from_json
from lab.stack.running_lab import Lab
from lab.stack.visitors import load_of
from lab.verbs.up import sites_of

CROWD = 40.0      # seconds: several of the time limits that are drawn


def check(lab: Lab) -> Verdict:
    """Ask the oracle; changes nothing."""
    pairs = [(site, baseline_from_json(lab.record.baseline[site.host])) for site in sites_of(lab)]
    return ask(pairs, load_of(lab))


def check_after_restart(lab: Lab) -> tuple[Verdict, bool]:
    """Ask, restart, ask again; while broken nothing is restarted: (verdict, False)."""
    now = check(lab)
    if not now.well:
        return now, False
    lab.restart()
    return check_restarted(lab), True


def check_restarted(lab: Lab) -> Verdict:
    """Ask after a restart. Where visitors wait at the door, all of them come at once, to the first worker that is up:
    who is let down by that is let down by the restart. The crowd is given some time to spread, and asked twice then."""
    until = time.monotonic() + CROWD
    verdict = check(lab)
    if verdict.well or load_of(lab) is None:
        return verdict
    while time.monotonic() < until:
        time.sleep(1.0)
        verdict = check(lab)
        if verdict.well:
            return check(lab)
    return verdict
