"""The definition of a cause: its names, its page, and the function that judges a case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from fixer.analysis.case import Case, FailingAddress
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Finding, Found, RuledOut, Undetermined, Verdict
from fixer.model.facts import Evidence

Judge: TypeAlias = Callable[[Case], Verdict]


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause under the name that an operator would use. `page` is the module's docstring."""

    id: str
    title: str
    family: str
    variants: tuple[str, ...]
    verdict: Judge
    page: str = ""


def conclude(findings: Iterable[Finding], missing: Iterable[str], ruled_out: Iterable[Evidence]) -> Verdict:
    """Return Found if there is a finding, Undetermined if a deciding fact is missing, else RuledOut."""
    found, lacking = tuple(findings), tuple(dict.fromkeys(missing))
    if found:
        return Found(found, lacking)
    if lacking:
        return Undetermined(lacking)
    return RuledOut(tuple(dict.fromkeys(ruled_out)))


def for_each_failing_address(
    case: Case, judge: Callable[[Case, FailingAddress], Finding | str | Evidence],
) -> tuple[list[Finding], list[str], list[Evidence]]:
    """Judge each failing address alone. Return the findings, the missing facts, and the evidence that rules it out."""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled: list[Evidence] = [e for j in case.verdicts.values() if j.state == "ok" for e in j.evidence[:1]][:3]
    for trouble in case.failing_addresses:
        match judge(case, trouble):
            case Finding() as found:
                findings.append(found)
            case str() as lacking:
                missing.append(lacking)
            case shown:
                ruled.append(shown)
    return findings, missing, ruled


def unique_causes(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """Return the causes by id, each id once. The first wins, so that a third party cannot replace one of ours."""
    found: dict[str, Cause] = {}
    for cause in causes:
        found.setdefault(cause.id, cause)
    return tuple(found[name] for name in sorted(found))
