"""The further steps at which systemd fails before a program runs: where its output goes, its folders, its credentials,
what it may do. systemd names the step; the settings that the step carries out are shown with what they name."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.exits.exec_step import (
    StepFailure,
    Told,
    absence,
    is_gone,
    mended,
    setting_evidence,
    stat_evidence,
    stat_of,
    where,
)
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.run_log import message
from fixer.formats.exec_status import FURTHER, paths_of_step
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.repairs.unit_edits import by_hand

VARIANT = "start-step-failed"
_REASON = regex(r"spawning .*?: (?P<why>[^:]+)$")
_WRITES = frozenset({"STDOUT", "STDERR"})      # a file that is made where its folder is there


def judge_step(case: Case, crash: Crash, failure: StepFailure) -> Told | str:
    """What systemd's line says, the settings of that step, and which of the files that they name are not there."""
    service, (step, keys) = crash.service, FURTHER[failure.status]
    settings = [s for s in service.unit_values if (s.key in keys or (step == "LIMITS" and s.key.startswith("Limit")))
                and s.value.strip()]
    said = message(failure.lines[-1]).rstrip() if failure.lines else ""
    match = _REASON.search(said)
    reason = match["why"].strip() if match is not None else "it does not say why"
    gone, there = _looked_at(case, crash, failure, writes=step in _WRITES)
    shown = tuple(setting_evidence(s) for s in settings[-3:])
    if failure.why == "missing" and there and not gone:
        return mended(case, crash, VARIANT, f"what {_names(keys)} needs was not there", (*shown, *there))
    place = where(settings[-1], service) if settings else service.name
    what = "".join(f"; {path} is not there" for path in gone[:1]) or f": {reason}"
    summary = f"{service.name} cannot be started: systemd fails at the step {step}{what}"
    manual = (
        f"{place} ({_names(keys) or step}) is what systemd could not carry out ({reason})"
        f"{f'; put {gone[0]} there (its folder, for the account that needs it)' if gone else ''}: mend that or take it "
        f"out, systemctl daemon-reload, then start {service.name}")
    return Told(VARIANT, summary, (*shown, *(absence(path) for path in gone)), by_hand("mend-step", manual))


def _names(keys: tuple[str, ...]) -> str:
    return " or ".join(keys[:2])      # without "=": what follows it is taken for a secret's value in some of them


def _looked_at(
    case: Case, crash: Crash, failure: StepFailure, *, writes: bool,
) -> tuple[list[str], list[Evidence]]:
    """Of the files that the settings name those that are not there, and what shows the others."""
    service, gone, there = crash.service, [], []
    for named in paths_of_step(failure.status, service.unit_values):
        path = posixpath.dirname(named) if writes else named
        stat = stat_of(case.snapshot, service.node, path)
        if is_gone(case.snapshot, service.node, path):
            gone.append(path)
        elif stat is not None:
            there.append(stat_evidence(path, stat))
    return gone, there
