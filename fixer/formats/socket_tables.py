"""Sockets from /proc/net, joined to the processes that hold them."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

from fixer.formats.addresses import compress_ipv6
from fixer.formats.dependency_systems import BY_PORT
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.regex import regex
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import Answer
from fixer.model.snapshot import Connection, Listener, Process

LISTEN, ESTABLISHED, DIALING = "0A", "01", "02"
DEPENDENCY_PORTS = frozenset({*BY_PORT, 1433, 9042})  # also of systems that nothing else here knows
_DEPENDENCY_ENDS = frozenset(f"{port:04X}" for port in DEPENDENCY_PORTS)  # of an address, as the kernel prints it
MOST_CONNECTIONS = 64
ConnectionState: TypeAlias = Literal["dialing", "open", "unread"]
_ACCEPT_FLAG = 0x10000  # __SO_ACCEPTCON: a unix socket that listens
_WAITING_STATE, _ACCEPTED_STATE = "02", "03"  # a unix connection before accept, and after
_FD = regex(r"^/proc/(\d+)/fd/\d+$")
_SOCKET = regex(r"^socket:\[(\d+)\]$")


def parse_sockets(answer: Answer | None, node: str) -> Fact[tuple[Listener, ...]]:
    """Return every listener of a node. Its owners are Unknown if none is visible and some processes are hidden."""
    if answer is None or answer.status != "ok":
        return Unknown("not asked" if answer is None else answer.message or answer.status)
    tables = {f.path: f.data for f in answer.files if f.path.startswith("/proc/net/")}
    if not any(path in tables for path in ("/proc/net/tcp", "/proc/net/tcp6")):
        return Unknown("no /proc/net/tcp")
    holders = socket_holders(answer)
    found: list[Listener] = []
    families: tuple[Literal["tcp", "tcp6"], ...] = ("tcp", "tcp6")
    rows = {family: tcp_rows(tables.get(f"/proc/net/{family}", b"")) for family in families}
    heard = [(family, *place) for family in families for place in _listening_places(rows[family])]
    established = _count_by_address(rows.values(), {port for _, _, port, _, _ in heard})
    for family, address, port, queued, inode in heard:
        owners = _holder_pids(inode, holders, answer.message)
        count = _established_count(established, address, port)
        found.append(Listener(node, family, address, port, inode, owners, queued, count))
    # the kernel prints line breaks in paths: a row with a TCP socket's inode is part of a path
    others = {fields[9] for table in rows.values() for fields in table}
    unix = unix_rows(tables.get("/proc/net/unix", b""))
    waiting, taken = count_unix_callers(unix)
    for path, inode in _unix_listeners(unix):
        if str(inode) in others:
            continue
        owners = _holder_pids(inode, holders, answer.message)
        found.append(Listener(node, "unix", path, 0, inode, owners, waiting[path], waiting[path] + taken[path]))
    return Known(tuple(found))


def parse_connections(answer: Answer | None) -> tuple[Connection, ...]:
    """Return connections without an answer, and those to well-known dependency ports; at most MOST_CONNECTIONS.
    Connections whose peer does not read count on any port, if their process is known."""
    if answer is None or answer.status != "ok":
        return ()
    tables = [f.data for f in answer.files if f.path in ("/proc/net/tcp", "/proc/net/tcp6")]
    unread = unread_rows(tables)
    holders: dict[int, tuple[int, ...]] | None = None
    found: dict[Connection, None] = {}
    for data in tables:
        for fields in tcp_rows(data):
            state, is_dialing = fields[3], fields[3] == DIALING
            let_lie = bool(unread) and (fields[1], fields[2]) in unread
            is_named = state == ESTABLISHED and fields[2][-4:] in _DEPENDENCY_ENDS
            if not (is_dialing or is_named or let_lie):
                continue
            try:
                host, port = fields[2].split(":")
                number, uid, inode = int(port, 16), int(fields[7]), int(fields[9])
                holders = socket_holders(answer) if holders is None else holders
                address = decode_address(host).removeprefix("::ffff:")
                is_unread = let_lie and inode in holders
                kind: ConnectionState = "dialing" if is_dialing else "unread" if is_unread else "open"
                if kind != "open" or number in DEPENDENCY_PORTS:
                    found[Connection(address, number, kind, uid, holders.get(inode, ()),
                                     _seconds_waited(fields) if kind == "dialing" else 0.0)] = None
            except (IndexError, ValueError):
                continue
            if len(found) == MOST_CONNECTIONS:
                return tuple(found)
    return tuple(found)


def _seconds_waited(fields: list[str]) -> float:
    """Return a minimum of seconds since the first SYN: the kernel repeats it after one, and shows timer and count."""
    left = int(fields[5].split(":")[1], 16) / 100
    repeats = int(fields[6], 16)
    return float(repeats) if repeats else max(0.0, 1.0 - left)


def socket_holders(answer: Answer) -> dict[int, tuple[int, ...]]:
    """Return inode -> PIDs whose descriptors hold that socket."""
    holders: dict[int, set[int]] = {}
    for file in answer.files:
        target = file.stat.link_target if file.stat is not None else None
        if target is None or "/fd/" not in file.path:
            continue
        fd, socket = _FD.match(file.path), _SOCKET.match(target)
        if fd and socket:
            holders.setdefault(int(socket[1]), set()).add(int(fd[1]))
    return {inode: tuple(sorted(pids)) for inode, pids in holders.items()}


def _holder_pids(inode: int, holders: Mapping[int, tuple[int, ...]], incomplete: str) -> Fact[tuple[int, ...]]:
    if inode in holders:
        return Known(holders[inode])
    return Unknown(incomplete) if incomplete else Known(())


@lru_cache(maxsize=4)  # reader and parsers ask for the same tables: thousands of rows take as long as a file
def tcp_rows(data: bytes) -> tuple[list[str], ...]:
    """Return the fields of each row of /proc/net/tcp or tcp6 that has all of them: [1] own address, [2] the other one,
    [3] state, [4] bytes to send and to read, [5] timer, [6] repeats, [7] uid, [9] inode. See proc_net_tcp.txt."""
    rows = (line.split(None, 10) for line in data.decode("ascii", "replace").splitlines()[1:])
    return tuple(fields for fields in rows if len(fields) > 9)


def _listening_places(rows: Iterable[list[str]]) -> Iterable[tuple[str, int, int, int]]:
    """Yield (address, port, queued, inode) of each row that listens; skip malformed ones."""
    for fields in rows:
        if fields[3] != LISTEN:
            continue
        try:
            host, port = fields[1].split(":")
            yield decode_address(host), int(port, 16), int(fields[4].split(":")[1], 16), int(fields[9])
        except (IndexError, ValueError):
            continue


@lru_cache(maxsize=1024)  # thousands of sockets share few addresses
def decode_address(text: str) -> str:
    """Decode an address: the kernel prints words in machine byte order, here always little-endian."""
    raw = bytes.fromhex(text)
    if len(raw) == 4:
        return ".".join(str(b) for b in raw[::-1])
    if len(raw) != 16:
        raise ValueError(text)
    data = b"".join(raw[i : i + 4][::-1] for i in range(0, 16, 4))
    if data[:12] == b"\0" * 10 + b"\xff\xff":
        return "::ffff:" + ".".join(str(b) for b in data[12:])
    return compress_ipv6(data)


def _count_by_address(tables: Iterable[Iterable[list[str]]], ports: Collection[int]) -> Counter[tuple[str, int]]:
    """Count established connections per local address of these ports; v4 seen through a v6 socket counts as v4."""
    ends = frozenset(f"{port:04X}" for port in ports)
    printed = Counter(fields[1] for rows in tables for fields in rows
                      if fields[3] == ESTABLISHED and fields[1][-4:] in ends)
    counts: Counter[tuple[str, int]] = Counter()
    for place, count in printed.items():
        try:
            host, port = place.split(":")
            counts[decode_address(host).removeprefix("::ffff:"), int(port, 16)] += count
        except ValueError:
            continue
    return counts


def _established_count(established: Counter[tuple[str, int]], address: str, port: int) -> int:
    if address == "0.0.0.0":  # noqa: S104 - compared, not bound
        return sum(n for (host, p), n in established.items() if p == port and ":" not in host)
    if address == "::":
        return sum(n for (_, p), n in established.items() if p == port)
    return established[(address.removeprefix("::ffff:"), port)]


def count_unix_callers(rows: Iterable[list[str]]) -> tuple[Counter[str], Counter[str]]:
    """Count connections to unix sockets by the listener's path: (waiting for accept, accepted).
    /proc/net/unix counts them on the server side; a waiting one has no owner and no inode yet."""
    waiting: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for fields in rows:
        if fields[6] == "0" and fields[5] == _WAITING_STATE:
            waiting[fields[7]] += 1
        elif fields[6] != "0" and fields[5] == _ACCEPTED_STATE:
            taken[fields[7]] += 1
    return waiting, taken


def _unix_listeners(rows: Iterable[list[str]]) -> Iterable[tuple[str, int]]:
    for fields in rows:
        try:
            if int(fields[3], 16) & _ACCEPT_FLAG:
                yield fields[7], int(fields[6])
        except ValueError:
            continue


def unix_rows(data: bytes) -> list[list[str]]:
    """Return the eight fields of each row of /proc/net/unix that has a path."""
    rows = (line.split(None, 7) for line in data.decode("utf-8", "surrogateescape").split("\n")[1:])
    return [fields for fields in rows if len(fields) == 8]


def with_absolute_paths(listeners: Fact[tuple[Listener, ...]],
                        by_pid: Mapping[int, Process]) -> Fact[tuple[Listener, ...]]:
    """Make relative paths of unix sockets absolute: `run/app.sock` is in its holder's working directory."""
    if isinstance(listeners, Unknown) or not any(map(_is_relative, listeners.value)):
        return listeners
    return Known(tuple(_with_absolute_path(x, by_pid) if _is_relative(x) else x for x in listeners.value),
                 listeners.evidence)


