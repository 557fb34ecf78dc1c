"""Tests of fixer/diagnose/line_meanings.py. tests/app/test_explain_line.py compares its table with what causes read."""

from __future__ import annotations

from fixer.diagnose.line_meanings import MEANINGS, causes_of_kinds


def test_the_causes_of_several_kinds_are_those_of_each() -> None:
    assert causes_of_kinds({"header-too-big"}) == {"header-too-big"}
    assert causes_of_kinds({"header-too-big", "tls-alert-name"}) == {"header-too-big", "tls-sni-missing"}
    assert causes_of_kinds(()) == causes_of_kinds({"backend-stderr"}) == frozenset()


def test_an_unusual_line_follows_the_usual_ones() -> None:
    assert MEANINGS[0].kinds == ("refused",) and MEANINGS[0].causes[0] == "backend-down"
