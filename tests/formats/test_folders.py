"""Tests of fixer/formats/folders.py."""

from __future__ import annotations

import pytest

from fixer.formats.folders import is_below, is_within


@pytest.mark.parametrize(("path", "folder", "within", "below"), [
    ("/a", "/a", True, False), ("/a/", "/a", True, False), ("/a", "/a/", True, False), ("/a/b", "/a", True, True),
    ("/a/b", "/a/", True, True), ("/ab", "/a", False, False), ("/", "/a", False, False), ("/a", "/", True, True),
    ("/", "/", True, False), ("", "/", False, False), ("/a", "", False, False), ("", "", False, False),
    ("a/b", "/", False, False), ("a/b", "a", True, True), ("/b/a", "/a", False, False),
])
def test_what_a_folder_holds(path: str, folder: str, within: bool, below: bool) -> None:
    assert (is_within(path, folder), is_below(path, folder)) == (within, below)
