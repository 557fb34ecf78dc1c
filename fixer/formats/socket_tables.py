"""Sockets from /proc/net, joined to the processes that hold them."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
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
_TO_DEPENDENCY = regex(rf":(?:{'|'.join(f'{port:04X}' for port in sorted(DEPENDENCY_PORTS))}) {ESTABLISHED} ")
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
    rows = {family: list(_parse_rows(tables.get(f"/proc/net/{family}", b""))) for family in families}
    established = _count_by_address(rows)
    for family in families:
        for address, port, state, queued, inode in rows[family]:
            if state == LISTEN:
                owners = _holder_pids(inode, holders, answer.message)
                count = _established_count(established, address, port)
                found.append(Listener(node, family, address, port, inode, owners, queued, count))
    # the kernel prints line breaks in paths: a row with a TCP socket's inode is part of a path
    others = {row[4] for table in rows.values() for row in table}
    unix = unix_rows(tables.get("/proc/net/unix", b""))
    waiting, taken = count_unix_callers(unix)
    for path, inode in _unix_listeners(unix):
        if inode in others:
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
    unread = unread_lines(tables)
    holders: dict[int, tuple[int, ...]] | None = None
    found: dict[Connection, None] = {}
    for data in tables:
        for line in data.decode("ascii", "replace").splitlines()[1:]:
            if " 02 " not in line and line not in unread and not _TO_DEPENDENCY.search(line):
                continue
            fields = line.split()
            try:
                state, (host, port) = fields[3], fields[2].split(":")
                number, uid, inode = int(port, 16), int(fields[7]), int(fields[9])
                let_lie = line in unread
                if state == DIALING or (state == ESTABLISHED and (number in DEPENDENCY_PORTS or let_lie)):
                    holders = socket_holders(answer) if holders is None else holders
                    address = decode_address(host).removeprefix("::ffff:")
                    is_unread = let_lie and inode in holders
                    kind: ConnectionState = "dialing" if state == DIALING else "unread" if is_unread else "open"
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


def _parse_rows(data: bytes) -> Iterable[tuple[str, int, str, int, int]]:
    """Yield (address, port, state, queued, inode) of each line; skip malformed lines."""
    for line in data.decode("ascii", "replace").splitlines()[1:]:
        fields = line.split()
        try:
            host, port = fields[1].split(":")
            yield decode_address(host), int(port, 16), fields[3], int(fields[4].split(":")[1], 16), int(fields[9])
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


_TcpRows = Mapping[Literal["tcp", "tcp6"], list[tuple[str, int, str, int, int]]]


def _count_by_address(rows: _TcpRows) -> Counter[tuple[str, int]]:
    """Count established connections per local address; v4 seen through a v6 socket counts as v4."""
    return Counter((address.removeprefix("::ffff:"), port) for table in rows.values()
                   for address, port, state, _, _ in table if state == ESTABLISHED)


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
_ESTABLISHED = " 01 "
# unread data, or no owning process
_UNREAD_OR_UNOWNED = regex(rb" 01 (?!00000000:00000000 \S+ \S+ +\d+ +\d+ [1-9])")
_UNREAD_REPEATS = 2  # retransmissions by the kernel: any network may lose one


@dataclass(frozen=True, slots=True)
class _Row:
    """One end: bytes to send, bytes to read, retransmissions, and whether a process owns it."""

    unsent: int
    unread: int
    repeats: int
    has_process: bool


def unread_lines(tables: Iterable[bytes]) -> frozenset[str]:
    """Return the lines of /proc/net/tcp and tcp6 whose peer does not read what was sent.
    Its program on this node does not read or accept, or its machine does not acknowledge."""
    return _unread_lines(tuple(tables))


@lru_cache(maxsize=4)  # reader and parser of the tables both ask: thousands of rows take as long as a file
def _unread_lines(tables: tuple[bytes, ...]) -> frozenset[str]:
    if not any(_UNREAD_OR_UNOWNED.search(data) for data in tables):
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
                rows[_plain_ipv4(fields[1]), _plain_ipv4(fields[2])] = line, row
    return frozenset(line for (ours, theirs), (line, row) in rows.items()
                     if row.has_process and _is_unread(row, rows.get((theirs, ours))))


def _is_unread(row: _Row, other: tuple[str, _Row] | None) -> bool:
    if other is None:
        return row.unsent > 0 and row.repeats >= _UNREAD_REPEATS
    return other[1].unread > 0 or not other[1].has_process


def _plain_ipv4(address: str) -> str:
    """Return an IPv4-mapped address as the IPv4 table prints it."""
    return address.removeprefix("0000000000000000FFFF0000")
