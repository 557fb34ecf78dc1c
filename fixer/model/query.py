"""The closed list of queries an observer may ask of a node, and the shape of every answer.

A query is data: constant commands with typed slots, paths and globs to read. No query writes, so the type that
observers hold cannot change anything. Every transport (in-process, sh over docker exec, a replayed capture) answers the
same query with the same bytes; each class documents its format."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

FileKind: TypeAlias = Literal["file", "dir", "link", "socket", "fifo", "device", "other"]
AnswerStatus: TypeAlias = Literal["ok", "absent", "denied", "failed", "timeout", "no-tool"]

CommandName: TypeAlias = Literal[
    "systemctl-units",      # ()                       loaded services and sockets; OTHER_UNITS on disk
    "systemctl-show",       # (unit, …)                systemctl show UNIT…: the properties of units; () = OTHER_UNITS
    "systemctl-jobs",       # ()                       jobs of systemd, and which of them each waits for
    "journal",              # (unit, lines[, namespace])  last entries of one unit, also of its namespace: -o json, a
                            # line each; -o short-unix of an old systemd, and in captures of earlier versions
    "nginx-test",           # (binary, conf, prefix)   nginx -t; asked only when the running configuration is in doubt
    "nginx-version",        # (binary,)                nginx -V
    "ip-addresses",         # ()                       the node's own addresses (/proc/net/fib_trie, if_inet6)
    "resolve",              # (name, …)                addresses of host names by this node's resolver
    "docker-project",       # (project,)               docker inspect of every container of a project (JSON)
    "docker-container",     # (name,)                  docker inspect of one container and its network peers
    "docker-published",     # (port or /path, …)       docker inspect of containers at ports or sockets of this host
    # (networks, name or :port or @seconds, …): docker inspect of containers with these names on those networks, at
    # these ports of their host, or started since that time
    "docker-called",
    "docker-logs",          # (container, lines)       docker logs --timestamps --tail
    "docker-top",           # (container,)             docker top
    "kernel-log",           # ()                       dmesg: OOM kills and other kernel messages
    "audit-denials",        # ()                       ausearch: recent SELinux denials of nginx
    "compose-hash",         # (project, service)       docker compose config --hash SERVICE from the label files
    "nft-rules",            # ()                       nft -j list ruleset
    "nft-text",             # ()                       nft -a list ruleset: the same as text, with handles
    "iptables-rules",       # ()                       iptables-save -c
    "ip6tables-rules",      # ()                       ip6tables-save -c
]

# Every service except systemd's own, which are most of them and cost most time; fnmatch has no shorter pattern.
OTHER_UNITS: tuple[str, ...] = (
    "[!s]*.service", "s[!y]*.service", "sy[!s]*.service", "sys[!t]*.service", "syst[!e]*.service", "syste[!m]*.service",
    "system[!d]*.service", "systemd[!-]*.service",
    # a plain name would be asked for even where there is no such unit
    "[s].service", "[s]y.service", "[s]ys.service", "[s]yst.service", "[s]yste.service", "[s]ystem.service",
    "[s]ystemd.service",
)

# Properties for systemctl-show. The monotonic timestamps (microseconds since boot) need no time zone and exist in every
# version; --timestamp=unix does not.
UNIT_PROPERTIES: tuple[str, ...] = (
    "Id", "Names", "LoadState", "LoadError", "ActiveState", "SubState", "Result", "ExecMainCode", "ExecMainStatus",
    "MainPID", "NRestarts", "UnitFileState", "FragmentPath", "DropInPaths", "Environment", "EnvironmentFiles",
    "ExecStart", "User", "Group", "WorkingDirectory", "Restart", "Type", "NeedDaemonReload", "ConditionResult",
    "ActiveEnterTimestampMonotonic", "InactiveEnterTimestampMonotonic", "StateChangeTimestampMonotonic",
    "ConditionTimestampMonotonic",
    "StartLimitBurst", "StartLimitIntervalUSec", "ControlGroup", "TriggeredBy", "RestartUSec",
    "MemoryMax", "MemoryLimit", "TasksMax", "ExecStartPre", "Listen", "Job",
    "LimitNOFILESoft", "CPUQuotaPerSecUSec", "Conflicts", "ConflictedBy",
    "WantedBy", "RequiredBy", "BoundBy", "UpheldBy",
)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """One file. `tail` reads the last `limit` bytes instead of the first. Answer.files has one entry.
    Never blocks: a FIFO, device or socket gives its stat and no data."""

    path: str
    limit: int = 1 << 20
    tail: bool = False


@dataclass(frozen=True, slots=True)
class ReadGlob:
    """Every match of the patterns (sh globs, no `**`), sorted; data follows links, stat does not."""

    patterns: tuple[str, ...]
    limit: int = 1 << 18
    max_files: int = 500


@dataclass(frozen=True, slots=True)
class ReadTree:
    """All regular files, links and sockets below `root` down to `depth`, sorted; data up to `limit` bytes each.
    Links to folders are listed and not followed. Status `absent` if there is no such folder."""

    root: str
    limit: int = 1 << 20
    max_files: int = 500
    depth: int = 4


@dataclass(frozen=True, slots=True)
class ListProcesses:
    """Every process of the node's /proc except kernel threads and our own. Answer.files holds
    `/proc/PID` (a `dir` entry whose `stat` has only the effective uid and gid, the kernel's owner of that folder),
    /proc/PID/{stat,cmdline,cgroup} (no `stat` of them), the links /proc/PID/exe and cwd (`link` entries; status
    `denied` if unreadable), plus /proc/stat (btime) and /proc/uptime. A node without the tool stat gives
    /proc/PID/status in place of `/proc/PID`."""


@dataclass(frozen=True, slots=True)
class ListSockets:
    """Listening sockets and their owners. Answer.files: /proc/net/tcp, tcp6, unix (as seen from the node)
    and one `link` entry per descriptor of a *listening* socket (tcp state 0A, unix flag 00010000), of one that connects
    (tcp state 02), or of one whose peer does not read; path /proc/PID/fd/N, target `socket:[INODE]`. `message` says why
    owners are incomplete: a listening inode without an entry then has an unknown owner."""


@dataclass(frozen=True, slots=True)
class Command:
    """A constant command with typed slots. Answer.data is stdout, status `no-tool` if the command is missing.
    systemctl-units: list-units, then a line `--`, then list-unit-files. ip-addresses: one address a line.
    resolve: a line `NAME ADDRESS` each, in resolver order; a name without a line did not resolve."""

    name: CommandName
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """One TCP connect or one GET from this node's network namespace, limited to `timeout` seconds.
    host/port or a unix socket path (`unix`); `path` None means connect only; `tls` uses SNI `sni`, unverified.
    `uwsgi` sends the GET in uWSGI's own protocol; tools that cannot only connect then: phase "done", status null.
    Answer.data is JSON: {"phase": "connect|tls|send|head|done", "errno": int|null, "error": str|null, "status":
    int|null, "ms": number, "head": str (first 2 KiB of headers, latin-1), "body": str (first 1 KiB, latin-1)}. On a
    timeout before the head is complete also "arrived": its bytes so far, and "growing": milliseconds between the first
    and last of them (missing if the tool cannot measure it)."""

    host: str
    port: int
    path: str | None
    unix: str | None = None
    host_header: str = ""
    tls: bool = False
    sni: str = ""
    proxy_protocol: bool = False
    timeout: float = 2.0
    attempt: int = 0  # the same request again, for intermittent failures
    uwsgi: bool = False


Query: TypeAlias = ReadFile | ReadGlob | ReadTree | ListProcesses | ListSockets | Command | Probe


@dataclass(frozen=True, slots=True)
class FileStat:
    """lstat of one path; `link_target` for links (raw, unresolved), `real_path` fully resolved if it exists."""

    kind: FileKind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: float
    inode: int
    nlink: int
    link_target: str | None = None
    real_path: str | None = None
    target: FileStat | None = None  # for a link: the stat of its target (mtime, mode, owner)

    @property
    def end(self) -> FileStat:
        """Return the stat of a link's target; else itself."""
        return self.target if self.kind == "link" and self.target is not None else self


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """One file of an answer. `data` is empty unless status is ok and it is a regular file (or a /proc file)."""

    path: str
    status: AnswerStatus
    stat: FileStat | None = None
    data: bytes = b""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one query: raw bytes, never interpreted. `message` explains any status but ok."""

    status: AnswerStatus
    data: bytes = b""
    files: tuple[FileAnswer, ...] = ()
    returncode: int | None = None
    stderr: bytes = b""
    message: str = ""


LOOK_LIMIT = 10  # seconds that one look may take
NOT_ASKED = f"not asked: the {LOOK_LIMIT} s of this look were over"
LOOK_MEGABYTES = 200  # memory that one look may take
TOO_LONG = "the answer is too long to be read"
CUT_OFF = f"no answer before the {LOOK_LIMIT} s of this look were over"


def unanswered(query: Query, status: AnswerStatus, why: str) -> Answer:
    """Return the answer to a query that got none: a file with this status is not known to be missing."""
    files = (FileAnswer(query.path, status),) if isinstance(query, ReadFile) else ()
    return Answer(status, files=files, message=why)
