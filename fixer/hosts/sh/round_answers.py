"""Answers of an sh round, parsed into the form that this machine gives about itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from fixer.hosts.machine import probe_protocol, query_commands
from fixer.hosts.machine.procfs import (
    PROC_LIMIT,
    is_kernel_thread,
    link_stat,
    listening_inodes,
    owner_stat,
    unreadable_text,
)
from fixer.hosts.sh import round_output
from fixer.hosts.sh.round_output import Frame
from fixer.hosts.sh.round_script import Reading, RoundScript, is_askable
from fixer.lazy.dataclass import dataclass, field, replace
from fixer.lazy.regex import regex
from fixer.model.host import CommandResult, NodeClock
from fixer.model.query import (
    TOO_LONG,
    Answer,
    AnswerStatus,
    Command,
    FileAnswer,
    FileStat,
    ListProcesses,
    ListSockets,
    Probe,
    Query,
    ReadFile,
    ReadGlob,
    ReadTree,
    unanswered,
)

_DATE = regex(rb"(?<!\d)(\d++)\.?(\d*+)\D*? ([+-])(\d\d)(\d\d)\s*\Z")
_PROC = regex(r"/proc/(\d+)/(.+)\Z")


@dataclass(slots=True)
class FileGroup:
    """What one call of stat, ls, readlink and head printed about the files of several queries."""

    stats: Mapping[str, FileStat] = field(default_factory=dict)
    targets: Mapping[str, FileStat] = field(default_factory=dict)
    links: Mapping[str, str | None] = field(default_factory=dict)
    real_paths: Mapping[str, str] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()


_MOST_LISTED = 8 << 20  # bytes of a list: taken apart it needs some ten times as much memory
_UNLISTED_KINDS = (("data",), ("tables",), ("addresses",))
_LAST_KIND = {ListProcesses: "borrowed", ListSockets: "closed"}  # the last frames of these queries
UNFINISHED = "the node did not finish answering"


class RoundOutput:
    """The frames of one round, by query."""

    def __init__(self, asked: RoundScript, output: bytes) -> None:
        self._round = asked
        items, self.ended = round_output.split_frames(output, asked.nonce)
        self._items: dict[str, list[Frame]] = {}
        self._too_long: set[str] = set()
        for item in items:
            if item.header:
                if len(item.data) > _MOST_LISTED and item.header[1:2] not in _UNLISTED_KINDS:
                    self._too_long.add(item.header[0].partition("+")[0])
                self._items.setdefault(item.header[0], []).append(item)
        self._last = items[-1] if items and not self.ended else None  # it may be cut, and what it belongs to with it
        self.root = False
        self.own_pid = 0
        self._groups = [self._group(f"g{number}") for number in range(len(asked.groups))]

    def _parts(self, name: str) -> dict[str, bytes]:
        """Return the last frame of each kind with this name."""
        return {item.header[1]: item.data for item in self._items.get(name, ()) if len(item.header) > 1}

    @property
    def has_started(self) -> bool:
        """Return whether the script ran at all."""
        return "clock" in self._items

    def clock(self, fallback: float) -> NodeClock:
        """Return the node's clock; `fallback` if the node has no date."""
        item = self._items["clock"][0]
        self.root = item.header[1:2] == ("0",)
        self.own_pid = int(item.header[-1]) if item.header[-1].isdigit() else 0
        match = _DATE.search(item.data.strip())
        if match is None:
            return NodeClock(fallback, 0.0, self.root)
        now = int(match[1]) + (float(b"0." + match[2]) if match[2] else 0.0)
        offset = (int(match[4]) * 60 + int(match[5])) * 60.0
        return NodeClock(now, -offset if match[3] == b"-" else offset, self.root)

    def answers(self, late: AnswerStatus = "failed", why: str = UNFINISHED) -> dict[Query, Answer]:
        """Return every answer in the output; `late` for what a round that broke off did not answer to its end:
        a file that it did not reach is no missing file."""
        by_reading = dict(self._reading_groups())
        found: dict[Query, Answer] = {}
        for index, query in enumerate(self._round.queries):
            if not self.ended and is_askable(query) and not self._is_complete(str(index), query):
                found[query] = unanswered(query, late, why)
                continue
            if self._too_long and self._too_long & self._frames_of(str(index), query):
                found[query] = unanswered(query, "failed", TOO_LONG)
                continue
            match query:
                case ReadFile() | ReadGlob() | ReadTree() if not is_askable(query):
                    found[query] = Answer("failed", message="not an absolute path")
                case ReadFile() | ReadGlob() | ReadTree():
                    found[query] = self._reading(str(index), query, by_reading[query])
                case ListProcesses():
                    found[query] = self._processes(str(index))
                case ListSockets():
                    found[query] = self._sockets(str(index))
                case Command():
                    found[query] = self._command(str(index), query)
                case Probe():
                    pass
        probes = [q for q in self._round.queries if isinstance(q, Probe)]
        probed = self._probes(probes)
        if not self.ended:
            probed = {q: answer if answer.status == "ok" else unanswered(q, late, why)
                      for q, answer in probed.items()}
        found.update(probed)
        return found

    def _is_complete(self, name: str, query: Query) -> bool:
        """Return whether a round that broke off had answered this query: frames of another one follow its own."""
        if isinstance(query, Probe):
            return True
        if isinstance(query, Command) and query.name != "ip-addresses":
            return self._has_ended(name, query)
        if isinstance(query, ListProcesses | ListSockets) and _LAST_KIND[type(query)] not in self._parts(name):
            return False
        frames = self._frames_of(name, query)
        last = self._last.header[0].partition("+")[0] if self._last is not None and self._last.header else ""
        return last not in frames and any(frame in self._items for frame in frames)

    def _frames_of(self, name: str, query: Query) -> set[str]:
        """Return the names of the frames that its answer is made of: readings of one group share theirs."""
        if not isinstance(query, Reading):
            return {name}
        number, group = next((n, g) for n, g in enumerate(self._round.groups) if query in g)
        return {f"g{number}", *(str(i) for i, other in enumerate(self._round.queries) if other in group)}

    def _has_ended(self, name: str, command: Command) -> bool:
        """Return whether each of its commands ended, or was not to be run."""
        frames = self._items.get(name, [])
        kinds = {frame.header[1:3] for frame in frames}
        if query_commands.commands_for(command) is None or kinds & {("no-systemd",)} or any(
                kind[0] == "untrusted" for kind in kinds):
            return True
        runs = range(len(query_commands.commands_for(command) or ()))
        over = all(kinds & {("end", str(number)), ("none", str(number))} for number in runs)
        return over and self._last not in frames

    def _reading_groups(self) -> Iterable[tuple[Reading, FileGroup]]:
        for readings, group in zip(self._round.groups, self._groups, strict=True):
            for query in readings:
                yield query, group

    def _group(self, name: str) -> FileGroup:
        """Return all output about a group's files; many files come in several blocks."""
        group = self._block(name)
        number = 1
        while f"{name}+{number}" in self._items:
            more = self._block(f"{name}+{number}")
            group = FileGroup(
                {**group.stats, **more.stats}, {**group.targets, **more.targets}, {**group.links, **more.links},
                {**group.real_paths, **more.real_paths}, {**group.contents, **more.contents}, group.hidden,
            )
            number += 1
        return group

    def _block(self, name: str) -> FileGroup:
        parts, prefix = self._parts(name), self._round.prefix
        order = round_output.split_lines(parts.get("order", b""), prefix)
        stats = round_output.split_stats(parts.get("stat", b""), prefix)
        stats = stats or round_output.split_ls_stats(parts.get("ls", b""), prefix)
        links = round_output.split_links(parts.get("links", b""), prefix)
        ends = round_output.split_contents(b"\n" + parts.get("ends", b""), prefix)
        links.update({path: round_output.path_text(target) for path, target in ends})
        contents: dict[str, bytes] = {}
        for path, data in round_output.split_contents(parts.get("data", b""), prefix):
            if path in stats:
                contents.setdefault(path, data)
        return FileGroup(
            stats, round_output.split_stats(parts.get("target", b""), prefix), links,
            round_output.split_real_paths(parts.get("real", b""), order), contents,
            frozenset(round_output.split_lines(parts.get("hidden", b""), prefix)),
        )

    def dynamic_file(self, groups: Sequence[str], path: str, limit: int, *, tail: bool) -> Answer:
        """Return a file that a collect script found by itself."""
        for name in groups:
            group = self._group(name)
            if path in group.stats:
                file = self._file(path, limit, tail, group)
                return Answer(file.status, files=(file,))
        if path in self.searched_paths():
            return Answer("absent", files=(FileAnswer(path, "absent"),))
        return Answer("failed", message="the collect script did not read it")

    def searched_paths(self) -> frozenset[str]:
        """Return the paths that a collect script checked, missing ones too."""
        return frozenset(self._parts("looked").get("list", b"").decode("utf-8", "surrogateescape").splitlines())

    def dynamic_glob(self, name: str, patterns: Sequence[str], limit: int | None = None) -> Answer:
        """Return the matching files with so many bytes of each; without a limit with their stat alone."""
        group = self._group(name)
        paths = sorted(path for path in group.stats if any(fnmatchcase(path, pattern) for pattern in patterns))
        return Answer("ok", files=tuple(self._file(path, 1 if limit is None else limit, limit is None, group)
                                        for path in paths))

    def _reading(self, name: str, query: Reading, group: FileGroup) -> Answer:
        if isinstance(query, ReadFile):
            file = self._file(query.path, query.limit, query.tail, group)
            return Answer(file.status, files=(file,))
        parts = self._parts(name)
        if "absent" in parts or "list" not in parts:
            return Answer("absent" if "absent" in parts else "failed",
                          message="" if "absent" in parts else "the folder was not listed")
        listed = round_output.split_lines(parts["list"], self._round.prefix)
        more = "more" in parts or "" in listed
        paths = sorted({path for path in listed if path})
        if isinstance(query, ReadTree):
            paths = [path for path in paths if path not in group.stats or group.stats[path].kind != "dir"]
        more = more or len(paths) > query.max_files
        files = tuple(self._file(path, query.limit, False, group) for path in paths[: query.max_files])
        return Answer("ok", files=files, message=f"more than {query.max_files} files" if more else "")

    def _file(self, path: str, limit: int, tail: bool, group: FileGroup) -> FileAnswer:
        stat = group.stats.get(path)
        if stat is None:
            return FileAnswer(path, "denied" if path in group.hidden else "absent")
        target = group.targets.get(path) if stat.kind == "link" else None
        end = target or stat
        real = group.real_paths.get(path) if end.kind != "link" else None
        stat = replace(stat, link_target=group.links.get(path), real_path=real, target=target)
        if end.kind == "link":
            return FileAnswer(path, "absent", stat)
        if end.kind != "file":
            return FileAnswer(path, "ok", stat)
        data = group.contents.get(path)
        if data is None:
            return FileAnswer(path, "failed" if self.root else "denied", stat)
        if tail:
            return FileAnswer(path, "ok", stat, data[-limit:], end.size > limit)
        return FileAnswer(path, "ok", stat, data[:limit], len(data) > limit)

    def _processes(self, name: str) -> Answer:
        parts, prefix = self._parts(name), self._round.prefix
        table: dict[str, dict[str, bytes]] = {}
        for kind in ("stat", "cmdline", "cgroup", "status"):
            for path, data in round_output.split_contents(parts.get(kind, b""), prefix):
                if match := _PROC.match(path):
                    table.setdefault(match[1], {})[kind] = data[:PROC_LIMIT]
        links = round_output.split_links(parts.get("links", b""), prefix)
        borrowed = round_output.split_links(parts.get("borrowed", b""), prefix)
        links.update({p: t for p, t in borrowed.items() if t is not None})
        owners = round_output.split_stats(parts.get("owners", b""), prefix)
        files: list[FileAnswer] = []
        for pid in _other_pids(table, self.own_pid):
            if owner := owners.get(f"/proc/{pid}"):
                files.append(FileAnswer(f"/proc/{pid}", "ok", owner_stat(owner.uid, owner.gid)))
            files += [FileAnswer(f"/proc/{pid}/{kind}", "ok", None, data) for kind, data in table[pid].items()]
            files += [_link_answer(f"/proc/{pid}/{kind}", links) for kind in ("exe", "cwd")]
        extra = round_output.split_contents(parts.get("extra", b""), prefix)
        files += [FileAnswer(p, "ok", None, data) for p, data in extra]
        return Answer("ok", files=tuple(files)) if table else Answer("failed", message="no /proc")

    def _sockets(self, name: str) -> Answer:
        parts, prefix = self._parts(name), self._round.prefix
        tables = dict(round_output.split_contents(parts.get("tables", b""), prefix))
        wanted = {f"socket:[{inode.decode()}]" for inode in listening_inodes(tables)}
        links = round_output.split_links(parts.get("links", b""), prefix)
        borrowed = round_output.split_links(parts.get("borrowed", b""), prefix)
        links.update({p: t for p, t in borrowed.items() if t is not None})
        unread = round_output.split_lines(parts.get("closed", b""), prefix)
        closed = {m[1] for path in unread if (m := _PROC.match(path))}
        closed |= {m[1] for path, target in links.items() if target is None and (m := _PROC.match(path))}
        closed.discard(str(self.own_pid))
        files = [FileAnswer(path, "ok", None, data) for path, data in tables.items()]
        files += [FileAnswer(path, "ok", link_stat(target)) for path, target in links.items() if target in wanted]
        message = "too many descriptors to list" if "overflow" in parts else unreadable_text(sorted(closed))
        return Answer("ok", files=tuple(files), message=message) if tables else Answer("failed", message="no /proc/net")

    def _command(self, name: str, command: Command) -> Answer:
        parts = self._parts(name)
        if command.name == "ip-addresses":
            tables = dict(round_output.split_contents(parts.get("addresses", b""), self._round.prefix))
            return Answer("ok", query_commands.own_addresses(
                tables.get("/proc/net/fib_trie", b""), tables.get("/proc/net/if_inet6", b"")))
        runs = query_commands.commands_for(command)
        if runs is None:
            return query_commands.refused_answer(command)
        if "no-systemd" in parts:
            return Answer("no-tool", message="systemd is not running here")
        if "untrusted" in parts:
            return Answer("denied",
                          message=f"users other than root can change {runs[0].trusted}; fixer does not run it")
        results = [self._result(name, number, run) for number, run in enumerate(runs)]
        if command.name == "resolve":
            return query_commands.resolve_answer(command.args, results)
        return query_commands.answer_of(results)

    def _result(self, name: str, number: int, run: query_commands.QueryCommand) -> CommandResult:
        out, err, code, missing = b"", b"", None, False
        for item in self._items.get(name, ()):
            if item.header[2:3] == (str(number),):
                match item.header[1]:
                    case "out":
                        out = item.data
                    case "end":
                        err, code = item.data, int(item.header[3])
                    case "none":
                        missing = True
        late, cut = code in (124, 137), code is None and not missing  # its lane was cut before its end
        return CommandResult(run.argv, None if late else code, out, err, timed_out=late, missing=missing, truncated=cut)

    def _probes(self, probes: list[Probe]) -> Mapping[Query, Answer]:
        items = self._items.get("probe", [])
        python = next((item.data for item in items if item.header[1:2] == ("python",)), None)
        if python is not None:
            answers = probe_protocol.parse_outcomes(probes, python)
            return answers or {p: Answer("failed", message="python3 on the node returned no result") for p in probes}
        if any(item.header[1:2] == ("how",) and len(item.header) > 2 for item in items):
            return {p: _plain_probe_answer(p, n, items) for n, p in enumerate(probes)}
        return {p: Answer("no-tool", message="the node has none of python3, bash and nc") for p in probes}


