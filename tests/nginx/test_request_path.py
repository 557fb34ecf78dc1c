"""Which location nginx picks, and the request path that is made for each."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.nginx.regex_sample import literal_start, sample_of
from fixer.nginx.request_path import Locations


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (rb"^/a/b$", b"/a/b"), (rb"\.php$", b".php"), (rb"/x.*y", b"/xy"), (rb"/x.+y", b"/xxy"), (rb"/v\d+/", b"/v1/"),
        (rb"/v\d{3}", b"/v111"), (rb"/(a|b)/(?:c|d)", b"/a/c"), (rb"/[a-f]x", b"/ax"), (rb"/[^a]", b"/x"), (rb"/[]]", b"/]"),
        (rb"/[\]x]", b"/x"), (rb"/\w\W\s\D\S\b", b"/a- aa"), (rb"/(?<name>\d)", b"/1"), (rb"/(?P<name>\d)", b"/1"),
        (rb"/a?b", b"/b"), (rb"/a|/b", b"/a"), (rb"/a+?b", b"/ab"), (rb"(/a)?$", b""), (rb"/[#]", b"/#"), (rb"/a{2,}", b"/aa"),
        (rb"/\-", b"/-"),
    ],
)
def test_sample(pattern, text):
    sample = sample_of(pattern, ignore_case=False)
    assert sample.text == text
    assert sample.matches(text)


@pytest.mark.parametrize(
    "pattern",
    [rb"(a+)+$", rb"(?=x)", rb"(?i)x", rb"a)", rb"(a", rb"[a", rb"*a", rb"\1", rb"\p{L}", rb"[[:alpha:]]", rb"a{99}", rb"((((((((a))))))))",
     rb"a\\"[:-1], b"x" * 600, rb"(?<n>a)(?<n>b)", rb"[\x00-\x01]", rb"a{2}{3}"],
)
def test_hard_expressions_have_none(pattern):
    assert sample_of(pattern, ignore_case=False) is None


@given(st.binary(max_size=30) | st.text(alphabet="ab1/.*+?()[]{}|^$\\<>:=-d", max_size=20).map(str.encode))
def test_a_sample_never_raises_and_is_quick(pattern):
    begun = time.process_time()
    sample = sample_of(pattern, ignore_case=True)
    if sample is not None:
        assert len(sample.text) <= 16 * len(pattern)
        assert sample.matches(b"/" + b"a1" * 100) in (True, False)
    assert time.process_time() - begun < 1.0      # an expression that backtracks without end takes minutes


@pytest.mark.parametrize(
    ("pattern", "start"),
    [(rb"^/hard/(?=x)", b"/hard/"), (rb"^/a\.b?", b"/a."), (rb"/x", b""), (rb"^/a|/b", b""), (rb"^.*", b""), (rb"^/ab+", b"/a")],
)
def test_literal_start(pattern, start):
    assert literal_start(pattern) == start


def made(*patterns: tuple[str, ...]) -> tuple[Locations, dict[str, object]]:
    locations = Locations()
    places = {" ".join(p): locations.add(locations.root, [part.encode() for part in p])[0] for p in patterns}
    return locations, places


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", "/"), ("/x", "= /x"), ("/xy", "/"), ("/img/a.png", "^~ /img/"), ("/a.png", "~ \\.png$"), ("/A.GIF", "~* \\.gif$"),
     ("/api/v1", "/api/"), ("/nope.", "/")],
)
def test_nginx_picks(path, expected):
    locations, places = made(("/",), ("=", "/x"), ("/api/",), ("^~", "/img/"), ("~", "\\.png$"), ("~*", "\\.gif$"))
    assert locations.find(path.encode()) is places[expected]


def test_no_location_at_all():
    locations, _ = made(("/a",))
    assert locations.find(b"/b") is None
    assert Locations().find(b"/") is None


def test_a_nested_regex_wins_over_the_outer_ones():
    locations, places = made(("/a/",), ("~", "\\.x$"))
    outer = places["/a/"]
    inner, _ = locations.add(outer, [b"~", b"\\.x$"])
    deeper, _ = locations.add(inner, [b"=", b"/a/b.x"])
    assert locations.find(b"/a/q.x") is inner
    assert locations.find(b"/a/b.x") is deeper
    assert locations.find(b"/b.x") is places["~ \\.x$"]


def test_a_hard_regex_in_the_way_leaves_no_path():
    locations, places = made(("/",), ("~", "(a+)+b"))
    assert locations.path_to(places["/"]) is None
    assert locations.path_to(places["~ (a+)+b"]) is None


def test_comparisons_are_bounded():
    patterns = [("~", f"x{n}$") for n in range(1500)]
    locations, places = made(*patterns)
    paths = [locations.path_to(place) for place in places.values()]
    assert paths[0] == "/x0"
    assert paths[-1] is None


@pytest.mark.parametrize("pattern", ["@name", "relative", "/a/../b", "/a/./b", "/a//b", "/a/.."])
def test_locations_without_a_path(pattern):
    locations, places = made((pattern,))
    assert locations.path_to(places[pattern]) is None


def test_an_argument_is_missing():
    assert Locations().add(Locations().root, [])[0].pattern == b""


def test_a_path_is_safe_to_send():
    locations, places = made(("/a b\"%é",))
    path = locations.path_to(places["/a b\"%é"])
    assert path == "/a%20b%22%25%C3%A9"
    assert re.fullmatch(r"[!-~]+", path)
