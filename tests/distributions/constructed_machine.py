"""A constructed machine: its disk, processes, sockets and units answer the real rounds of fixer's questions.

What its tools and its kernel would print is made here in their formats. A test states what nginx answers and logs; whether
a connect is answered or refused follows from the sockets that the machine has.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fixer.diagnose.run_causes import diagnose
from fixer.hosts.bundle import BundleTarget
from fixer.model.capture import Capture
from fixer.model.diagnosis import Diagnosis, Finding, Inputs, Repair
from fixer.model.host import NodeClock
from fixer.model.plan import WriteFile
from fixer.model.query import Answer, Command, FileAnswer, ListProcesses, ListSockets, Probe, Query
from fixer.model.snapshot import Snapshot
from fixer.model.target import NodeKind, TargetRef
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.collect_capture import collect
from fixer.observe.evidence_bundle import pack_bundle, unpack_bundle
from fixer.observe.view.observe_options import ObserveOptions
from fixer.redaction.masked_steps import describe_step
from tests.distributions.constructed_disk import Disk, Entry, text
from tests.observe.capture_builders import BOOT, NOW, probe_answer, process, processes, sockets, tcp_row

ERROR_LOG = "/var/log/nginx/error.log"
_SHUT = ("refused", 111)


@dataclass(frozen=True, slots=True)
class Program:
    """A process."""

    pid: int
    argv: tuple[str, ...]
    comm: str
    exe: str
    parent: int = 1
    uid: int = 0
    cgroup: str = "/"
    cwd: str = "/"


@dataclass(frozen=True, slots=True)
class Listening:
    """A listening socket: address and port, or a path, and the processes that have it."""

    pids: tuple[int, ...]
    address: str = "127.0.0.1"
    port: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine holds and what its tools print. `pages`: what nginx answers, by Host; `blocked`: the error of a
    connect to a port in spite of its listener."""

    files: Mapping[str, Entry]
    programs: tuple[Program, ...]
    listening: tuple[Listening, ...]
    units: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    journals: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[Command, Answer] = field(default_factory=dict)
    pages: Mapping[str, int] = field(default_factory=dict)
    blocked: Mapping[int, tuple[str, int]] = field(default_factory=dict)

    def with_files(self, files: Mapping[str, Entry | None]) -> Machine:
        """Return the machine with these files; None is a file that it has not."""
        kept = {path: entry for path, entry in {**self.files, **files}.items() if entry is not None}
        return replace(self, files=kept)

    def with_unit(self, name: str, properties: Mapping[str, str]) -> Machine:
        """Return the machine with other properties of a unit."""
        return replace(self, units={**self.units, name: {**self.units.get(name, {}), **properties}})

    def without(self, *pids: int) -> Machine:
        """Return the machine without these processes and their sockets."""
        programs = tuple(program for program in self.programs if program.pid not in pids)
        listening = tuple(line for line in self.listening if not set(line.pids) & set(pids))
        return replace(self, programs=programs, listening=listening)

    def moved(self, pid: int, line: Listening, argv: Sequence[str]) -> Machine:
        """Return the machine whose program, and those below it, listen there instead, started by that command."""
        programs = tuple(replace(one, argv=tuple(argv)) if pid in (one.pid, one.parent) else one for one in self.programs)
        kept = tuple(other for other in self.listening if pid not in other.pids)
        return replace(self, programs=programs, listening=(*kept, line))

    def failing(self, *messages: str, pages: Mapping[str, int] | None = None) -> Machine:
        """Return the machine whose nginx has just logged this and answers 502, or these pages."""
        # nginx logs a connect that the kernel denies as critical, and one that the network refuses as an error
        levels = ["crit" if "(13:" in said else "error" for said in messages]
        lines = "".join(f"{_stamp(NOW - 30 + at)} [{level}] 41#41: *{at + 1} {said}\n"
                        for at, (level, said) in enumerate(zip(levels, messages, strict=True)))
        log = self.files[ERROR_LOG]
        written = replace(log, data=log.data + lines.encode(), age=5.0)
        return replace(self.with_files({ERROR_LOG: written}), pages={"": 502} if pages is None else pages)

    def collected(self) -> Capture:
        """Return the capture that fixer collects from it."""
        return collect(ConstructedTarget(self), ObserveOptions())

    def snapshot(self) -> Snapshot:
        return build_snapshot(self.collected())

    def diagnosed(self, inputs: Inputs | None = None) -> Diagnosis:
        """Return its diagnosis. A bundle of the same capture, with its masks, names the same causes."""
        capture = self.collected()
        found = diagnose(build_snapshot(capture), inputs)
        bundled = diagnose(build_snapshot(unpack_bundle(pack_bundle(capture))), inputs)
        assert _causes(bundled) == _causes(found), (_causes(bundled), _causes(found))
        return found


