"""Containers without a shell: files through `docker cp`, the rest from the host's /proc of their first process."""

from __future__ import annotations

import fnmatch
import io
import posixpath
from collections.abc import Mapping, Sequence

from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.docker_cli import Docker
from fixer.hosts.machine import procfs, run_process
from fixer.hosts.machine.procfs import read_clock
from fixer.hosts.machine.query_commands import MISSING_CODE, MOST_OUTPUT, answer_of, commands_for, own_addresses
from fixer.hosts.machine.read_files import read_path
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.host import CommandResult, NodeClock
from fixer.model.query import (
    Answer,
    Command,
    FileAnswer,
    FileKind,
    FileStat,
    ListProcesses,
    ListSockets,
    Probe,
    Query,
    ReadFile,
    ReadGlob,
    ReadTree,
)

with lazy_imports():
    import tarfile  # 4 ms, and most containers have a shell

_NO_SHELL = "the container has no shell"
_UNSTARTED = "the container was never started, and reading its files would create the places of its mounts"
_NEEDS_ROOT_TEXT = f"{_NO_SHELL}, and only root on its Docker host sees its processes and sockets (sudo fixer …)"


def clock() -> NodeClock:
    """Return this machine's time: a container shares its clock. Its time zone counts as UTC."""
    return NodeClock(read_clock().now, 0.0, True)


@dataclass(frozen=True, slots=True)
class ShelllessContainer:
    """A container by name, and its engine."""

    name: str
    docker: Docker = docker_cli.docker


def answer_without_shell(container: ShelllessContainer, pid: int, queries: Sequence[Query]) -> Mapping[Query, Answer]:
    """Answer each query as far as possible without a shell; `no-tool` for the rest.
    `pid` is the container's first process in this machine's numbering, 0 if it cannot be inspected."""
    return {query: _answer(container, pid, query) for query in queries}


def answer_stopped_container(container: ShelllessContainer, status: str,
                             queries: Sequence[Query]) -> Mapping[Query, Answer]:
    """Answer with the files of a stopped container, bind mounts included. It has no process and no socket."""
    return {query: _answer_stopped(container, status, query) for query in queries}


def answer_unstarted_container(queries: Sequence[Query]) -> Mapping[Query, Answer]:
    """Answer nothing of its files: reading them would change it. It has no process and no socket."""
    return {query: Answer("denied", message=_UNSTARTED, files=(FileAnswer(query.path, "denied"),))
            if isinstance(query, ReadFile) else Answer("denied", message=_UNSTARTED)
            if isinstance(query, ReadTree | ReadGlob) else _answer_stopped(ShelllessContainer(""), "created", query)
            for query in queries}


def _answer_stopped(container: ShelllessContainer, status: str, query: Query) -> Answer:
    match query:
        case ReadFile() | ReadTree() | ReadGlob():
            return _answer(container, 0, query)
        case ListProcesses():
            return Answer("ok")
        case ListSockets():
            return Answer("ok", files=tuple(FileAnswer(f"/proc/net/{name}", "ok") for name in ("tcp", "tcp6", "unix")))
        case Command() | Probe():
            return Answer("no-tool", message=f"the container is {status}")


def _answer(container: ShelllessContainer, pid: int, query: Query) -> Answer:
    match query:
        case ReadFile():
            file = _read_path(container, query.path, query.limit, tail=query.tail)
            return Answer(file.status, files=(file,))
        case ReadTree():
            return _answer_tree(container, query)
        case ReadGlob():
            return _answer_glob(container, query)
        case ListProcesses():
            return _answer_processes(container, pid)
        case ListSockets():
            return _answer_sockets(pid)
        case Command(name="ip-addresses") if pid:
            return _answer_addresses(pid)
        case Command() | Probe():
            return Answer("no-tool", message=_NO_SHELL)


def _read_archive(container: ShelllessContainer, path: str) -> tarfile.TarFile | None:
    """Return the path as the tar archive of `docker cp`; None if it does not exist."""
    result = container.docker("cp", f"{container.name}:{path}", "-", timeout=20)
    if result.returncode != 0:
        return None
    try:
        return tarfile.open(fileobj=io.BytesIO(result.stdout))  # closed with the bytes that hold it
    except tarfile.TarError:
        return None


def _read_path(container: ShelllessContainer, path: str, limit: int, *, tail: bool, hops: int = 8) -> FileAnswer:
    archive = _read_archive(container, path)
    member = archive.next() if archive else None
    if archive is None or member is None:
        return FileAnswer(path, "absent")
    if member.issym() and hops:
        target = posixpath.join(posixpath.dirname(path), member.linkname)
        end = _read_path(container, target, limit, tail=tail, hops=hops - 1)
        stat = _member_stat(member, path, end)
        return FileAnswer(path, end.status, stat, end.data, end.truncated)
    data = _member_bytes(archive, member)
    cut = data[-limit:] if tail else data[:limit]
    return FileAnswer(path, "ok", _member_stat(member, path, None), cut, len(data) > limit)


