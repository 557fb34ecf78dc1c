"""EnvironmentFile= by systemd's grammar: what is taken in by a value before it, and where a new line is its own."""

from __future__ import annotations

import pytest

from fixer.formats.env_file import append_offset, env_lines


@pytest.mark.parametrize(("text", "lines"), [
    ("A=1\n# B=2\nC = 3\n", [("A", 1, 1, ""), ("C", 3, 3, "")]), ('A="x\nB=2', [("A", 1, 2, '"')]),
    ('A="x\ny"\nB=2', [("A", 1, 2, ""), ("B", 3, 3, "")]), ("A=x\\\nB=2\nC=3\n", [("A", 1, 2, ""), ("C", 3, 3, "")]),
])
def test_where_a_value_begins_and_ends(text: str, lines: list[tuple[str, int, int, str]]) -> None:
    assert [(one.name, one.line, one.last, one.quote) for one in env_lines(text)] == lines


@pytest.mark.parametrize(("text", "at"), [
    ("", 0), ("A=1\n", 4), ("A=1", 3), ('A=1\nB="x\n', 4), ("A=1\nB=x\\\n", 4), ("A=1\n# it's\n", 11), ("A=1\nB=it's\n", 11),
])
def test_a_further_line_goes_where_nothing_takes_it_in(text: str, at: int) -> None:
    assert append_offset(text) == at