def _causes(diagnosis: Diagnosis) -> list[tuple[str, str | None, str]]:
    return [(finding.cause, finding.variant, finding.role) for finding in diagnosis.findings]


def first_of(diagnosis: Diagnosis) -> Finding:
    """Return the first finding of a broken host, which is its root."""
    assert diagnosis.verdict == "broken", (diagnosis.verdict, diagnosis.notes)
    first = diagnosis.findings[0]
    assert first.role == "root", _causes(diagnosis)
    return first


def repair_text(finding: Finding, at: int = 0) -> str:
    """Return everything that a repair tells a person: its summary, what to do by hand, its steps."""
    repair: Repair = finding.repairs[at]
    return "\n".join((repair.summary, repair.manual, *map(describe_step, repair.steps)))


def edited_files(finding: Finding) -> list[str]:
    """Return the files that the first repair writes."""
    return [step.path for step in finding.repairs[0].steps if isinstance(step, WriteFile)]


def assert_healthy(machine: Machine) -> None:
    """A sound machine has no finding and no failing route, read live and from a bundle."""
    diagnosis = machine.diagnosed()
    assert diagnosis.verdict == "healthy", (diagnosis.verdict, _causes(diagnosis), diagnosis.notes)
    assert not diagnosis.findings, _causes(diagnosis)
    assert diagnosis.health, "no route was judged"


def connect_line(upstream: str, error: str, server: str = "_", host: str = "shop.example") -> str:
    """What nginx logs of a connect that failed."""
    called = f"to {upstream.removeprefix('http://').removesuffix('/')} " if "13:" in error or "unix:" in upstream else ""
    return (f'connect() {called}failed ({error}) while connecting to upstream, client: 203.0.113.7, server: {server}, '
            f'request: "GET / HTTP/1.1", upstream: "{upstream}", host: "{host}"')


def _stamp(at: float) -> str:
    return time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(at))


