"""Values that a variable in a pass can have, as far as the files say: constants of `set`, `map` and the like."""

from __future__ import annotations

import re
from typing import NamedTuple

from fixer.lazy.regex import regex
from fixer.model.nginx_config import Chooser
from fixer.nginx.effective_config import Node

VARIABLE = regex(rb"\$(?:\{(\w+)\}|(\w+))")
_NESTING = 4
_MOST_VALUES = 64
_SETTERS = frozenset((b"set", b"if"))


class Value(NamedTuple):
    """One value of a variable: its text, the word of the directive that holds it, and what chooses it."""

    text: bytes
    node: Node
    word: int
    chosen_by: Chooser = "config"
    host: bytes = b""  # the one Host for which a `map` gives it


class Variables(NamedTuple):
    """The variables of a location; `sets` of the server run before its own. `hosts` are the only names with which a
    request reaches it, empty for any."""

    maps: dict[bytes, tuple[Value, ...]]
    sets: dict[bytes, tuple[Value, ...]]
    hosts: frozenset[bytes] = frozenset()

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
                        value = Value(inner.args[1], inner, 2, _chooser(b" ".join(node.args)))
                        sets[name] = (*sets.get(name, ()), value)
        return Variables(self.maps, sets, self.hosts)

    def values(self, name: bytes, depth: int = 0) -> tuple[Value, ...]:
        """Return the constant values of a variable, without those that are unknown."""
        candidates = self.sets.get(name) or self.maps.get(name) or ()
        found: list[Value] = []
        for candidate in candidates:
            inner = VARIABLE.search(candidate.text)
            if inner is None:
                if candidate.text:
                    never = self.hosts and candidate.host and candidate.host not in self.hosts
                    found.append(candidate._replace(chosen_by="never") if never else candidate)
                continue
            whole = inner.span() == (0, len(candidate.text))
            deeper = self.values(variable_name(inner), depth + 1) if whole and depth < _NESTING else ()
            found.extend(value._replace(chosen_by=_weaker(candidate.chosen_by, value.chosen_by),
                                        host=candidate.host or value.host) for value in deeper)
        return tuple(found[:_MOST_VALUES])

    def is_complete(self, name: bytes, depth: int = 0) -> bool:
        """Return whether the files say every value of a variable."""
        candidates = self.sets.get(name) or self.maps.get(name) or ()
        for candidate in candidates:
            inner = VARIABLE.search(candidate.text)
            if inner is not None and not (inner.span() == (0, len(candidate.text)) and depth < _NESTING
                                          and self.is_complete(variable_name(inner), depth + 1)):
                return False
        return bool(candidates)


_REQUEST_ONLY = (b"arg_", b"cookie_", b"http_", b"args", b"query_string")
_HOSTS = (b"$host", b"$http_host", b"$server_name", b"$ssl_server_name")
CHOOSERS: tuple[Chooser, ...] = ("", "config", "request", "never")


def _chooser(source: bytes) -> Chooser:
    """Return what chooses between values by this source: one with a header, a cookie or an argument needs it."""
    names = [variable_name(match) for match in VARIABLE.finditer(source)]
    return "request" if any(name.startswith(_REQUEST_ONLY) and name != b"http_host" for name in names) else "config"


def _weaker(one: Chooser, other: Chooser) -> Chooser:
    """Return the choice that fewer requests make."""
    return max(one, other, key=CHOOSERS.index)


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
    source = node.args[0] if len(node.args) == 2 and node.name == b"map" else b""
    values: list[Value] = []
    for child in node.block or ():
        if len(child.args) == 1 and child.name not in _NO_VALUES:
            chooser: Chooser = "config" if child.name == b"default" else _chooser(source)
            if node.name == b"split_clients" and child.name.rstrip(b"%").strip(b"0.") == b"":
                chooser = "never"
            plain = source in _HOSTS and child.name != b"default" and not child.name.startswith((b"~", b".", b"*"))
            values.append(Value(child.args[0], child, 1, chooser, child.name.lower() if plain else b""))
    return node.args[-1][1:], tuple(values)
