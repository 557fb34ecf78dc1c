"""Which location nginx picks, and the request path that is made for each."""

from __future__ import annotations

import re

import pytest

from fixer.nginx.request_path import Locations


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
    locations, places = made(("/",), ("~", "(?>a)b"))
    assert locations.path_to(places["/"]) is None
    assert locations.path_to(places["~ (?>a)b"]) is None


def test_what_repeats_a_repeat_is_tried_on_short_paths_only():
    locations, places = made(("/",), ("/a-long-prefix/",), ("~", "^/(?:[^/]+/)*x$"))
    assert locations.path_to(places["/"]) == "/"
    assert locations.path_to(places["/a-long-prefix/"]) is None


@pytest.mark.parametrize("pattern", [r"/\.(?!well-known)", r"^/(?!static/|media/).*\.(?:css|js)$", r"(?<!robots)\.txt$", r"(?i)\.git"])
def test_what_looks_around_leaves_the_other_locations_their_paths(pattern):
    locations, places = made(("/",), ("~", pattern))
    assert locations.path_to(places["/"]) == "/"


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
