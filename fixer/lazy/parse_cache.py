"""Cache of parse results, so that collection rounds and the snapshot parse an answer once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MOST_ENTRIES = 256
_VALUES = (str, int, float)  # keys by value; everything else by identity

# Keyed by the identity of immutable inputs, which stay alive here so that no id is reused. An entry only ever equals
# the result of the same call, so purity holds.
_cache: dict[tuple[object, ...], tuple[tuple[object, ...], object]] = {}


def parse_once(make: Callable[[], T], what: str, *inputs: object) -> T:
    """Return the result of `make()`, computed once for the same objects."""
    key = (what, *(i if isinstance(i, _VALUES) else id(i) for i in inputs))
    found = _cache.get(key)
    if found is None:
        if len(_cache) >= MOST_ENTRIES:
            _cache.clear()
        found = _cache[key] = (inputs, make())
    return found[1]  # type: ignore[return-value] # the key names the maker
