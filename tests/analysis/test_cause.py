"""Tests of fixer/analysis/cause.py."""

from __future__ import annotations

from dataclasses import replace

from fixer.analysis.cause import conclude, join_by, sort_outcomes
from fixer.model.diagnosis import Finding, RuledOut
from fixer.model.facts import Evidence

SEEN, OTHER = Evidence("probe", "x", "y"), Evidence("probe", "x", "z")


def finding(node: str, summary: str) -> Finding:
    return Finding("backend-down", None, "root", "certain", summary, (), (), None, node, (), ())


def test_nothing_seen_and_nothing_missing_rules_out() -> None:
    assert conclude((), (), (SEEN, SEEN)) == RuledOut((SEEN,))


def test_outcomes_are_sorted_by_what_they_say_and_none_says_nothing() -> None:
    one = finding("a", "it is down")
    assert sort_outcomes(("who owns it", OTHER, None, one), (SEEN,)) == ([one], ["who owns it"], [SEEN, OTHER])


def test_the_first_finding_of_each_key_stays_with_the_routes_of_all() -> None:
    one, two, three = (replace(finding(node, text), routes=(f"r{text}",)) for node, text in (("a", "1"), ("b", "2"), ("a", "3")))
    assert join_by((one, two, three), lambda found: found.node) == [replace(one, routes=("r1", "r3")), two]
