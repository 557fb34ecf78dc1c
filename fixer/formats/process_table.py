"""Processes from /proc: command, start time, and unit or container, parsed from raw file answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from fixer.formats.folders import is_below, is_within
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.facts import Fact, Known, Unknown
from fixer.model.query import Answer, FileAnswer
from fixer.model.snapshot import Process

# USER_HZ is 100 on every Linux that runs nginx; /proc does not show it
TICKS_PER_SECOND = 100.0
PAGE_BYTES = 4096

_PID_FILE = regex(r"^/proc/(\d+)(?:/(stat|status|cmdline|cgroup|exe|cwd))?$")
_USER_UNIT = regex(r"user@(\d+)\.service$")
_EXECUTORS = frozenset({"systemd-executor", "systemd"})
_CONTAINER = regex(r"(?:docker[-/]|libpod-|cri-containerd-|crio-|kubepods[^/]{0,255}/(?:.{0,1000}/)?)([0-9a-f]{64})")
_BOOT_TIME = regex(rb"^btime (\d+)", re.MULTILINE)
_UPTIME = regex(rb"(\d+\.\d+)")
_EFFECTIVE_UID = regex(rb"^Uid:\s+\d+\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """All processes of a node by PID, and when the node booted."""

    boot_at: Fact[float]
    processes: Fact[tuple[Process, ...]]
    containers: Mapping[int, str]  # pid -> id of the container on this node that it runs in

    def by_pid(self) -> dict[int, Process]:
        """Return the table as a dict; empty if processes are unknown."""
        return {p.pid: p for p in self.processes.value} if isinstance(self.processes, Known) else {}


def parse_processes(answer: Answer | None, now: float) -> ProcessTable:
    """Parse a ListProcesses answer, taken when the node's clock showed `now`."""
    if answer is None or answer.status != "ok":
        reason = "not asked" if answer is None else answer.message or answer.status
        return ProcessTable(Unknown(reason), Unknown(reason), {})
    by_pid: dict[int, dict[str, FileAnswer]] = {}
    other: dict[str, FileAnswer] = {}
    for file in answer.files:
        if match := _PID_FILE.match(file.path):
            by_pid.setdefault(int(match[1]), {})[match[2] or "owner"] = file
        else:
            other[file.path] = file
    boot = boot_time(other, now)
    root = _cgroup_root(by_pid.get(1, {}))
    start = boot.or_else(0.0)
    found = [p for pid, files in sorted(by_pid.items()) if (p := _process(pid, files, start, root)) is not None]
    containers = {p.pid: c for p in found if (c := _inner_container(p.cgroup))}
    if 1 not in by_pid and len(containers) == len(found) and len(set(containers.values())) == 1:
        containers = {}  # the host's view of a container without a shell: all are the node's own
    return ProcessTable(boot, Known(tuple(found)), containers)


def boot_time(files: Mapping[str, FileAnswer], now: float) -> Fact[float]:
    """Return the boot time: now minus uptime (10 ms resolution), limited to the second of btime."""
    btime = _btime(files.get("/proc/stat"))
    uptime = _uptime(files.get("/proc/uptime"))
    if btime is None and uptime is None:
        return Unknown("no /proc/stat")
    if btime is None or uptime is None:
        return Known(float(btime)) if btime is not None else Known(now - (uptime or 0.0))
    return Known(min(max(now - uptime, btime), btime + 1.0))


def _btime(file: FileAnswer | None) -> int | None:
    match = _BOOT_TIME.search(file.data) if file else None
    return int(match[1]) if match else None


def _uptime(file: FileAnswer | None) -> float | None:
    match = _UPTIME.match(file.data) if file else None
    return float(match[1]) if match else None


def _process(pid: int, files: Mapping[str, FileAnswer], boot: float, root: str) -> Process | None:
    """Return one process; None if it ended before its stat was read."""
    stat = files.get("stat")
    fields = _stat_fields(stat.data) if stat else None
    if fields is None:
        return None
    comm, rest = fields
    try:
        ppid, threads, ticks, rss = int(rest[1]), int(rest[17]), int(rest[19]), int(rest[21]) * PAGE_BYTES
        started = boot + ticks / TICKS_PER_SECOND
    except (ValueError, IndexError, OverflowError):
        return None
    cgroup, unit = _cgroup_and_unit(files["cgroup"].data if "cgroup" in files else b"", root)
    return Process(
        pid=pid, ppid=ppid, comm=comm, argv=split_cmdline(files["cmdline"].data if "cmdline" in files else b""),
        state=rest[0], started_at=started, start_ticks=ticks, uid=_uid(files),
        unit=unit, cgroup=cgroup, exe=_link(files.get("exe")), cwd=_link(files.get("cwd")),
        threads=threads, rss_bytes=rss,
    )


