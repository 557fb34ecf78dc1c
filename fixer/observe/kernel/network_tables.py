"""The kernel's neighbour table (/proc/net/arp), IPv4 routes (/proc/net/fib_trie) and loopback of a node. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.formats.numbers import is_number
from fixer.lazy.regex import regex
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import ReadFile
from fixer.observe.view.node_view import View

ARP = ReadFile("/proc/net/arp", 1 << 18)
_COMPLETE = 0x2


def unanswered_addresses(view: View) -> tuple[str, ...]:
    """Return recently requested neighbour addresses for which no ARP reply came."""
    lines = (view.data(ARP.path) or b"").decode("ascii", "replace").splitlines()[1:]
    rows = [line.split() for line in lines]
    return tuple(row[0] for row in rows if len(row) >= 6 and row[2].startswith("0x") and not _is_complete(row[2]))


def _is_complete(flags: str) -> bool:
    try:
        return bool(int(flags, 16) & _COMPLETE)
    except ValueError:
        return True


LOCAL_PORTS = ReadFile("/proc/sys/net/ipv4/ip_local_port_range", 64)


def local_ports_of(view: View) -> Fact[tuple[int, int]]:
    """Return the first and the last port that the node takes for its own connections; Unknown if not asked."""
    if not view.was_asked(LOCAL_PORTS.path):
        return Unknown("not asked")
    words = (view.data(LOCAL_PORTS.path) or b"").decode("ascii", "replace").split()
    if len(words) != 2 or not all(map(is_number, words)):
        return Unknown("the range of local ports could not be read")
    return Known((int(words[0]), int(words[1])))


LOOPBACK = ReadFile("/sys/class/net/lo/operstate", 64)


def is_loopback_down(view: View) -> bool:
    """Return whether the node's loopback device is known to be down. The kernel calls one that is up `unknown`."""
    return view.was_asked(LOOPBACK.path) and (view.data(LOOPBACK.path) or b"").strip() == b"down"


FIB = ReadFile("/proc/net/fib_trie", 1 << 18)
_LEAF = regex(r"^\s*\|-- (\d+\.\d+\.\d+\.\d+)$")
_ROUTE = regex(r"^\s*/(\d+) \S+ ([A-Z]+)\b")


def kernel_routes_of(view: View) -> Fact[tuple[tuple[str, str], ...]]:
    """Return (network, route type) of the main IPv4 table; Unknown if not asked or not readable."""
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
