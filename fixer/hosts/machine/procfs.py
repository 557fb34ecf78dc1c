"""This machine's processes and listening sockets, read from /proc with few system calls."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

from fixer.formats.socket_tables import unread_lines
from fixer.hosts.machine.read_files import read_bytes, status_of
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.host import NodeClock
from fixer.model.query import Answer, AnswerStatus, FileAnswer, FileStat

with lazy_imports():
    import ctypes  # costs 6 ms, and only containers need it

PROC_LIMIT = 1 << 15  # bytes of one process file
TABLE_LIMIT = 64 << 20  # bytes of one socket table
KERNEL_THREAD = 0x00200000  # PF_KTHREAD in field 9 of /proc/PID/stat
_LINKS = ("exe", "cwd")
# Of one process: PID, owner (uid, gid), its files stat, cmdline and cgroup, and (status, target) of each of _LINKS.
# marshal can take it to another process.
ProcessRow: TypeAlias = tuple[str, int, int, bytes, bytes, bytes, tuple[tuple[AnswerStatus, str], ...]]
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6", "/proc/net/unix")


def link_stat(target: str) -> FileStat:
    """Return the stat of a /proc link: only its target has a meaning."""
    return FileStat("link", 0o777, 0, 0, 0, 0.0, 0, 1, target)


def owner_stat(uid: int, gid: int) -> FileStat:
    """Return the stat of /proc/PID: only its owner has a meaning."""
    return FileStat("dir", 0o555, uid, gid, 0, 0.0, 0, 1)


def is_kernel_thread(stat: bytes) -> bool:
    """Return whether a /proc/PID/stat line is that of a kernel thread."""
    fields = stat[stat.rfind(b")") + 2 :].split(None, 7)
    return len(fields) > 6 and fields[6].isdigit() and bool(int(fields[6]) & KERNEL_THREAD)


def _list_pids(skipped: Collection[int] = ()) -> list[str]:
    ours = {str(pid) for pid in (os.getpid(), *skipped)}
    return [name for name in os.listdir("/proc") if name.isdigit() and name not in ours]


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, PROC_LIMIT)
    finally:
        os.close(fd)


def list_processes(read: Sequence[ProcessRow] | None = None) -> Answer:
    """Answer ListProcesses; `read` is what was read before. A second thread would double the time: the calls wait for
    each other."""
    kernel: list[FileAnswer] = []  # first: start times need both these and the clock, which was just read
    for path in ("/proc/stat", "/proc/uptime"):
        try:
            kernel.append(FileAnswer(path, "ok", None, read_bytes(path, TABLE_LIMIT)[0]))
        except OSError as error:
            kernel.append(FileAnswer(path, status_of(error)))
    files = [file for row in (read_processes() if read is None else read) for file in _files_of(row)]
    return Answer("ok", files=(*files, *kernel))


def _files_of(row: ProcessRow) -> Iterator[FileAnswer]:
    pid, uid, gid, stat, cmdline, cgroup, links = row
    base = f"/proc/{pid}"
    yield FileAnswer(base, "ok", owner_stat(uid, gid))
    for name, data in (("stat", stat), ("cmdline", cmdline), ("cgroup", cgroup)):
        yield FileAnswer(f"{base}/{name}", "ok", None, data)
    for name, (status, target) in zip(_LINKS, links, strict=True):
        yield FileAnswer(f"{base}/{name}", status, link_stat(target) if status == "ok" else None)


def read_processes(skipped: Collection[int] = ()) -> list[ProcessRow]:
    """Read every process but this one, those skipped, and kernel threads."""
    refused: dict[str, list[str]] = {}
    rows = list(_read_rows(_list_pids(skipped), refused))
    if not refused:
        return rows
    owned = read_links(refused)
    return [(*row[:-1], tuple(
        ("ok", owned[path]) if link[0] == "denied" and (path := f"/proc/{row[0]}/{name}") in owned else link
        for name, link in zip(_LINKS, row[-1], strict=True))) for row in rows]


def _read_rows(pids: list[str], refused: dict[str, list[str]]) -> Iterator[ProcessRow]:
    """Read the files of each process; note links that only others may read."""
    for pid in pids:
        base = f"/proc/{pid}/"
        try:
            stat = _read(base + "stat")
            if is_kernel_thread(stat):
                continue
            owner = os.stat(base)  # far cheaper than the Uid line of /proc/PID/status
            cmdline, cgroup = _read(base + "cmdline"), _read(base + "cgroup")
        except OSError:  # ended in the meantime, or hidden from us
            continue
        links: list[tuple[AnswerStatus, str]] = []
        for name in _LINKS:
            try:
                links.append(("ok", os.readlink(base + name)))
            except OSError as error:
                links.append((status_of(error), ""))
                if links[-1][0] == "denied":
                    refused.setdefault(pid, []).append(base + name)
        yield pid, owner.st_uid, owner.st_gid, stat, cmdline, cgroup, tuple(links)


def listening_inodes(tables: dict[str, bytes]) -> frozenset[bytes]:
    """Return the inodes of sockets in /proc/net/tcp, tcp6 and unix that listen or whose peer is silent.
    A silent peer has not answered a connect, or does not read what it was sent."""
    found: set[bytes] = set()
    for path, data in tables.items():
        if path.endswith("unix"):
            rows = (line.split(None, 7) for line in data.splitlines() if b" 00010000 " in line)
            found.update(row[6] for row in rows if len(row) > 6 and row[3] == b"00010000")
        else:
            rows = (line.split(None, 10) for line in data.splitlines() if b" 0A " in line or b" 02 " in line)
            found.update(row[9] for row in rows if len(row) > 9 and row[3] in (b"0A", b"02"))
    silent = unread_lines(data for path, data in tables.items() if not path.endswith("unix"))
    return frozenset(found).union(line.split(None, 10)[9].encode() for line in silent)


def list_sockets() -> Answer:
    """Answer ListSockets."""
    tables: dict[str, bytes] = {}
    files: list[FileAnswer] = []
    for path in _TABLES:
        try:
            tables[path] = read_bytes(path, TABLE_LIMIT)[0]
            files.append(FileAnswer(path, "ok", None, tables[path]))
        except OSError as error:
            files.append(FileAnswer(path, status_of(error)))
    wanted = frozenset(f"socket:[{inode.decode()}]" for inode in listening_inodes(tables))
    refused: dict[str, list[str]] = {}
    closed: list[str] = []
    for pid in _list_pids():
        _add_descriptors(pid, wanted, files, refused, closed)
    if refused:
        links = read_links(refused)
        files += [FileAnswer(path, "ok", link_stat(link)) for path, link in links.items() if link in wanted]
        closed += [pid for pid, paths in refused.items() if not any(path in links for path in paths)]
    return Answer("ok", files=tuple(files), message=unreadable_text(closed))


def _add_descriptors(
    pid: str, wanted: frozenset[str], files: list[FileAnswer], refused: dict[str, list[str]], closed: list[str],
) -> None:
    """Add the descriptors of one process that are listening sockets; note what could not be read."""
    base = f"/proc/{pid}/fd"
    try:
        folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        closed.append(pid)
        return
    except OSError:
        return
    try:
        for name in os.listdir(folder):
            try:
                link = os.readlink(name, dir_fd=folder)  # a path would walk four folders for each
            except PermissionError:
                refused.setdefault(pid, []).append(f"{base}/{name}")
                continue
            except OSError:
                continue
            if link in wanted:
                files.append(FileAnswer(f"{base}/{name}", "ok", link_stat(link)))
    except PermissionError:
        closed.append(pid)
    except OSError:
        return
    finally:
        os.close(folder)


def unreadable_text(pids: list[str]) -> str:
    """Return a sentence about processes whose descriptors could not be read; empty if there are none."""
    if not pids:
        return ""
    shown = " ".join(sorted(pids, key=int)[:5]) + (" …" if len(pids) > 5 else "")
    return f"file descriptors of {len(pids)} processes are not readable (pid {shown})"


def read_clock() -> NodeClock:
    """Return this machine's clock, time zone and our privilege."""
    now = time.time()
    return NodeClock(now, float(time.localtime(now).tm_gmtoff), os.geteuid() == 0)




def read_links(paths_by_pid: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return path -> target of each link that the owner of its process can read; empty unless we are root.
    Without SYS_PTRACE, root may not read them except under the owner's file-system ids."""
    if os.geteuid() != 0:
        return {}
    owners: dict[tuple[int, int], list[str]] = {}
    for pid, paths in paths_by_pid.items():
        try:
            info = os.stat(f"/proc/{pid}")
        except OSError:
            continue
        if info.st_uid != 0:
            owners.setdefault((info.st_uid, info.st_gid), []).extend(paths)
    found: dict[str, str] = {}
    for (uid, gid), paths in owners.items():
        found.update(_read_links_as_owner(uid, gid, paths))
    return found


def _read_links_as_owner(uid: int, gid: int, paths: Sequence[str]) -> dict[str, str]:
    libc = ctypes.CDLL(None)
    found: dict[str, str] = {}
    libc.setfsgid(gid)
    libc.setfsuid(uid)
    try:
        for path in paths:
            try:
                found[path] = os.readlink(path)
            except OSError:
                continue
    finally:
        libc.setfsuid(os.geteuid())
        libc.setfsgid(os.getegid())
    return found