@lru_cache(maxsize=1024)  # a unit's processes share it
def _cgroup_and_unit(data: bytes, root: str) -> tuple[str, str | None]:
    """Return the cgroup as the node sees it, and its unit."""
    cgroup = _path_below(_cgroup_path(data), root)
    return cgroup, unit_of_cgroup(cgroup)


def _stat_fields(data: bytes) -> tuple[str, list[str]] | None:
    """Return comm and the fields after it. comm may contain spaces and brackets, so it ends at the last bracket."""
    start, end = data.find(b"("), data.rfind(b")")
    if start < 0 or end < start:
        return None
    return data[start + 1 : end].decode("utf-8", "replace"), data[end + 1 :].decode("ascii", "replace").split()


def split_cmdline(data: bytes) -> tuple[str, ...]:
    """Return the arguments. A program that writes a title over them leaves one long string padded with NUL."""
    text = data.rstrip(b"\0").decode("utf-8", "replace")
    return tuple(text.split("\0")) if text else ()


def _uid(files: Mapping[str, FileAnswer]) -> int:
    """Return the effective uid: the owner of the process's folder, else from its status; -1 if unknown."""
    owner, status = files.get("owner"), files.get("status")
    if owner is not None and owner.stat is not None:
        return owner.stat.uid
    match = _EFFECTIVE_UID.search(status.data) if status else None
    return int(match[1]) if match else -1


def _link(file: FileAnswer | None) -> Fact[str]:
    """Return the target of a /proc link; readlink needs the right to trace that process."""
    if file is None:
        return Unknown("not read")
    if file.status != "ok" or file.stat is None or file.stat.link_target is None:
        return Unknown("not root" if file.status == "denied" else file.status)
    return Known(file.stat.link_target)


def _cgroup_path(data: bytes) -> str:
    """Return the path that names the unit: systemd's own hierarchy on v1, the only one on v2, else the longest."""
    paths: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            paths[parts[1]] = parts[2]
    for key in ("name=systemd", ""):
        if len(paths.get(key, "")) > 1:
            return paths[key]
    return max(paths.values(), key=len, default="")


def _cgroup_root(files: Mapping[str, FileAnswer]) -> str:
    """Return the path above all of this node: inside a container every path starts with the container's own."""
    path = _cgroup_path(files["cgroup"].data) if "cgroup" in files else ""
    return path.removesuffix("/init.scope").rstrip("/")


def _path_below(path: str, root: str) -> str:
    if is_below(root, path):
        return "/"  # `docker exec` starts above the cgroup to which the machine's init moved
    return (path[len(root) :] or "/") if is_within(path, root) else path


def unit_of_cgroup(path: str) -> str | None:
    """Return the unit of a cgroup path: its outermost service, else its innermost scope.
    Below its own service (user@1000.service, one with Delegate=) a user may name a group freely: a unit of a user's
    systemd is `uid-1000:shop.service`, never the machine's shop.service."""
    parts = [part.removeprefix("_") for part in path.split("/")]  # systemd escapes names that start like a control file
    services = [part for part in parts if part.endswith(".service") and not _CONTAINER.search(part)]
    if not services:
        return next((part for part in reversed(parts) if part.endswith(".scope") and not _CONTAINER.search(part)), None)
    user = _USER_UNIT.match(services[0])
    return f"uid-{user[1]}:{services[-1]}" if user and len(services) > 1 else services[0]


def _inner_container(path: str) -> str | None:
    """Return the id of the container of a path on this node; None for the node's own processes."""
    match = _CONTAINER.search(path)
    return match[1] if match else None


def is_fully_started(process: Process) -> bool:
    """Return whether it runs its final program: between fork and exec it shows its starter's arguments.
    A process that has ended shows none."""
    if not any(process.argv[:1]) or process.state == "Z" or process.comm.startswith("("):
        return False
    return process.argv[0].rpartition("/")[2] not in _EXECUTORS


def ancestors(pid: int, table: Mapping[int, Process]) -> Iterable[Process]:
    """Yield the known parents of a process, nearest first; stop if a PID repeats (malformed or hostile data)."""
    seen = {pid}
    current = table.get(pid)
    while current is not None and current.ppid not in seen:
        seen.add(current.ppid)
        current = table.get(current.ppid)
        if current is not None:
            yield current


def descendants(pids: Sequence[int], table: Mapping[int, Process]) -> tuple[int, ...]:
    """Return these processes and all their descendants, in order of PID."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.ppid, []).append(process.pid)
    found: set[int] = set()
    todo = [pid for pid in pids if pid in table]
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo.extend(children.get(pid, ()))
    return tuple(sorted(found))


def working_directory(process: Process) -> str:
    """Return the working directory of a process, `/` if it is not readable."""
    return process.cwd.or_else("/")


def is_supervisord(process: Process) -> bool:
    """Return whether the process is supervisord itself."""
    if not process.comm.startswith(("supervisor", "python", "pypy")):
        return False
    return any(word.rpartition("/")[2] == "supervisord" for word in process.argv[:3])
