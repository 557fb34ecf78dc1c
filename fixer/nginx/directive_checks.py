"""Checks of single directives: what nginx refuses about name, context, number of arguments and terminator.

A missed error is better than a false alarm. What some version of nginx or a fork accepts is accepted. A name that none
of their sources has is unknown, not wrong: a module, or a newer version, may bring it."""

from __future__ import annotations

from collections.abc import Container
from itertools import pairwise
from typing import NamedTuple

from fixer.lazy.regex import regex
from fixer.nginx.directives import CORE, ELSEWHERE, EVENTS, HTTP
from fixer.nginx.lexer import Token
from fixer.nginx.tree import Directive, Tree

_BLOCK = 0x100
_FLAG = 0x200
_ANY = 0x400
_ONE_OR_MORE = 0x800
_TWO_OR_MORE = 0x1000
_MAYBE_BLOCK = 0x2000
_MOST_WORDS = 8
_COUNTED = 32

# The commercial nginx has these too, in blocks that the sources of nginx do not know.
_COMMERCIAL = frozenset(
    b"api auth_jwt auth_oidc health_check keyval keyval_zone least_time match mgmt ntlm queue resolver "
    b"resolver_timeout session_log state status status_format status_zone sticky sticky_cookie_insert upstream_conf "
    b"zone_sync".split())

_NAME = regex(rb"[A-Za-z_]\w*")

# Directive names that are also parameters of `listen`, so that they may start one of its lines.
_PARAMETERS = frozenset((b"http2", b"ssl", b"quic", b"proxy_protocol"))


class Rules(dict[bytes, tuple[int, bool]]):
    """What one context allows, computed on first use: bit n is set if n arguments fit, and whether it is a block.
    A name that is not allowed there has no bit."""

    def __init__(self, table: dict[bytes, tuple[int, ...]], bit: int) -> None:
        super().__init__()
        self._table = table
        self._bit = bit

    def __missing__(self, name: bytes) -> tuple[int, bool]:
        mask = next((mask for mask in self._table.get(name, ()) if mask & self._bit), None)
        if mask is None:
            return 0, False
        fitting = sum(1 << count for count in range(_COUNTED) if arity_fits(mask, count))
        self[name] = rule = (fitting, bool(mask & _BLOCK))
        return rule


class Context:
    """The context of a directive: the table of its module family and the bit of the block."""

    __slots__ = ("bit", "name", "rules", "table")

    def __init__(self, name: str, table: dict[bytes, tuple[int, ...]], bit: int) -> None:
        self.name = name
        self.table = table
        self.bit = bit
        self.rules = Rules(table, bit)


MAIN = Context("main", CORE, 0x01000000)
IN_EVENTS = Context("events", EVENTS, 0x02000000)
IN_HTTP = Context("http", HTTP, 0x02000000)
IN_SERVER = Context("server", HTTP, 0x04000000)
IN_LOCATION = Context("location", HTTP, 0x08000000)
IN_UPSTREAM = Context("upstream", HTTP, 0x10000000)
IN_SERVER_IF = Context("if in server", HTTP, 0x20000000)
IN_LOCATION_IF = Context("if in location", HTTP, 0x40000000)
IN_LIMIT_EXCEPT = Context("limit_except", HTTP, 0x80000000)

INNER: dict[tuple[str, bytes], Context] = {
    ("main", b"http"): IN_HTTP,
    ("main", b"events"): IN_EVENTS,
    ("http", b"server"): IN_SERVER,
    ("http", b"upstream"): IN_UPSTREAM,
    ("server", b"location"): IN_LOCATION,
    ("server", b"if"): IN_SERVER_IF,
    ("location", b"location"): IN_LOCATION,
    ("location", b"if"): IN_LOCATION_IF,
    ("location", b"limit_except"): IN_LIMIT_EXCEPT,
}

# Blocks of values, not of directives: a block inside them is refused.
VALUE_BLOCKS = frozenset((b"map", b"geo", b"types", b"split_clients", b"charset_map"))


