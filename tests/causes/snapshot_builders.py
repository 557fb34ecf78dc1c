"""Small pure builders of snapshots: a healthy host with nginx before one unit, and a healthy pair of containers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fixer.analysis.case import open_case
from fixer.causes import causes_in
from fixer.model.diagnosis import UNEXPLAINED, Diagnosis, Finding, Found, RuledOut, Undetermined
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.nginx_config import ConfigProblem, Listen, NginxConfig, Route, Span, StaticLocation, UpstreamServer
from fixer.model.query import FileStat
from fixer.model.snapshot import (
    Binding,
    Container,
    Endpoint,
    ErrorEvent,
    FileContent,
    Listener,
    LogLine,
    Nginx,
    Node,
    ProbeResult,
    Process,
    Program,
    RouteFacts,
    Service,
    Snapshot,
    Unit,
)
from fixer.model.target import TargetRef
from fixer.nginx.error_kinds import error_kind

NOW = 1_800_000_000.0
SITE = "/etc/nginx/sites-enabled/shop"
NGINX_PID = 100


def process(pid: int, *argv: str, **changes: Any) -> Process:
    words = argv or ("/usr/bin/python3", "/usr/bin/uvicorn", "app.main:app")
    made = Process(
        pid=pid, ppid=1, comm=words[0].rsplit("/", 1)[-1][:15], argv=words, state="S", started_at=NOW - 3600,
        start_ticks=pid * 100, uid=998, unit=None, cgroup="", exe=Known(words[0]), cwd=Known("/srv/shop"), threads=1,
        rss_bytes=50 << 20,
    )
    return replace(made, **changes)


def listener(port: int, pid: int | None, address: str = "127.0.0.1", node: str = "local", **changes: Any) -> Listener:
    made = Listener(
        node=node, family="tcp6" if ":" in address else "tcp", address=address, port=port, inode=port * 10,
        pids=Unknown("not root") if pid is None else Known((pid,)), queued=0,
    )
    return replace(made, **changes)


def unit(name: str, **changes: Any) -> Unit:
    made = Unit(
        name=name, load_state="loaded", active_state="active", sub_state="running", result="success", exec_main_code=0,
        exec_main_status=0, main_pid=200, n_restarts=0, unit_file_state="enabled",
        fragment_path=f"/etc/systemd/system/{name}", drop_in_paths=(), environment_files=(), environment_names=(),
        exec_start=("/usr/bin/uvicorn", "app.main:app", "--port", "8000"), user="shop", group="shop",
        working_directory="/srv/shop", restart="no", type="simple", need_daemon_reload=False, condition_result=True,
        load_error="", active_enter=NOW - 3600, inactive_enter=0.0, state_change=NOW - 3600, start_limit_burst=5,
        start_limit_interval=10.0,
    )
    return replace(made, **changes)


STOPPED = {
    "active_state": "inactive", "sub_state": "dead", "main_pid": 0, "inactive_enter": NOW - 60, "state_change": NOW - 60,
}
FAILED = {**STOPPED, "active_state": "failed", "sub_state": "failed", "result": "exit-code", "exec_main_code": 1,
          "exec_main_status": 1}


def service(name: str = "backend.service", port: int = 8000, pid: int | None = 200, **changes: Any) -> Service:
    node = changes.pop("node", "local")
    unit_changes = changes.pop("unit_changes", {})
    own = unit(name, **{"main_pid": pid or 0, **unit_changes}) if "unit" not in changes else changes.pop("unit")
    made = Service(
        id=f"{node}/{name}", name=name, node=node, manager="systemd", unit=own, container=None,
        pids=() if pid is None else (pid,), argv=("/usr/bin/uvicorn", "app.main:app", "--port", str(port)),
        bindings=Known((binding(port),)), env=(), env_files=(), workers=Known(1), log=Known(()), is_app_server=True,
        runtime="uvicorn", files_node=node,
    )
    return replace(made, **changes)


def supervised_service(state: str = "RUNNING", port: int = 8000, **changes: Any) -> Service:
    """A program of supervisord; it has a process where it runs."""
    about = changes.pop("program", {})
    made = Program(
        name="shop", group="shop", state=state, conf="/etc/supervisor/supervisord.conf",
        file="/etc/supervisor/conf.d/shop.conf", line=1, autostart=True, autorestart="unexpected",
    )
    return service("shop", port, 300 if state == "RUNNING" else None, unit=None, manager="supervisord",
                   program=replace(made, **about), **changes)


def stopped_service(name: str = "backend.service", port: int = 8000, **changes: Any) -> Service:
    return service(name, port, None, unit_changes={**STOPPED, **changes.pop("unit_changes", {})}, **changes)


def failed_service(name: str = "backend.service", port: int = 8000, **changes: Any) -> Service:
    return service(name, port, None, unit_changes={**FAILED, **changes.pop("unit_changes", {})}, **changes)


def binding(port: int, where: str = "/etc/systemd/system/backend.service:6") -> Binding:
    return Binding("127.0.0.1", port, None, Evidence("unit", where, f"--port {port}"))


def container(name: str, **changes: Any) -> Container:
    made = Container(
        id=name * 4, name=f"p-{name}-1", service=name, project="p", image="i", status="running", exit_code=0, error="",
        oom_killed=False, pid=900, restart_policy="no", restart_count=0, health=None, started_at=NOW - 3600,
        finished_at=0.0, argv=("uvicorn", "app.main:app"), user="", env_names=(),
        networks=(("p_default", "172.18.0.2", (name,)),), published=(), mounts=(), labels=(),
    )
    return replace(made, **changes)


def container_service(name: str = "app", port: int = 8000, **changes: Any) -> Service:
    """A service that is a container, and listens on each of its addresses."""
    box = container(name, **changes.pop("box", {}))
    changes.setdefault("bindings", Known((replace(binding(port), host="0.0.0.0"),)))
    return service(
        box.name, port, changes.pop("pid", 7), node=name, unit=None, manager="docker", container=box,
        files_node="engine", **changes,
    )


def stat(**changes: Any) -> FileStat:
    made = FileStat(kind="file", mode=0o100644, uid=0, gid=0, size=1, mtime=NOW - 7200, inode=5, nlink=1)
    return replace(made, **changes)


def file(path: str, data: str | bytes, node: str = "local", **changes: Any) -> FileContent:
    raw = data.encode() if isinstance(data, str) else data
    made = FileContent(node, path, changes.pop("real_path", path), raw, changes.pop("stat", stat()))
    return replace(made, **changes)


def probe(status: int | None = None, error: str | None = None, **changes: Any) -> ProbeResult:
    errno = 111 if error == "refused" else None
    made = ProbeResult(status, error, errno, "done" if status else "connect", 3.0)
    return replace(made, **changes)


BAD_GATEWAY = probe(502, body="<html><center><h1>502 Bad Gateway</h1></center><hr><center>nginx/1.26.3</center>")
TIMED_OUT = probe(504, body="<html><center><h1>504 Gateway Time-out</h1></center><hr><center>nginx</center>")
SLOW = probe(error="slow")
GOOD = probe(200)
REFUSED = probe(error="refused")


def error_event(at: float, level: str, message: str, errno: int | None, phase: str, *others: str, **named: str) -> ErrorEvent:
    """A line of nginx's log as the parser makes it: of the kind that its level, message, errno and phase say."""
    return ErrorEvent(at, level, message, errno, phase, *others, **named, kind=error_kind(level, message, errno, phase))


