"""The definition of a cause: its names, its page, and the function that judges a case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from fixer.analysis.case import Case, FailingAddress
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Finding, Found, RuledOut, Undetermined, Verdict
from fixer.model.facts import Evidence

Judge: TypeAlias = Callable[[Case], Verdict]
Outcome: TypeAlias = Finding | str | Evidence | None
"""What one thing shows: a finding, a missing fact, evidence against the cause, or nothing."""
Outcomes: TypeAlias = tuple[list[Finding], list[str], list[Evidence]]


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause under the name that an operator would use. `page` is the module's docstring."""

    id: str
    title: str
    family: str
    variants: tuple[str, ...]
    verdict: Judge
    page: str = ""


# Title of a page's last section: a row for each variant, its name and what is wrong.
VARIANTS_TITLE = "\n\nVariants"


def variant_meanings(page: str) -> dict[str, str]:
    """Return the names and texts of the page's last section, *Variants*."""
    rows = (line.split(maxsplit=1) for line in page.partition(VARIANTS_TITLE)[2].splitlines())
    return {row[0]: " ".join(row[1:]) for row in rows if row}


def conclude(findings: Iterable[Finding], missing: Iterable[str], ruled_out: Iterable[Evidence]) -> Verdict:
    """Return Found if there is a finding, Undetermined if a deciding fact is missing, else RuledOut."""
    found, lacking = tuple(findings), tuple(dict.fromkeys(missing))
    if found:
        return Found(found, lacking)
    if lacking:
        return Undetermined(lacking)
    return RuledOut(tuple(dict.fromkeys(ruled_out)))


def for_each_failing_address(case: Case, judge: Callable[[Case, FailingAddress], Outcome]) -> Outcomes:
    """Judge each failing address alone. Return the findings, the missing facts, and the evidence that rules it out."""
    return sort_outcomes((judge(case, trouble) for trouble in case.failing_addresses), case.observed)


def sort_outcomes(outcomes: Iterable[Outcome], ruled_out: Iterable[Evidence]) -> Outcomes:
    """Return the findings, the missing facts, and the evidence that rules it out, after `ruled_out`."""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled = [*ruled_out]
    for outcome in outcomes:
        match outcome:
            case Finding():
                findings.append(outcome)
            case str():
                missing.append(outcome)
            case Evidence():
                ruled.append(outcome)
    return findings, missing, ruled


def add_finding(found: dict[str, Finding], key: str, new: Finding) -> None:
    """Add a finding; one of the same key keeps its words and gets the routes. One fault may be met at several
    addresses."""
    found[key] = found[key].with_routes_of(new) if key in found else new


def join_by(findings: Iterable[Finding], key: Callable[[Finding], str]) -> list[Finding]:
    """Return one finding for each key: the first, with the routes of all."""
    found: dict[str, Finding] = {}
    for finding in findings:
        add_finding(found, key(finding), finding)
    return list(found.values())


def unique_causes(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """Return the causes by id, each id once. The first wins, so that a third party cannot replace one of ours."""
    found: dict[str, Cause] = {}
    for cause in causes:
        found.setdefault(cause.id, cause)
    return tuple(found[name] for name in sorted(found))
