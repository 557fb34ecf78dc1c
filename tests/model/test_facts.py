"""Facts: an absence that was proven is a value, and only what was not read falls back."""

from __future__ import annotations

from fixer.model.facts import Evidence, Known, Unknown


def test_only_what_is_unknown_falls_back() -> None:
    assert Known(7).or_else(0) == 7
    assert Unknown("not root").or_else(0) == 0


def test_a_proven_absence_is_no_unknown() -> None:
    assert Known(None).or_else("something") is None
    assert Known(()).or_else((1,)) == ()
    assert Known(None) != Unknown("")


def test_the_same_value_by_other_evidence_is_another_fact() -> None:
    assert Known(1, (Evidence("file", "/a:1", "x"),)) != Known(1)
    assert len({Known(1), Known(1), Unknown("slow"), Unknown("slow")}) == 2
