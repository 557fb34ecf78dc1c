"""`lab check`: ask the oracle about a lab, restart it and ask again."""

from __future__ import annotations

import json
import time

from lab.languages.translate import say
from lab.oracle import Verdict, ask, baseline_from_json
from lab.stack.running_lab import Lab
from lab.stack.visitors import load_of
from lab.verbs.debrief import debrief_of, debrief_text
from lab.verbs.start_lab import sites_of

CROWD_SECONDS = 40.0  # seconds: several of the drawn time limits


def ask_oracle(lab: Lab) -> Verdict:
    """Ask the oracle; change nothing."""
    pairs = [(site, baseline_from_json(lab.record.baseline[site.host])) for site in sites_of(lab)]
    return ask(pairs, load_of(lab))


def restart_and_check(lab: Lab) -> tuple[Verdict, bool]:
    """Ask, restart, ask again; do not restart a broken lab: (verdict, False)."""
    now = ask_oracle(lab)
    if not now.is_well:
        return now, False
    lab.restart()
    return check_restarted(lab), True


def check_restarted(lab: Lab) -> Verdict:
    """Ask after a restart. Under load, all waiting visitors reach the first worker that is up.
    The restart, not the repair, causes those failures. Give the crowd time to spread, then ask twice."""
    until = time.monotonic() + CROWD_SECONDS
    verdict = ask_oracle(lab)
    if verdict.is_well or load_of(lab) is None:
        return verdict
    while time.monotonic() < until:
        time.sleep(1.0)
        verdict = ask_oracle(lab)
        if verdict.is_well:
            return ask_oracle(lab)
    return verdict


# Output of `lab check`: a verdict as text, and its exit code.


def check_lab(lab: Lab, *, after_restart: bool, as_json: bool) -> tuple[str, int]:
    """Return the oracle's verdict on a lab as text, and the exit code: 0 well, 1 broken. A well lab has a debrief."""
    verdict, restarted = restart_and_check(lab) if after_restart else (ask_oracle(lab), False)
    code = 1 - verdict.is_well
    if as_json:
        lesson = {"debrief": debrief_of(lab)} if verdict.is_well else {}
        return json.dumps({"id": lab.id, "restarted": restarted, **verdict.to_json(), **lesson}, indent=2), code
    text = verdict_text(verdict, restarted=restarted, wanted_restart=after_restart)
    return (f"{text}\n\n{debrief_text(lab, restarted=restarted)}" if verdict.is_well else text), code


def verdict_text(verdict: Verdict, *, restarted: bool, wanted_restart: bool) -> str:
    """Return the verdict for people: well, or what exactly still fails."""
    lines = []
    if verdict.is_well:
        lines.append(say("console/well-restarted", "✔ well, also after a restart") if restarted else (
            say("console/well", "✔ well")))
        lines += [f"  {check.name}" for check in verdict.checks]
    else:
        lines.append(say("console/broken-again", "✘ broken after the restart: the repair did not last") if restarted
                     else say("console/broken", "✘ broken"))
        lines += [f"  {line}" for line in verdict.failing]
        if wanted_restart and not restarted:
            lines.append(f"  {say('console/not-restarted', 'not restarted: the lab must be well first')}")
    if verdict.load:
        lines.append(f"  {verdict.load.text}")
    return "\n".join(lines)