def _is_relative(listener: Listener) -> bool:
    return listener.family == "unix" and bool(listener.address) and listener.address[0] not in "/@"


def _with_absolute_path(listener: Listener, by_pid: Mapping[int, Process]) -> Listener:
    pids = listener.pids.or_else(())
    places = {p.cwd.value for pid in pids if (p := by_pid.get(pid)) is not None and isinstance(p.cwd, Known)}
    if len(places) != 1:
        return listener
    return replace(listener, address=posixpath.normpath(posixpath.join(places.pop(), listener.address)))


# Connections whose peer is silent, as the kernel's tables show: it does not read, or has ended.
_NOTHING_QUEUED, _NO_PROCESS = "00000000:00000000", "0"
_UNREAD_REPEATS = 2  # retransmissions by the kernel: any network may lose one


@dataclass(frozen=True, slots=True)
class _Row:
    """One end: bytes to send, bytes to read, retransmissions, and its inode, 0 if no process owns it."""

    unsent: int
    unread: int
    repeats: int
    inode: int


def unread_rows(tables: Iterable[bytes]) -> Mapping[tuple[str, str], int]:
    """Return the inodes of rows of /proc/net/tcp and tcp6 whose peer does not read what was sent, by both addresses.
    Its program on this node does not read or accept, or its machine does not acknowledge."""
    established = [fields for data in tables for fields in tcp_rows(data) if fields[3] == ESTABLISHED]
    if all(fields[4] == _NOTHING_QUEUED and fields[9] != _NO_PROCESS for fields in established):
        return {}
    rows: dict[tuple[str, str], tuple[tuple[str, str], _Row]] = {}
    for fields in established:
        try:
            unsent, unread = (int(number, 16) for number in fields[4].split(":"))
            row = _Row(unsent, unread, int(fields[6], 16), int(fields[9]))
        except ValueError:
            continue
        rows[_plain_ipv4(fields[1]), _plain_ipv4(fields[2])] = (fields[1], fields[2]), row
    return {printed: row.inode for (ours, theirs), (printed, row) in rows.items()
            if row.inode and _is_unread(row, rows.get((theirs, ours)))}


def _is_unread(row: _Row, other: tuple[tuple[str, str], _Row] | None) -> bool:
    if other is None:
        return row.unsent > 0 and row.repeats >= _UNREAD_REPEATS
    return other[1].unread > 0 or not other[1].inode


def _plain_ipv4(address: str) -> str:
    """Return an IPv4-mapped address as the IPv4 table prints it."""
    return address.removeprefix("0000000000000000FFFF0000")
