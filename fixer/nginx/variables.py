"""Values that a variable in a pass can have, as far as the files say: constants of `set`, `map` and the like."""

from __future__ import annotations

import re
from typing import NamedTuple

from fixer.lazy.regex import regex
from fixer.model.nginx_config import Chooser
from fixer.nginx.effective_config import Node

VARIABLE = regex(rb"\$(?:\{(\w+)\}|(\w+))")
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

    def in_location(self, node: Node) -> Variables:
        """Return the variables of a location: its regular expression may capture the rest of a path."""
        pattern = node.args[-1] if node.args else b""
        regular = (len(node.args) == 2 and node.args[0] in (b"~", b"~*")) or pattern.startswith(b"~")
        inside = node.block or ()
        if not regular or any(child.name == b"rewrite" for child in inside):     # which has groups of its own
            return self
        held = {name: (Value(_REST_OF_PATH, node, len(node.args)),) for name in path_captures(pattern)}
        return self._replace(sets={**self.sets, **held}) if held else self

    def candidates(self, name: bytes) -> tuple[Value, ...]:
        """Return the values that the files give a variable, with the variables inside them as written."""
        found = self.sets.get(name) or self.maps.get(name) or ()
        return tuple(one._replace(chosen_by="never") if self._is_of_others(one) else one for one in found)

    def _is_of_others(self, value: Value) -> bool:
        """Return whether only a Host that never reaches this location gives the value."""
        return bool(self.hosts and value.host and value.host not in self.hosts)


_GROUP = regex(rb"\\.|\[\^?\]?(?:\\.?|[^\]\\])*+(?:\]|\Z)|\((?:\?P?<(\w{1,64})>|\?'(\w{1,64})'|(?!\?))|\(", re.DOTALL)
_REST_OF_PATH = b"/$"    # a path whose end no file says


def path_captures(pattern: bytes) -> frozenset[bytes]:
    """Return the variables of a regular expression's groups that hold a path, or nothing: `(/.*)`, `(?<rest>/.+)?`."""
    found: list[bytes] = []
    number = 0
    for match in _GROUP.finditer(pattern):
        if not match[0].startswith(b"(") or (match[0] == b"(" and pattern.startswith(b"?", match.end())):
            continue
        number += 1
        name = match[1] or match[2]
        end = pattern.find(b")", match.end())
        if pattern.startswith((b"/", b"\\/"), match.end()) and b"|" not in pattern[match.end() : end]:
            found += [str(number).encode(), *([name] if name else [])]
    return frozenset(found)


_REQUEST_ONLY = (b"arg_", b"cookie_", b"http_", b"args", b"query_string")
_HOSTS = (b"$host", b"$http_host", b"$server_name", b"$ssl_server_name")
CHOOSERS: tuple[Chooser, ...] = ("", "config", "request", "never")


def _chooser(source: bytes) -> Chooser:
    """Return what chooses between values by this source: one with a header, a cookie or an argument needs it."""
    names = [variable_name(match) for match in VARIABLE.finditer(source)]
    return "request" if any(name.startswith(_REQUEST_ONLY) and name != b"http_host" for name in names) else "config"


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
