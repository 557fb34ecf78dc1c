"""Tests of fixer/analysis/cause.py."""

from __future__ import annotations

from fixer.analysis.cause import conclude
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Evidence


def test_nothing_seen_and_nothing_missing_rules_out() -> None:
    seen = Evidence("probe", "x", "y")
    assert conclude((), (), (seen, seen)) == RuledOut((seen,))
