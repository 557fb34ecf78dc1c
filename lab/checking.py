"""What `lab check` does: asks the oracle about a lab, restarts it and asks again."""

from __future__ import annotations

from lab.load import load_of
from lab.oracle import Verdict, ask, baseline_from_json
from lab.raising import sites_of
from lab.stack import Lab


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
    return check(lab), True
