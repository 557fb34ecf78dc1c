"""The kernel's table of neighbours, /proc/net/arp: who of its own networks a node has asked for in vain. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.lazy.regex import regex
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import ReadFile
from fixer.observe.view.node_view import View

ARP = ReadFile("/proc/net/arp", 1 << 18)
_COMPLETE = 0x2


def unanswered_addresses(view: View) -> tuple[str, ...]:
    """Addresses that were asked for lately and that nobody has said to have."""
    lines = (view.data(ARP.path) or b"").decode("ascii", "replace").splitlines()[1:]
    rows = [line.split() for line in lines]
    return tuple(row[0] for row in rows if len(row) >= 6 and row[2].startswith("0x") and not _is_complete(row[2]))


def _is_complete(flags: str) -> bool:
    try:
        return bool(int(flags, 16) & _COMPLETE)
    except ValueError:
        return True


# The kernel's own table of IPv4 routes, /proc/net/fib_trie: networks and what becomes of packets to them. Pure.
FIB = ReadFile("/proc/net/fib_trie", 1 << 18)
_LEAF = regex(r"^\s*\|-- (\d+\.\d+\.\d+\.\d+)$")
_ROUTE = regex(r"^\s*/(\d+) \S+ ([A-Z]+)\b")


def kernel_routes_of(view: View) -> Fact[tuple[tuple[str, str], ...]]:
    """The routes of the main table; Unknown where nobody asked or the kernel gives none."""
    if not view.was_asked(FIB.path):
        return Unknown("not asked")
    data = view.data(FIB.path)
    if data is None:
        return Unknown("the kernel's routes could not be read")
    return Known(tuple(_parse_fib(data.decode("ascii", "replace"))))


def _parse_fib(text: str) -> Iterator[tuple[str, str]]:
    table = address = ""
    for line in text.splitlines():
        leaf, route = _LEAF.match(line), _ROUTE.match(line)
        if line and not line[0].isspace():
            table = line.rstrip(":")
        elif leaf is not None:
            address = leaf[1]
        elif route is not None and table == "Main":
            yield f"{address}/{route[1]}", route[2]