class Complaint(NamedTuple):
    """What is wrong with a directive; `sure` is False if another build of nginx may accept it."""

    kind: str
    message: str
    sure: bool = True
    near: int = -1


def complain(directive: Directive, context: Context) -> Complaint | None:
    """Return what nginx would refuse about a directive in that context; None if it accepts it (or may)."""
    masks = context.table.get(directive.name)
    if masks is None:
        return None if directive.name == b"include" else _unknown(directive, context)
    for mask in masks:
        if mask & context.bit:
            return _shape_complaint(directive, mask, context)
    if directive.name in _COMMERCIAL:
        return None
    return Complaint("not-allowed", f'"{_shown(directive)}" directive is not allowed here')


def _shape_complaint(directive: Directive, mask: int, context: Context) -> Complaint | None:
    has_block = directive.block is not None
    wants_block = bool(mask & _BLOCK)
    if has_block != wants_block and not mask & _MAYBE_BLOCK:
        ending = 'has no opening "{"' if wants_block else 'is not terminated by ";"'
        return _swallowed(directive, context, f'directive "{_shown(directive)}" {ending}')
    if arity_fits(mask, len(directive.args)):
        return None
    message = f'invalid number of arguments in "{_shown(directive)}" directive'
    return _swallowed(directive, context, message)


def arity_fits(mask: int, count: int) -> bool:
    """Return whether a directive of that type takes `count` arguments."""
    if mask & _ANY or (mask & _FLAG and count == 1):
        return True
    if (mask & _ONE_OR_MORE and count >= 1) or (mask & _TWO_OR_MORE and count >= 2):
        return True
    return count < _MOST_WORDS and bool(mask >> count & 1)


def swallowed_word(directive: Directive, context: Context) -> tuple[Token, Token] | None:
    """Return the last word before a missing `;`, and the next directive's name, read as an argument on a later line."""
    return _swallowed_words(directive, context.table)


def _swallowed_words(directive: Directive, names: Container[bytes]) -> tuple[Token, Token] | None:
    for before, word in pairwise(directive.words()):
        named = word.value in names and word.value not in _PARAMETERS
        if not word.quote and named and b"\n" in directive.tree.data[before.end : word.start]:
            return before, word
    return None


def word_without_end(tree: Tree, line: int) -> Token | None:
    """Return the word after which a `;` is missing, in a statement that ends in that line; None if none is missing.
    The file may be included anywhere, so a directive of any block counts."""
    names = CORE.keys() | EVENTS.keys() | HTTP.keys()
    blocks = [(tree.directives, False)]
    while blocks:
        block, holds_values = blocks.pop()
        for directive in block:
            if directive.block is not None:
                blocks.append((directive.block, directive.name in VALUE_BLOCKS))
            if tree.line(directive.start) <= line == tree.line(directive.stop):
                found = None if holds_values else _swallowed_words(directive, names)
                if found is not None:
                    return found[0]
                if not directive.closed:
                    return directive.words()[-1]
    return None


def _swallowed(directive: Directive, context: Context, message: str) -> Complaint:
    if not directive.closed:
        return Complaint("arguments", message, False)
    found = swallowed_word(directive, context)
    if found is None:
        kind = "arguments" if "arguments" in message else "unexpected"
        return Complaint(kind, message, True, directive.start)
    return Complaint("missing-semicolon", message, True, found[0].start)


def _unknown(directive: Directive, context: Context) -> Complaint | None:
    name = directive.name
    if name in _COMMERCIAL or is_raw(name):
        return None
    if name in HTTP or name in CORE or name in EVENTS or name in ELSEWHERE:
        sure = context.name != "main" or name in HTTP
        return Complaint("not-allowed", f'"{_shown(directive)}" directive is not allowed here', sure)
    sure = _NAME.fullmatch(name) is None      # no module has such a name
    return Complaint("unknown-directive", f'unknown directive "{_shown(directive)}"', sure, directive.start)


def is_raw(name: bytes) -> bool:
    """Return whether a directive belongs to the Lua module, by its name."""
    return b"_by_lua" in name


def _shown(directive: Directive) -> str:
    return directive.name.decode("utf-8", "backslashreplace")
