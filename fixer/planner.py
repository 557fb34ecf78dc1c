"""The plan of one round: the first allowed repair of a diagnosis, and the repairs withheld with their reasons. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from fixer.errors import UsageError
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Diagnosis, Finding, Inputs, Need, Repair
from fixer.model.plan import Plan, Risk, Withheld, has_only_starts

_RISK_RANK: dict[Risk, int] = {"safe": 0, "disruptive": 1, "manual": 2}


@dataclass(frozen=True, slots=True)
class RepairPolicy:
    """Limits of a repair: the highest risk, and `forbids`, which returns a reason or an empty text."""

    max_risk: Risk = "safe"
    forbids: Callable[[Finding, Repair], str] | None = None


def plan(
    diagnosis: Diagnosis, policy: RepairPolicy, *, only: str | None = None, inputs: Inputs | None = None,
    strict: bool = True,
) -> Plan:
    """Return the plan of this round: the first allowed repair, root causes first.

    `inputs` are the values that the operator gave. With `strict` (first round) an input that no repair needs is a
    UsageError; in later rounds an earlier one may have used it.
    """
    given = inputs or {}
    offers = tuple(_offered_repairs(diagnosis))
    if strict:
        check_options(diagnosis, only, given)
    withheld: list[Withheld] = []
    for finding, repair in offers:
        if only is not None and repair.id != only and not repair.waits:
            continue
        obstacle = _find_obstacle(finding, repair, policy, given)
        if obstacle is None:
            return Plan(
                finding.cause, repair.id, repair.risk, repair.summary, repair.steps, tuple(withheld), repair.waits,
                repair.proof,
            )
        if obstacle not in withheld:
            withheld.append(obstacle)
    return Plan(None, None, "safe", "", (), tuple(withheld))


def _offered_repairs(diagnosis: Diagnosis) -> Iterable[tuple[Finding, Repair]]:
    for finding in diagnosis.findings:
        if finding.is_at_fault:
            for repair in finding.repairs:
                yield finding, repair


def check_options(diagnosis: Diagnosis, only: str | None, inputs: Inputs) -> None:
    """Raise UsageError for a repair that is not offered, an unknown input or an invalid value.

    A healthy target offers nothing, so repeating a command there is no error. If one input fits, other keys may be
    needed later: a program reports one missing variable at a time, and a stopped or starting one reports none.
    """
    offers = tuple(_offered_repairs(diagnosis))
    if not offers:
        return
    ids = tuple(dict.fromkeys(repair.id for _, repair in offers))
    waits = any(repair.waits for _, repair in offers)
    if only is not None and only not in ids and not waits:
        raise UsageError(f"no repair is called {only} here", f"offered: {', '.join(ids)}")
    needs: dict[str, list[Need]] = {}      # two files may each have backup copies, chosen by the same key
    for _, repair in offers:
        for asked in repair.needs:
            needs.setdefault(asked.key, []).append(asked)
    later = waits or bool(needs.keys() & inputs.keys()) or any(has_only_starts(repair.steps) for _, repair in offers)
    for key, value in inputs.items():
        asking = needs.get(key, [])
        if not asking and later:
            _check_characters(key, value)
            continue
        if not asking:
            hint = f"needed: {', '.join(needs)}" if needs else "no offered repair needs a value"
            raise UsageError(f"--set {key}: no repair needs it", hint)
        choices = tuple(dict.fromkeys(choice for need in asking if need.kind == "choice" for choice in need.choices))
        need = next((need for need in asking if need.kind != "choice"), asking[0])
        if need.kind == "choice" and value not in choices:
            raise UsageError(f"--set {key}: not one of the choices", f"choices: {', '.join(choices)}")
        _check_value(need, value)


def _check_value(need: Need, value: str) -> None:
    _check_characters(need.key, value)
    if not value and need.kind != "value":
        raise UsageError(f"--set {need.key}: the value is empty")
    if need.pattern and re.fullmatch(need.pattern, value) is None:
        raise UsageError(f"--set {need.key}: the value is not valid", need.why)


def _check_characters(key: str, value: str) -> None:
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise UsageError(f"--set {key}: the value contains a line break or another control character")


def _is_missing(need: Need, inputs: Inputs) -> bool:
    """Return whether a value is missing. A choice for another file or an earlier round does not count."""
    given = inputs.get(need.key)
    return need.default is None and (given is None or (need.kind == "choice" and given not in need.choices))


def _find_obstacle(finding: Finding, repair: Repair, policy: RepairPolicy, inputs: Inputs) -> Withheld | None:
    if repair.waits:
        return None
    if repair.risk == "manual":
        return Withheld(repair.id, finding.cause, repair.manual or repair.summary, "")
    missing = [need for need in repair.needs if _is_missing(need, inputs)]
    flags = [f"--set {need.key}={'VALUE' if need.kind != 'choice' else '|'.join(need.choices)}" for need in missing]
    reasons = [need.why for need in missing]
    if _RISK_RANK[repair.risk] > _RISK_RANK[policy.max_risk]:
        flags.insert(0, f"--max-risk {repair.risk}")
        reasons.insert(0, f"it is {repair.risk}{' (proof: mechanism)' if repair.proof == 'mechanism' else ''}")
    if flags:
        return Withheld(repair.id, finding.cause, "; ".join(reasons), " ".join(flags))
    forbidden = policy.forbids(finding, repair) if policy.forbids is not None else ""
    if forbidden:
        return Withheld(repair.id, finding.cause, forbidden, "")
    if not repair.steps:
        return Withheld(repair.id, finding.cause, repair.manual or "fixer cannot apply it here", "")
    return None