def at_level(event: ErrorEvent, level: str) -> ErrorEvent:
    """The same line, written at another level."""
    return replace(event, level=level, kind=error_kind(level, event.message, event.errno, event.phase))


def site(*written: str) -> tuple[FileContent, list[tuple[int, int, int]]]:
    """A site file with one location for each address, and where (line, start, end) each stands."""
    lines = ["server {", "    listen 80;"]
    spots = []
    for index, text in enumerate(written):
        prefix = f"    location /{'' if index == 0 else index} {{ proxy_pass http://"
        at = sum(len(line) + 1 for line in lines) + len(prefix)
        lines.append(f"{prefix}{text}; }}")
        spots.append((len(lines), at, at + len(text)))
    lines.append("}")
    return file(SITE, "\n".join(lines) + "\n", real_path="/etc/nginx/sites-available/shop"), spots


class Scene:
    """A snapshot in the making. `node` is where nginx is, `back` where the backends are."""

    def __init__(self, *written: str, node: str = "local", back: str = "local") -> None:
        self.node, self.back = node, back
        self.written = written or ("127.0.0.1:8000",)
        page, self.spots = site(*self.written)
        self.files: list[FileContent] = [replace(page, node=node)]
        self.services: list[Service] = []
        self.listeners: list[Listener] = [listener(80, NGINX_PID, "0.0.0.0", node)]
        self.processes: list[Process] = [process(NGINX_PID, "nginx: master process /usr/sbin/nginx")]
        self.probes: dict[int, Fact[tuple[ProbeResult, ...]]] = {}
        self.direct: dict[int, ProbeResult] = {}      # what its endpoint answers for another page
        self.changes: dict[int, dict[str, Any]] = {}
        self.nginx: dict[str, Any] = {}
        self.route: dict[int, dict[str, Any]] = {}
        self.events: list[ErrorEvent] = []
        self.problems: tuple[ConfigProblem, ...] = ()
        self.statics: tuple[StaticLocation, ...] = ()
        self.extra: dict[str, Any] = {}
        self.node_changes: dict[str, dict[str, Any]] = {}

    def with_service(self, made: Service, *lines: Listener, state: str = "S", **about: Any) -> Scene:
        self.services.append(made)
        self.listeners += lines
        self.processes += [process(pid, *made.argv, state=state, unit=made.unit.name if made.unit else None, **about)
                           for pid in made.pids]
        return self

    def answers(self, *probes: ProbeResult, route: int = 0) -> Scene:
        self.probes[route] = Known(probes)
        return self

    def endpoint(self, index: int = 0, **changes: Any) -> Scene:
        self.changes.setdefault(index, {}).update(changes)
        return self

    def logs(self, message: str, errno: int | None, phase: str, *, ago: float = 5.0, count: int = 1, path: str = "/") -> Scene:
        for number in range(count):
            raw = f"[error] {message} while {phase}, request: \"GET {path}?{number} HTTP/1.1\""
            self.events.append(error_event(
                at=NOW - ago, level="error", message=message, errno=errno, phase=phase, client="10.0.0.9", server="",
                request=f"GET {path}?{number} HTTP/1.1", upstream="", where=f"/var/log/nginx/error.log:{number + 1}",
                raw=raw,
            ))
        return self

    def refused(self, index: int = 0, **changes: Any) -> Scene:
        """Nothing listens at the address, and its routes answer 502."""
        self.endpoint(index, listener=Known(None), tcp=Known(REFUSED), http=Known(REFUSED), listening_service=None, **changes)
        self.probes[index] = Known((BAD_GATEWAY,))
        return self.logs("connect() failed (111: Connection refused)", 111, "connecting to upstream")

    def _endpoint(self, index: int, text: str) -> Endpoint:
        line, start, end = self.spots[index]
        host, _, port = text.rpartition(":") if text.rpartition(":")[2].isdigit() else (text, "", "80")
        held = next((x for x in self.listeners if x.port == int(port) and x.node == self.back), None)
        pids = held.pids.value if held is not None and isinstance(held.pids, Known) else ()
        owner = next((s for s in self.services if set(s.pids) & set(pids)), None)
        told = next((s for s in self.services if isinstance(s.bindings, Known)
                     and any(b.port == int(port) for b in s.bindings.value)), None)
        boxed_here = next((s for s in self.services if s.container is not None and s.node == self.back), None)
        belongs = boxed_here or told or owner
        made = Endpoint(
            id=f"e{index}", written=text, host=host, port=int(port), unix=None,
            addresses=Known(("127.0.0.1",) if host == "localhost" else (host,)), node=self.back, file=SITE, line=line,
            start=start, end=end, listener=Known(held), tcp=Known(probe() if held else REFUSED),
            http=Known(GOOD if held else REFUSED), configured_service=belongs.id if belongs else None,
            service_evidence=(), listening_service=owner.id if owner else None,
        )
        return replace(made, **self.changes.get(index, {}))

    def _route(self, index: int, text: str) -> Route:
        line, start, end = self.spots[index]
        location = "/" if index == 0 else f"/{index}"
        source = Span(SITE, line, start, end)
        port = text.rpartition(":")[2]
        made = Route(
            id=f"r{index + 1}", kind="proxy_pass", scheme="http",
            listens=(Listen("0.0.0.0", 80, False, False, False, Span(SITE, 2, 0, 0)),), server_names=("_",),
            location=location, path=location, source=source, pass_text=f"http://{text}",
            servers=(UpstreamServer(text, text, int(port) if port.isdigit() else 80, None, source),), upstream="",
            connect_timeout=60, send_timeout=60, read_timeout=60,
        )
        return replace(made, **self.route.get(index, {}))

    def snapshot(self) -> Snapshot:
        endpoints = tuple(self._endpoint(i, text) for i, text in enumerate(self.written))
        routes = tuple(self._route(i, text) for i, text in enumerate(self.written))
        config = NginxConfig(
            main="/etc/nginx/nginx.conf", files=("/etc/nginx/nginx.conf", SITE), routes=routes, statics=self.statics,
            problems=self.problems, missing=(), pid_path="/run/nginx.pid", error_logs=("/var/log/nginx/error.log",),
            error_log_level="error", user="www-data", worker_processes="auto",
        )
        nginx = Nginx(
            node=self.node, binary="/usr/sbin/nginx", conf_path="/etc/nginx/nginx.conf", prefix="/etc/nginx",
            master_pid=NGINX_PID, worker_pids=(101,), loaded_at=Known(NOW - 3000), config=Known(config),
            config_mtime=Known(NOW - 7200), test=Unknown("not asked"), service=None, errors=Known(tuple(self.events)),
            error_log_path="/var/log/nginx/error.log",
        )
        facts = tuple(
            RouteFacts(route, self.node, (endpoints[i].id,), self.probes.get(i, Known((GOOD,))),
                       direct=((endpoints[i].id, self.direct[i]),) if i in self.direct else ())
            for i, route in enumerate(routes)
        )
        made = Snapshot(
            target=TargetRef("local", "local"), taken_at=NOW, nodes=self._nodes(), nginxes=(replace(nginx, **self.nginx),),
            services=tuple(self.services), endpoints=endpoints, routes=facts, files=tuple(self.files),
        )
        return replace(made, **self.extra)

    def _nodes(self) -> tuple[Node, ...]:
        names = list(dict.fromkeys([self.node, self.back, *(s.node for s in self.services)]))
        return tuple(
            replace(Node(
                name=name, kind="machine" if name == "local" else "container", now=NOW, root=True,
                boot_at=Known(NOW - 86400), addresses=("127.0.0.1",), processes=Known(self._processes(name)),
                listeners=Known(tuple(x for x in self.listeners if x.node == name)),
            ), **self.node_changes.get(name, {}))
            for name in names
        )

    def _processes(self, name: str) -> tuple[Process, ...]:
        if len({self.node, self.back}) == 1:
            return tuple(self.processes)
        return tuple(p for p in self.processes if (p.pid == NGINX_PID) == (name == self.node))


