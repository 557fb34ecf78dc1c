"""A text of any size is searched for keys only in lines that hold the beginning of one, and nothing is missed by that."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.redaction import patterns, secrets
from fixer.redaction.patterns import mask_in_lines

SHAPES = {"made up": (patterns.TOKEN_SHAPE, patterns.TOKEN_STARTS), "known": (secrets._SHAPE, secrets._SHAPE_STARTS)}


def alternatives(name: str) -> list[re.Pattern[str]]:
    """Each shape by itself, with what must stand before it put into the text."""
    pattern = SHAPES[name][0].pattern
    parts = re.split(r"\|(?=\(\?P<|\(\?<=)", pattern)
    return [re.compile(re.sub(r"\(\?<=([^)]*)\)", r"\1", part)) for part in parts]


@pytest.mark.parametrize("name", SHAPES)
@given(data=st.data())
def test_every_shape_holds_one_of_its_beginnings(name: str, data: st.DataObject) -> None:
    shape, starts = SHAPES[name]
    one = data.draw(st.sampled_from(alternatives(name)))
    key = data.draw(st.from_regex(one, alphabet=st.characters(max_codepoint=126, min_codepoint=32)))
    text = f"first line\n{key}\nlast line"
    assert mask_in_lines(text, shape, starts, "[redacted]") == shape.sub("[redacted]", text)
