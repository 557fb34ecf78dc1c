"""Tests of fixer/render/plan_text.py."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixer.render.plan_text import diff_lines
from fixer.render.terminal_text import PLAIN, Style, count_columns


def test_a_diff_is_never_cut() -> None:
    line = "+" + "x" * 300
    assert diff_lines(line + "\n", PLAIN) == [f"    {line}"]
    assert diff_lines("", PLAIN) == []


def test_a_long_line_of_a_diff_goes_on_below_and_no_word_is_broken() -> None:
    line = "-    server { listen 80;  location / { proxy_pass http://127.0.0.1:8001; } }"
    assert diff_lines(line, Style(width=40)) == [
        "    -    server { listen 80;  location",
        "    |  / { proxy_pass",
        "    |  http://127.0.0.1:8001; } }",
    ]


@given(st.text(" ab;+-", max_size=200), st.integers(40, 120))
def test_a_diff_keeps_every_character(text: str, width: int) -> None:
    line = f"+{text}"
    parts = [part[4:] for part in diff_lines(line, Style(width=width))]
    assert (parts[0] + "".join(part[2:] for part in parts[1:])).rstrip() == line.rstrip()
    assert all(count_columns(part) <= width - 4 or " " not in part.strip("+-| ") for part in parts)