def healthy_scene() -> Scene:
    """nginx before one unit that listens where it should."""
    return Scene().with_service(service(), listener(8000, 200))


def wrong_port_scene(to: int = 8000) -> Scene:
    """nginx asks for 8001, the unit listens elsewhere."""
    return Scene("127.0.0.1:8001").with_service(service(port=to), listener(to, 200)).refused()


def verdict_of(diagnosis: Diagnosis, cause: str) -> Found | RuledOut | Undetermined:
    return next(check.verdict for check in diagnosis.checks if check.cause == cause)


def own_verdict(snapshot: Snapshot, cause: str) -> Found | RuledOut | Undetermined:
    """What a cause says by itself. A diagnosis may doubt that it is ruled out: pages failed for which nobody asked."""
    return causes_in((cause.replace("-", "_"),))[0].verdict(open_case(snapshot, {}))


def causes_of(diagnosis: Diagnosis) -> list[str]:
    """The causes that are proven: what nginx logged without one is none."""
    return [finding.cause for finding in diagnosis.findings if finding.cause != UNEXPLAINED]


def roots(diagnosis: Diagnosis) -> list[str]:
    return [finding.cause for finding in diagnosis.findings if finding.role == "root"]


def finding_of(diagnosis: Diagnosis, cause: str) -> Finding:
    return next(finding for finding in diagnosis.findings if finding.cause == cause)


def log_lines(*texts: str, ago: float = 30.0) -> Known[tuple[LogLine, ...]]:
    return Known(tuple(
        LogLine(NOW - ago + 0.01 * n, text, f"journal of backend.service:{n + 1}") for n, text in enumerate(texts)
    ))


__all__: Sequence[str] = [name for name in dir() if not name.startswith("_")]
