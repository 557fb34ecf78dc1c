"""Captures put together by hand, in the formats that nodes answer in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from fixer.model.capture import Capture, NodeCapture
from fixer.model.query import (
    Answer,
    Command,
    FileAnswer,
    FileStat,
    ListProcesses,
    ListSockets,
    Probe,
    Query,
    ReadFile,
    ReadTree,
)
from fixer.model.target import NodeKind, TargetKind, TargetRef
from fixer.observe.evidence_bundle import unpack_bundle
from fixer.observe.nginx.nginx_masters import log_query
from fixer.observe.view.node_view import UNIT_FILES, View, view_of
from fixer.observe.view.observe_options import ObserveOptions

DATA = Path(__file__).parent / "data"
NOW = 1_800_000_000.0
BOOT = NOW - 1000.0


def recorded_capture(name: str) -> Capture:
    """A capture of the real thing."""
    return unpack_bundle((DATA / f"{name}.tgz").read_bytes())


def stat(kind: str = "file", *, mtime: float = NOW - 500, link: str | None = None, real: str | None = None,
         target: FileStat | None = None) -> FileStat:
    return FileStat(kind, 0o644, 0, 0, 10, mtime, 5, 1, link, real, target)  # type: ignore[arg-type]


def file(path: str, data: bytes | str, **more: object) -> FileAnswer:
    raw = data.encode() if isinstance(data, str) else data
    return FileAnswer(path, "ok", stat(**more), raw)  # type: ignore[arg-type]


def link(path: str, target: str) -> FileAnswer:
    return FileAnswer(path, "ok", stat("link", link=target))


def process(pid: int, argv: Sequence[str], *, ppid: int = 1, comm: str = "", started: float = BOOT + 10,
            cgroup: str = "/", exe: str | None = None, cwd: str = "/", state: str = "S", uid: int = 0) -> list[FileAnswer]:
    name = comm or argv[0].rsplit("/", 1)[-1]
    ticks = int((started - BOOT) * 100)
    fields = f"{pid} ({name}) {state} {ppid} 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 3 0 {ticks} 1000 200 0\n"
    base = f"/proc/{pid}/"
    entries = [
        FileAnswer(base + "stat", "ok", None, fields.encode()),
        FileAnswer(base + "status", "ok", None, f"Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n".encode()),
        FileAnswer(base + "cmdline", "ok", None, b"\0".join(a.encode() for a in argv) + b"\0"),
        FileAnswer(base + "cgroup", "ok", None, f"0::{cgroup}\n".encode()), link(base + "cwd", cwd),
    ]
    return [*entries, link(base + "exe", exe)] if exe else [*entries, FileAnswer(base + "exe", "denied")]


def processes(*entries: list[FileAnswer]) -> Answer:
    times = [FileAnswer("/proc/stat", "ok", None, f"cpu 1\nbtime {int(BOOT)}\n".encode()),
             FileAnswer("/proc/uptime", "ok", None, f"{NOW - BOOT:.2f} 1.0\n".encode())]
    return Answer("ok", files=tuple(f for entry in entries for f in entry) + tuple(times))


HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def tcp_row(address: str, port: int, inode: int, *, state: str = "0A", queued: int = 0) -> str:
    host = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))
    return f"   0: {host}:{port:04X} 00000000:0000 {state} 00000000:{queued:08X} 00:00000000 00000000   0   0 {inode} 1 0\n"


def sockets(rows: Sequence[str], held: Mapping[int, Sequence[int]], *, message: str = "", tcp6: str = "",
            unix: str = "") -> Answer:
    files = [FileAnswer("/proc/net/tcp", "ok", None, (HEADER + "".join(rows)).encode()),
             FileAnswer("/proc/net/tcp6", "ok", None, (HEADER + tcp6).encode()),
             FileAnswer("/proc/net/unix", "ok", None, ("Num RefCount Protocol Flags Type St Inode Path\n" + unix).encode())]
    files += [link(f"/proc/{pid}/fd/{9 + n}", f"socket:[{inode}]")
              for inode, pids in held.items() for n, pid in enumerate(pids)]
    return Answer("ok", files=tuple(files), message=message)


NGINX = b"events {}\nhttp { include sites/*; }\n"
MASTER = ["nginx: master process /usr/sbin/nginx -g daemon on;"]
WORKER = ["nginx: worker process"]


def node(answers: Mapping[Query, Answer] | None = None, *, site: str = "", name: str = "local", log: str = "",
         running: Sequence[list[FileAnswer]] = (), listening: Answer | None = None, kind: NodeKind = "machine",
         nginx: bool = True, root: bool = True, units: Sequence[FileAnswer] = (), show: str = "") -> NodeCapture:
    """A node with one site below /etc/nginx/sites, its nginx running unless told otherwise."""
    own = [process(40, MASTER, comm="nginx", exe="/usr/sbin/nginx", cgroup="/system.slice/nginx.service"),
           process(41, WORKER, comm="nginx", ppid=40, started=BOOT + 600, cgroup="/system.slice/nginx.service")]
    tree = (file("/etc/nginx/nginx.conf", NGINX), file("/etc/nginx/sites/shop", site)) if site else ()
    found: dict[Query, Answer] = {
        ListProcesses(): processes(*([process(1, ["/sbin/init"], comm="systemd")] if kind == "machine" else []),
                                   *(own if nginx else []), *running),
        ListSockets(): listening if listening is not None else sockets([], {}),
        ReadTree("/etc/nginx"): Answer("ok" if tree else "absent", files=tree),
        log_query("/var/log/nginx/error.log"): Answer("ok", files=(file("/var/log/nginx/error.log", log),)),
        ReadFile("/etc/hosts"): Answer("ok", files=(file("/etc/hosts", "127.0.0.1 localhost\n10.0.0.7 db # x\n"),)),
        Command("ip-addresses"): Answer("ok", b"127.0.0.1\n10.0.0.5\n"),
        Command("systemctl-show"): Answer("ok", show.encode()), UNIT_FILES: Answer("ok", files=tuple(units)),
    }
    return NodeCapture(name, kind, NOW, root, {**found, **(answers or {})})


def capture(*nodes: NodeCapture, kind: TargetKind = "local", address: str = "", probe: bool = True) -> Capture:
    return Capture(TargetRef(kind, address), nodes, (), ObserveOptions(probe=probe).pairs())


def view(*files: FileAnswer, **more: object) -> View:
    """The view of a node with these service files."""
    answers = {ReadFile(f.path, 1 << 16): Answer(f.status, files=(f,)) for f in files}
    return view_of(node(answers, **more))  # type: ignore[arg-type]


def probe_answer(status: int | None = None, error: str | None = None, errno: int | None = None, phase: str = "done",
            head: str = "HTTP/1.1 200 OK\r\nServer: uvicorn", whole: bool | None = None) -> Answer:
    data = {"phase": phase, "errno": errno, "error": error, "status": status, "ms": 1.5, "head": head, "body": "x", "whole": whole}
    return Answer("ok", json.dumps(data).encode())


def probe_of(queries: Sequence[Query], port: int) -> Probe:
    return next(q for q in queries if isinstance(q, Probe) and q.port == port)
