"""Tests of fixer/nginx/regex_sample.py."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.nginx.regex_sample import literal_start, sample_of


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (rb"^/a/b$", b"/a/b"), (rb"\.php$", b".php"), (rb"/x.*y", b"/xy"), (rb"/x.+y", b"/xxy"), (rb"/v\d+/", b"/v1/"),
        (rb"/v\d{3}", b"/v111"), (rb"/(a|b)/(?:c|d)", b"/a/c"), (rb"/[a-f]x", b"/ax"), (rb"/[^a]", b"/x"), (rb"/[]]", b"/]"),
        (rb"/[\]x]", b"/x"), (rb"/\w\W\s\D\S\b", b"/a- aa"), (rb"/(?<name>\d)", b"/1"), (rb"/(?P<name>\d)", b"/1"),
        (rb"/a?b", b"/b"), (rb"/a|/b", b"/a"), (rb"/a+?b", b"/ab"), (rb"(/a)?$", b""), (rb"/[#]", b"/#"), (rb"/a{2,}", b"/aa"),
        (rb"/\-", b"/-"), (rb"^/(?!api/|docs$).*$", b"/"), (rb"/(?=x)x", b"/x"), (rb"x(?<!a)y(?<=xy)", b"xy"), (rb"(?i)^/a", b"/a"),
        (rb"/(?i:a)b", b"/ab"), (rb"/[0-9a-f]{32}", b"/" + b"a" * 32), (rb"^/(?:[^/]+/)*x", b"/x"), (rb"(a+)+$", b"a"),
    ],
)
def test_sample(pattern, text):
    sample = sample_of(pattern, ignore_case=False)
    assert sample.text == text
    assert sample.matches(text)


@pytest.mark.parametrize(
    "pattern",
    [rb"a(?i)x", rb"(?>a)b", rb"a)", rb"(a", rb"[a", rb"*a", rb"\1", rb"\p{L}", rb"[[:alpha:]]", rb"a{199}", rb"(ab{99}){9}", rb"((((((((a))))))))",
     rb"a\\"[:-1], b"x" * 600, rb"(?<n>a)(?<n>b)", rb"[\x00-\x01]", rb"a{2}{3}"],
)
def test_hard_expressions_have_none(pattern):
    assert sample_of(pattern, ignore_case=False) is None


@given(st.binary(max_size=30) | st.text(alphabet="ab1/.*+?()[]{}|^$\\<>:=-d", max_size=20).map(str.encode))
def test_a_sample_never_raises_and_is_quick(pattern):
    begun = time.process_time()
    sample = sample_of(pattern, ignore_case=True)
    if sample is not None:
        assert len(sample.text) <= 600
        assert sample.matches(b"/" + b"a1" * 100) in (True, False, None)
        assert sample.matches(b"/a1a1a1a1") in (True, False)
    assert time.process_time() - begun < 1.0      # an expression that backtracks without end takes minutes


@pytest.mark.parametrize(
    ("pattern", "start"),
    [(rb"^/hard/(?=x)", b"/hard/"), (rb"^/a\.b?", b"/a."), (rb"/x", b""), (rb"^/a|/b", b""), (rb"^.*", b""), (rb"^/ab+", b"/a")],
)
def test_literal_start(pattern, start):
    assert literal_start(pattern) == start
