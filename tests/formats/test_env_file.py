"""EnvironmentFile= by systemd's grammar: what is taken in by a value before it, and where a new line is its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.formats.env_file import append_offset, env_lines, read_env_file, read_unit_env_file


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


def test_environment_files() -> None:
    data = b"# c\nA=1\n export B = 'two words' \nC=\"x\" \nD=plain # note\nE=\nbroken\n;F=1\nA=2\nG=\"open"
    found = read_env_file("/e", data)
    assert {k: w.text for k, w in found.items()} == {
        "A": "2", "B": "two words", "C": "x", "D": "plain", "E": "", "G": "open"}
    place = found["C"].to_argument()
    assert data[place.start : place.end] == b"x" and place.line == 4


def test_environment_files_as_systemd_reads_them() -> None:
    """Each value as systemd 257 gave it to a program."""
    data = (b"A=8302 # was\nexport B=1\nC=\"8302\" # was\nD='x'y\nE=a\\\nb\n; F=1\n G = 2 \nH=\"a\nb\"\nI=a\"b c\"d\n"
            b"J=a\\ b\nK=\"a\\\"b\\nc\"\nL='a\\b'\nM=#x\nN=a'b\nO=1\nP=\nQ=\"open")
    found = read_unit_env_file("/e", data)
    assert {name: word.text for name, word in found.items()} == {
        "A": "8302 # was", "C": "8302# was", "D": "xy", "E": "ab", "G": "2", "H": "a\nb", "I": 'a"b c"d', "J": "a b",
        "K": 'a"b\\nc', "L": "a\\b", "M": "#x", "N": "a'b", "O": "1", "P": "", "Q": "open",
    }
    place = found["G"].to_argument()
    assert data[place.start : place.end] == b"2" and place.line == data[:place.start].count(b"\n") + 1


@given(st.binary(max_size=80))
def test_any_bytes_are_an_environment_file_of_a_unit(data: bytes) -> None:
    for word in read_unit_env_file("/e", data).values():
        place = word.to_argument()
        if place.start is not None:
            assert data[place.start : place.end] == word.text.encode("latin-1")


@given(st.binary(max_size=80))
def test_any_bytes_are_an_environment_file(data: bytes) -> None:
    for word in read_env_file("/e", data).values():
        place = word.to_argument()
        if place.start is not None:
            assert data[place.start : place.end] == word.text.encode("latin-1")
