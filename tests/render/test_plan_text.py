"""Tests of fixer/render/plan_text.py."""

from __future__ import annotations

from fixer.render.plan_text import diff_lines
from fixer.render.terminal_text import PLAIN


def test_a_diff_is_never_cut() -> None:
    line = "+" + "x" * 300
    assert diff_lines(line + "\n", PLAIN) == [f"    {line}"]
    assert diff_lines("", PLAIN) == []