class ConstructedTarget(BundleTarget):
    """The machine as a local target: it answers what it is asked."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(TargetRef("local", ""), Capture(TargetRef("local", ""), ()))
        self._asker = ConstructedAsker(machine)

    def askers(self) -> tuple[ConstructedAsker, ...]:
        return (self._asker,)


class ConstructedAsker:
    """The one node of such a target."""

    name = "local"
    kind: NodeKind = "machine"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._disk = Disk(machine.files)

    def clock(self) -> NodeClock:
        return NodeClock(NOW, 0.0, root=True)

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        return {query: self._answer(query) for query in queries}

    def _answer(self, query: Query) -> Answer:
        match query:
            case ListProcesses():
                return processes(*(_process(program) for program in self._machine.programs))
            case ListSockets():
                return _sockets(self._machine.listening)
            case Probe():
                return self._probe(query)
            case Command():
                return self._command(query)
            case _:
                return self._disk.answer(query)

    def _command(self, query: Command) -> Answer:
        machine = self._machine
        if query in machine.commands:
            return machine.commands[query]
        match query.name:
            case "ip-addresses":
                return Answer("ok", b"127.0.0.1\n10.0.0.5\n::1\n")
            case "systemctl-show" if machine.units:
                names = query.args or tuple(machine.units)
                return Answer("ok", "\n".join(_shown(name, machine.units.get(name)) for name in names).encode())
            case "journal" if machine.units:
                return Answer("ok", machine.journals.get(query.args[0], "").encode())
            case "nginx-test":
                said = f"nginx: configuration file {query.args[1] or '/etc/nginx/nginx.conf'} test is successful\n"
                return Answer("ok", returncode=0, stderr=said.encode())
            case "resolve":
                return Answer("ok", "".join(f"{name} 127.0.0.1\n" for name in query.args if name == "localhost").encode())
            case "kernel-log":
                return Answer("ok")
            case _:
                return Answer("no-tool", message=f"no {query.name}")

    def _probe(self, query: Probe) -> Answer:
        line = next((line for line in self._machine.listening if _is_heard(line, query)), None)
        error = self._machine.blocked.get(query.port, None if line is not None else _SHUT)
        if error is not None or line is None:
            return probe_answer(None, *(error or _SHUT), "connect")
        if any(one.comm == "nginx" for one in self._machine.programs if one.pid in line.pids):
            pages = self._machine.pages
            status = pages.get(query.host_header, pages.get("", 200))
            return probe_answer(status, head=f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\nServer: nginx")
        return probe_answer(200, head="HTTP/1.1 200 OK\r\nServer: gunicorn")


def _is_heard(line: Listening, query: Probe) -> bool:
    if query.unix is not None:
        return line.path == query.unix
    return line.port == query.port and line.address in (query.host, "0.0.0.0")


def _process(program: Program) -> list[FileAnswer]:
    started = BOOT + (10 if program.parent == 1 else 400)
    return process(program.pid, program.argv, ppid=program.parent, comm=program.comm, exe=program.exe, uid=program.uid,
                   cgroup=program.cgroup, cwd=program.cwd, started=started)


def _sockets(listening: Sequence[Listening]) -> Answer:
    held = {7000 + at: line for at, line in enumerate(listening)}
    rows = [tcp_row(line.address, line.port, inode) for inode, line in held.items() if line.port]
    unix = "".join(f"0000000000000000: 00000002 00000000 00010000 0001 01 {inode} {line.path}\n"
                   for inode, line in held.items() if line.path)
    return sockets(rows, {inode: line.pids for inode, line in held.items()}, unix=unix)


def _shown(name: str, properties: Mapping[str, str] | None) -> str:
    """Return the block of one unit, as `systemctl show` prints it."""
    if properties is None:
        properties = {"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}
    return "".join(f"{key}={value}\n" for key, value in {"Id": name, "Names": name, **properties}.items())


def unit(name: str, command: str, *, pid: int = 0, path: str = "", **more: str) -> dict[str, str]:
    """Return the properties of a unit that runs, or of one that does not if it has no pid."""
    state, sub = ("active", "running") if pid else ("inactive", "dead")
    since = str(int(10e6)) if pid else "0"
    ends = {"ExecMainCode": "0", "ExecMainStatus": "0"}
    return {
        "LoadState": "loaded", "ActiveState": state, "SubState": sub, "Result": "success", **ends, "MainPID": str(pid),
        "NRestarts": "0", "UnitFileState": "enabled", "FragmentPath": path or f"/etc/systemd/system/{name}",
        "ExecStart": exec_start(command), "Restart": "no", "Type": "simple", "NeedDaemonReload": "no",
        "ConditionResult": "yes", "ActiveEnterTimestampMonotonic": since, "StateChangeTimestampMonotonic": since or "1",
        "ConditionTimestampMonotonic": since, "StartLimitBurst": "5", "StartLimitIntervalUSec": "10s",
        "ControlGroup": f"/system.slice/{name}" if pid else "", "RestartUSec": "100ms", "MemoryMax": "infinity",
        "WantedBy": "multi-user.target", "RequiredBy": "", "BoundBy": "", "UpheldBy": "", **more,
    }


def exec_start(command: str) -> str:
    """Return ExecStart= as `systemctl show` prints it."""
    program = command.split(maxsplit=1)[0]
    return (f"{{ path={program} ; argv[]={command} ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; "
            "code=(null) ; status=0/0 }")


def journal(*entries: tuple[str, str], pid: int = 90, ago: float = 60.0) -> str:
    """Return entries (identifier, message) as `journalctl -o json` prints them; those of systemd have its pid."""
    rows = []
    for at, (identifier, message) in enumerate(entries):
        moment = str(int((NOW - ago + at / 10) * 1e6))
        rows.append(json.dumps({"__REALTIME_TIMESTAMP": moment, "MESSAGE": message, "SYSLOG_IDENTIFIER": identifier,
                                "_PID": "1" if identifier == "systemd" else str(pid)}))
    return "".join(row + "\n" for row in rows)


def nginx_programs(title: str, uid: int, cgroup: str) -> tuple[Program, ...]:
    """Return nginx's master (pid 40) and one worker (41) with that account."""
    return (Program(40, (f"nginx: master process {title}",), "nginx", "/usr/sbin/nginx", cgroup=cgroup),
            Program(41, ("nginx: worker process",), "nginx", "/usr/sbin/nginx", 40, uid, cgroup))


def logs() -> dict[str, Entry]:
    """Return nginx's logs, empty."""
    return {ERROR_LOG: text(""), "/var/log/nginx/access.log": text("")}