def _plain_probe_answer(probe: Probe, number: int, items: list[Frame]) -> Answer:
    if probe.unix is not None or probe.tls or probe.proxy_protocol:
        return Answer("no-tool", message="this probe needs python3 on the node")
    for item in items:
        if item.header[1:3] == ("done", str(number)) and len(item.header) >= 4:
            return Answer("ok", json.dumps(probe_protocol.probe_outcome(probe, item.header[3:], item.data)).encode())
    return Answer("timeout", message="the probe did not end")


def _link_answer(path: str, links: Mapping[str, str | None]) -> FileAnswer:
    target = links.get(path)
    if target is not None:
        return FileAnswer(path, "ok", link_stat(target))
    return FileAnswer(path, "denied" if path in links else "absent")


def _other_pids(table: Mapping[str, Mapping[str, bytes]], own: int) -> list[str]:
    """Return the PIDs in order, without kernel threads, our own script and its children."""
    parents: dict[int, int] = {}
    for pid, kinds in table.items():
        fields = kinds.get("stat", b"").rpartition(b")")[2].split(None, 2)
        if len(fields) > 1 and not is_kernel_thread(kinds["stat"]):
            parents[int(pid)] = int(fields[1])
    ours = {own}
    for number in sorted(parents):  # a child is younger; after a PID wrap it would merely be shown
        if parents[number] in ours:
            ours.add(number)
    return [str(number) for number in sorted(parents) if number not in ours]
