"""What `lab check` says: a verdict in words, and its exit code."""

from __future__ import annotations

import json

from lab.oracle import Verdict
from lab.stack.running_lab import Lab
from lab.verbs.check import check, check_after_restart


def check_lab(lab: Lab, *, after_restart: bool, as_json: bool) -> tuple[str, int]:
    """The oracle's words on a lab, and the exit code: 0 well, 1 broken."""
    verdict, restarted = check_after_restart(lab) if after_restart else (check(lab), False)
    if as_json:
        return json.dumps({"id": lab.id, "restarted": restarted, **verdict.to_json()}, indent=2), 1 - verdict.well
    return verdict_text(verdict, restarted=restarted, wanted_restart=after_restart), 1 - verdict.well


def verdict_text(verdict: Verdict, *, restarted: bool, wanted_restart: bool) -> str:
    """For people: well, or what exactly still fails."""
    lines = []
    if verdict.well:
        lines.append("✔ well" + (", also after a restart" if restarted else ""))
        lines += [f"  {check.name}" for check in verdict.checks]
    else:
        lines.append("✘ broken" + (" after the restart: what was done did not last" if restarted else ""))
        lines += [f"  {line}" for line in verdict.failing]
        if wanted_restart and not restarted:
            lines.append("  not restarted: it must be well first")
    if verdict.load:
        load = verdict.load
        lines.append(f"  under load: {load.failed} of {load.asked} failed, 95th percentile {load.p95:.2f} s")
    return "\n".join(lines)
