"""Tests of fixer/model/report.py."""

from __future__ import annotations

from fixer.model.report import causes_by_missing_fact


def test_each_missing_fact_stands_once_with_the_causes_that_wait_for_it() -> None:
    waiting = causes_by_missing_fact((
        ("a", ("owner",)), ("b", ("rules", "owner")), ("c", ()), ("d", ("owner", "owner")), ("e", ("rules",)),
    ))
    assert list(waiting.items()) == [("owner", ("a", "b", "d")), ("rules", ("b", "e")), ("", ("c",))]


def test_nothing_missing() -> None:
    assert causes_by_missing_fact(()) == {}
