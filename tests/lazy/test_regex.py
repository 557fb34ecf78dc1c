"""A pattern that is compiled when it is used is the pattern."""

from __future__ import annotations

import re

import pytest

from fixer.lazy.regex import regex, up_to_first


def test_it_is_the_pattern() -> None:
    pattern = regex(r"(?P<word>[a-z]+)\d", re.IGNORECASE)
    for _ in range(2):
        found = pattern.search("1 Ab2")
        assert found is not None
        assert found["word"] == "Ab"
        assert pattern.sub("-", "Ab2c") == "-c"
    assert pattern.groupindex == {"word": 1}
    assert regex(rb"\d").findall(b"a1b2") == [b"1", b"2"]


def test_it_is_compiled_when_it_is_used() -> None:
    broken = regex("(")
    with pytest.raises(re.error):
        broken.match("a")


def test_it_has_what_a_pattern_has_and_no_more() -> None:
    with pytest.raises(AttributeError):
        regex("a").other  # type: ignore[attr-defined]  # noqa: B018


def test_a_line_is_read_up_to_its_first_head() -> None:
    pattern = regex(up_to_first("open ") + "(.*) failed")
    found = pattern.search("one\ntwo open a open b failed failed")
    assert found is not None
    assert found[1] == "a open b failed"
    assert pattern.search("open a\nfailed") is None
