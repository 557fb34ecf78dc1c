"""Connections whose other side is silent in a way that the kernel's tables show: it does not read, or is gone."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

_ESTABLISHED = " 01 "
_ODD = regex(rb" 01 (?!00000000:00000000 \S+ \S+ +\d+ +\d+ [1-9])")     # something waits, or no program has it
_REPEATS = 2            # times that the kernel has sent it again: one may be lost on any network


@dataclass(frozen=True, slots=True)
class _Row:
    """One end: what waits to be sent, what waits to be read, how often it was sent again, whether a program has it."""

    unsent: int
    unread: int
    repeats: int
    is_taken: bool


def unread_lines(tables: Iterable[bytes]) -> frozenset[str]:
    """The lines of /proc/net/tcp and tcp6 whose other end lets what was sent lie: its program on this node does not
    read it or has not even accepted the connection, or its machine does not say that it came."""
    return _unread_lines(tuple(tables))


@lru_cache(maxsize=4)      # who reads the tables asks, and who explains them: thousands of rows take as long as a file
def _unread_lines(tables: tuple[bytes, ...]) -> frozenset[str]:
    if not any(_ODD.search(data) for data in tables):
        return frozenset()
    rows: dict[tuple[str, str], tuple[str, _Row]] = {}
    for data in tables:
        for line in data.decode("ascii", "replace").splitlines()[1:]:
            if _ESTABLISHED in line:
                fields = line.split()
                try:
                    unsent, unread = (int(number, 16) for number in fields[4].split(":"))
                    row = _Row(unsent, unread, int(fields[6], 16), int(fields[9]) != 0)
                except (IndexError, ValueError):
                    continue
                rows[_plain(fields[1]), _plain(fields[2])] = line, row
    return frozenset(line for (ours, theirs), (line, row) in rows.items()
                     if row.is_taken and _is_let_lie(row, rows.get((theirs, ours))))


def _is_let_lie(row: _Row, other: tuple[str, _Row] | None) -> bool:
    if other is None:
        return row.unsent > 0 and row.repeats >= _REPEATS
    return other[1].unread > 0 or not other[1].is_taken


def _plain(address: str) -> str:
    """An IPv4 address that a socket of IPv6 shows, as the other table has it."""
    return address.removeprefix("0000000000000000FFFF0000")
