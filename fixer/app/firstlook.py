"""The look that a repair begins with: some moments tell nobody what is wrong, and soon somebody can."""

from __future__ import annotations

import time

from fixer.app.inspect_target import StateNotes, look_at
from fixer.app.request import Repairing
from fixer.model.facts import Known
from fixer.model.host import Target
from fixer.verify import Look

MORE = 3             # looks
SETTLES = 2.0        # seconds before each


def first_look(target: Target, options: Repairing, *, after_recovery: bool) -> Look:
    """Look, and again where that moment may have been a bad one."""
    quiet = StateNotes(target).quiet
    look = look_at(target, options.looking, options.inputs, quiet=quiet)
    for _ in range(MORE):
        if not (_is_late(look) or (after_recovery and _is_between(look))):
            break
        time.sleep(SETTLES)
        look = look_at(target, options.looking, options.inputs, quiet=quiet)
    return look


def _is_between(look: Look) -> bool:
    """What has just been taken back may be between two starts, with no word in its log yet."""
    return look.diagnosis.verdict != "healthy" and not look.diagnosis.findings


def _is_late(look: Look) -> bool:
    """Nothing could be judged, since an answer did not come in time: a service that is being restarted ends first what
    it has under way, while its socket keeps whoever comes."""
    return look.diagnosis.verdict == "unknown" and any(
        probe.error == "slow" for facts in look.snapshot.routes if isinstance(facts.probes, Known)
        for probe in facts.probes.value)
