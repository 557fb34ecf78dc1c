"""Tests of fixer/analysis/evidence.py."""

from __future__ import annotations

import pytest

from fixer.analysis.evidence import age_text, connect_error_text, log_evidence, shorten


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (120, "2 min"), (7200, "2 h"), (200000, "2 d")])
def test_ages(seconds: float, words: str) -> None:
    assert age_text(seconds) == words


@pytest.mark.parametrize(("text", "said"), [("", ""), ("x" * 20, "x" * 20), ("x" * 21, "x" * 20 + "\u2026"), ("x" * 18 + "  yy", "x" * 18 + "\u2026")])
def test_what_is_cut_off_ends_with_an_ellipsis(text: str, said: str) -> None:
    assert shorten(text, 20) == said


def test_a_line_of_a_log_is_quoted_whole() -> None:
    assert log_evidence(f" {'x' * 900}\n", "journal a").text == "x" * 900


@pytest.mark.parametrize(("error", "said"), [
    ("slow", "connect: no answer in time"), ("refused", "connect: refused"), ("no-socket", "connect: no-socket"),
])
def test_how_a_connection_failed(error: str, said: str) -> None:
    """No answer at all is not a slow one: a device that is down gives none."""
    assert connect_error_text(error) == said
