"""Tests of lab/classroom/roster.py."""

from __future__ import annotations

import re

import pytest

from lab.classroom.roster import new_token, read_roster, seconds_of
from lab.errors import UsageError


def test_a_roster_has_one_name_a_line() -> None:
    assert read_roster("# room 3\n\nAda\n Grace   H. \n王小明\n", "roster.txt") == ("Ada", "Grace H.", "王小明")


@pytest.mark.parametrize(("text", "said"), [
    ("", "names nobody"), ("# only\n", "names nobody"), ("Ada\nBob\nAda\n", "roster.txt:3: 'Ada' occurs twice"),
    ("Ada\x1b[2J\n", "roster.txt:1: a name has"), ("x" * 61, "roster.txt:1"),
    ("\n".join(f"p{number}" for number in range(61)), "names 61 people"),
])
def test_a_wrong_roster_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        read_roster(text, "roster.txt")


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("75s", 75)])
def test_a_time_to_live(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "25h", "10s", "2d", "-1h", "1m1h"])
def test_another_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        seconds_of(text)


def test_tokens_can_be_typed_and_differ() -> None:
    made = {new_token() for _ in range(50)}
    assert len(made) == 50 and all(re.fullmatch(r"([a-hjkmnp-z2-9]{4}-){3}[a-hjkmnp-z2-9]{4}", one) for one in made)
