"""Values that a variable in a pass can have, as far as the files say: constants of `set`, `map` and the like."""

from __future__ import annotations

import re
from typing import NamedTuple

from fixer.lazy.regex import regex
from fixer.nginx.effective_config import Node

VARIABLE = regex(rb"\$(?:\{(\w+)\}|(\w+))")
_NESTING = 4
_MOST_VALUES = 64
_SETTERS = frozenset((b"set", b"if"))


class Value(NamedTuple):
    """One value of a variable: its text, and the word of the directive that holds it."""

    text: bytes
    node: Node
    word: int


class Variables(NamedTuple):
    """The variables of a location; `sets` of the server run before its own."""

    maps: dict[bytes, tuple[Value, ...]]
    sets: dict[bytes, tuple[Value, ...]]

    def within(self, block: list[Node] | None) -> Variables:
        """Return the variables after the `set` directives of a block; those inside an `if` may or may not run."""
        if _SETTERS.isdisjoint([node.name for node in block or ()]):
            return self
        sets = dict(self.sets)
        for node in block or ():
            if node.name == b"set" and len(node.args) == 2:
                sets[node.args[0].lstrip(b"$")] = (Value(node.args[1], node, 2),)
            elif node.name == b"if":
                for inner in node.block or ():
                    if inner.name == b"set" and len(inner.args) == 2:
                        name = inner.args[0].lstrip(b"$")
                        sets[name] = (*sets.get(name, ()), Value(inner.args[1], inner, 2))
        return Variables(self.maps, sets)

    def values(self, name: bytes, depth: int = 0) -> tuple[Value, ...]:
        """Return the constant values of a variable; empty if any of them is unknown."""
        candidates = self.sets.get(name) or self.maps.get(name) or ()
        found: list[Value] = []
        for candidate in candidates:
            inner = VARIABLE.search(candidate.text)
            if inner is None:
                if candidate.text:
                    found.append(candidate)
                continue
            whole = inner.span() == (0, len(candidate.text))
            deeper = self.values(variable_name(inner), depth + 1) if whole and depth < _NESTING else ()
            if not deeper:
                return ()
            found.extend(deeper)
        return tuple(found[:_MOST_VALUES])


def variable_name(match: re.Match[bytes]) -> bytes:
    """Return the name in `$name` or `${name}`."""
    return match[1] or match[2]


MAPS = frozenset((b"map", b"split_clients", b"geo"))
_NO_VALUES = frozenset((b"hostnames", b"volatile", b"include", b"ranges", b"delete", b"proxy", b"proxy_recursive"))


def read_map(node: Node) -> tuple[bytes, tuple[Value, ...]] | None:
    """Return the variable of a `map`, `split_clients` or `geo` and its possible values; None if it is incomplete.
    A `geo` may omit its source."""
    fewest = 1 if node.name == b"geo" else 2
    if not fewest <= len(node.args) <= 2 or not node.args[-1].startswith(b"$"):
        return None
    values: list[Value] = []
    for child in node.block or ():
        if len(child.args) == 1 and child.name not in _NO_VALUES:
            values.append(Value(child.args[0], child, 1))
    return node.args[-1][1:], tuple(values)