def _member_bytes(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isfile() else None
    return file.read() if file else b""


def _member_stat(member: tarfile.TarInfo, path: str, end: FileAnswer | None) -> FileStat:
    kind: FileKind = "file" if member.isfile() else "dir" if member.isdir() else "link" if member.issym() else "other"
    real = end.stat.real_path if end and end.stat else None if member.issym() else path
    return FileStat(
        kind, member.mode & 0o7777, member.uid, member.gid, member.size, float(member.mtime), 0, 1,
        member.linkname if member.issym() else None, real, end.stat if end else None,
    )


def _members(container: ShelllessContainer, root: str) -> list[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
    archive = _read_archive(container, root)
    if archive is None:
        return []
    parent = posixpath.dirname(root.rstrip("/"))
    return [(posixpath.join(parent, member.name), member, archive) for member in archive.getmembers()]


def _member_file(container: ShelllessContainer, path: str, member: tarfile.TarInfo, archive: tarfile.TarFile,
                 limit: int) -> FileAnswer:
    if member.issym():
        return _read_path(container, path, limit, tail=False)
    data = _member_bytes(archive, member)
    return FileAnswer(path, "ok", _member_stat(member, path, None), data[:limit], len(data) > limit)


def _answer_tree(container: ShelllessContainer, query: ReadTree) -> Answer:
    found = _members(container, query.root)
    if not found:
        return Answer("absent")
    root = query.root.rstrip("/")
    kept = sorted((entry for entry in found if not entry[1].isdir()
                   and entry[0][len(root) + 1 :].count("/") < query.depth), key=lambda entry: entry[0])
    files = tuple(_member_file(container, *entry, query.limit) for entry in kept[: query.max_files])
    more = f"more than {query.max_files} files" if len(kept) > query.max_files else ""
    return Answer("ok", files=files, message=more)


def _answer_glob(container: ShelllessContainer, query: ReadGlob) -> Answer:
    """Answer patterns with a literal folder only: listing needs a copy."""
    found: dict[str, FileAnswer] = {}
    for pattern in query.patterns:
        folder, _, name = pattern.rpartition("/")
        if set("*?[") & set(folder):
            continue
        for path, member, archive in _members(container, folder) if set("*?[") & set(name) else ():
            base = path[len(folder) + 1 :]
            hidden = base.startswith(".") and not name.startswith(".")
            if base and "/" not in base and not hidden and fnmatch.fnmatchcase(base, name):
                found[path] = _member_file(container, path, member, archive, query.limit)
        if not set("*?[") & set(name) and (one := _read_path(container, pattern, query.limit, tail=False)).stat:
            found[pattern] = one
    return Answer("ok", files=tuple(found[path] for path in sorted(found)[: query.max_files]))


def _answer_processes(container: ShelllessContainer, pid: int) -> Answer:
    """Return this machine's /proc entries of the container's processes, with this machine's PIDs (docker top)."""
    result = container.docker("top", container.name, "-eo", "pid,args")
    pids = [line.split()[0] for line in result.stdout.decode(errors="replace").splitlines()[1:] if line.split()]
    if not pid or not pids:
        return Answer("no-tool", message=_NEEDS_ROOT_TEXT)
    wanted = (*(f"/proc/{one}/" for one in pids), "/proc/stat/", "/proc/uptime/")  # the folders show the owners
    kept = tuple(file for file in procfs.list_processes().files if f"{file.path}/".startswith(wanted))
    # on the host every cgroup path starts with the container's own, that of its first process, PID 1 inside
    root = tuple(FileAnswer("/proc/1/cgroup", file.status, None, file.data) for file in kept
                 if file.path == f"/proc/{pid}/cgroup")
    return Answer("ok", files=(*kept, *root), message="PIDs are those of the Docker host")


def _answer_sockets(pid: int) -> Answer:
    if not pid:
        return Answer("no-tool", message=_NO_SHELL)
    files = []
    for name in ("tcp", "tcp6", "unix"):
        file = read_path(f"/proc/{pid}/net/{name}", procfs.TABLE_LIMIT)
        files.append(FileAnswer(f"/proc/net/{name}", file.status, None, file.data))
    return Answer("ok", files=tuple(files), message=f"{_NO_SHELL}: owners of sockets are unknown")


def _answer_addresses(pid: int) -> Answer:
    tables = [read_path(f"/proc/{pid}/net/{name}", 1 << 22).data for name in ("fib_trie", "if_inet6")]
    return Answer("ok", own_addresses(*tables))


# Packet filter of a container's network, read with this machine's tools: few images contain usable ones.
_FILTER_QUERIES = frozenset({"nft-rules", "nft-text", "iptables-rules", "ip6tables-rules"})


def packet_filter_answers(queries: Sequence[Query], inside: Mapping[Query, Answer], pid: int) -> dict[Query, Answer]:
    """Answer the packet filter queries that failed inside; `pid` is the first process on this machine."""
    wanted = [q for q in queries if isinstance(q, Command) and q.name in _FILTER_QUERIES and _has_failed(inside.get(q))]
    return {query: _answer_from_host(query, pid) for query in wanted} if pid > 0 else {}


def _has_failed(answer: Answer | None) -> bool:
    return answer is not None and answer.status != "ok"


def _answer_from_host(query: Command, pid: int) -> Answer:
    return answer_of([_run(pid, run.argv, run.timeout) for run in commands_for(query) or ()])


def _run(pid: int, argv: Sequence[str], timeout: float) -> CommandResult:
    """Run in the network namespace; nsenter reports a missing program with the shell's exit code."""
    result = run_process.run(("nsenter", "-t", str(pid), "-n", *argv), timeout=timeout, max_output=MOST_OUTPUT)
    return replace(result, argv=tuple(argv), missing=result.missing or result.returncode == MISSING_CODE)
