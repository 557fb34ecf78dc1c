"""Remembers what was parsed from an answer, so that the rounds of a collection and the snapshot parse it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MOST_ENTRIES = 256
_VALUES = (str, int, float)     # keys by themselves; everything else by its identity

# Keyed by the identity of immutable inputs, which are kept alive here so that no id is used twice. What is kept is
# only ever what the same call would give again: purity is not touched.
_cache: dict[tuple[object, ...], tuple[tuple[object, ...], object]] = {}


def parse_once(make: Callable[[], T], what: str, *inputs: object) -> T:
    """The result of `make()`, made once for the same objects."""
    key = (what, *(i if isinstance(i, _VALUES) else id(i) for i in inputs))
    found = _cache.get(key)
    if found is None:
        if len(_cache) >= MOST_ENTRIES:
            _cache.clear()
        found = _cache[key] = (inputs, make())
    return found[1]  # type: ignore[return-value] # the key names the maker
