"""Tests of fixer/analysis/evidence.py."""

from __future__ import annotations

import pytest

from fixer.analysis.evidence import age_text


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (120, "2 min"), (7200, "2 h"), (200000, "2 d")])
def test_ages(seconds: float, words: str) -> None:
    assert age_text(seconds) == words
