"""Tests of fixer/lazy/parse_cache.py."""

from __future__ import annotations

import pytest

from fixer.lazy.parse_cache import _cache
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import recorded_capture

BOTH = pytest.mark.parametrize("name", ["machine", "compose"])


@BOTH
def test_the_same_capture_gives_the_same_snapshot(name: str) -> None:
    first = build_snapshot(recorded_capture(name))
    _cache.clear()
    assert build_snapshot(recorded_capture(name)) == first
