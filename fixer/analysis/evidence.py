"""Looking things up in a snapshot, and saying where they were seen: processes, sockets, services, lines of files."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias, TypeGuard

from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import (
    Binding,
    Container,
    Endpoint,
    Listener,
    Nginx,
    Node,
    Process,
    Program,
    Service,
    Snapshot,
    Unit,
)

Condition: TypeAlias = Literal[
    "running", "starting", "looping", "stopped", "failed", "masked", "paused", "unknown",
]

_KEEPERS = frozenset(("runsvdir", "s6-svscan", "svscan", "circusd", "perpd", "immortaldir"))
_CLEAN_EXITS = frozenset({0, 130, 143})     # done, Ctrl-C, `docker stop`
ENGINE = "engine"
_NO_CRASH = ("", "success", "exec-condition")     # results of systemd that no failed run leaves


def condition(service: Service) -> Condition:
    """What its manager says of it now."""
    if service.unit is not None:
        return _unit_condition(service.unit)
    if service.container is not None:
        return _container_condition(service.container)
    if service.program is not None:
        return _program_condition(service.program)
    return "running" if service.pids else "stopped"


def _unit_condition(unit: Unit) -> Condition:
    if unit.load_state == "masked":
        return "masked"
    if unit.awaits:
        return "starting"
    if unit.active_state == "active":
        return "running"
    if unit.active_state == "activating":
        return "looping" if unit.sub_state == "auto-restart" or unit.n_restarts else "starting"
    if unit.active_state == "failed":
        return "stopped" if _ended_when_told(unit) else "failed"
    if unit.active_state == "inactive" and unit.load_state == "loaded":
        # Stopped in the pause of a crash loop it is inactive, and its result is still that of its last run.
        return "stopped" if unit.result in _NO_CRASH else "failed"
    return "unknown"


def _ended_when_told(unit: Unit) -> bool:
    """It took the signal of its stop and said so by its status, as Java and socat do: systemd calls that a failure."""
    return unit.result == "exit-code" and unit.exec_main_code == 1 and not unit.n_restarts and \
        unit.exec_main_status in _CLEAN_EXITS


def _container_condition(container: Container) -> Condition:
    match container.status:
        case "running":
            return "running"
        case "paused":
            return "paused"
        case "restarting":
            return "looping"
        case "created":
            return "failed" if container.error else "stopped"
        case "exited" | "dead":
            return "stopped" if container.exit_code in _CLEAN_EXITS and not container.error else "failed"
        case _:
            return "unknown"


def _program_condition(program: Program) -> Condition:
    match program.state:
        case "RUNNING":
            return "running"
        case "STARTING":
            return "looping" if program.restarts else "starting"
        case "BACKOFF":
            return "looping"
        case "FATAL":
            return "failed"
        case "EXITED" | "STOPPED":      # stopped in the pause of a crash loop it is down for what ended it
            return "stopped" if program.expected else "failed"
        case "DOWN":
            return "stopped"
        case _:
            return "unknown"


def ran_since(service: Service) -> float:
    """When it last began to run, 0.0 where that is not known."""
    if service.unit is not None:
        return service.unit.active_enter
    if service.program is not None:
        return service.program.started_at
    return service.container.started_at if service.container is not None else 0.0


def restarts(service: Service) -> int:
    """How often its manager has started it again by itself."""
    if service.unit is not None:
        return service.unit.n_restarts
    if service.program is not None:
        return service.program.restarts
    return service.container.restart_count if service.container is not None else 0


def find_node(snapshot: Snapshot, name: str | None) -> Node | None:
    """The node with that name, None where there is none."""
    return next((node for node in snapshot.nodes if node.name == name), None)


def now_on(snapshot: Snapshot, name: str | None) -> float:
    """The clock of a node."""
    node = find_node(snapshot, name)
    return snapshot.taken_at if node is None else node.now


def processes_of(snapshot: Snapshot, node: str | None, pids: tuple[int, ...]) -> tuple[Process, ...]:
    """The processes with these ids on a node."""
    found = find_node(snapshot, node)
    if found is None or isinstance(found.processes, Unknown):
        return ()
    wanted = set(pids)
    return tuple(process for process in found.processes.value if process.pid in wanted)


def keeper_of(process: Process) -> str:
    """The name of a supervisor that is no systemd, supervisord or Docker; empty for any other program. What is a script
    runs as Python's argument."""
    if not process.argv:
        return ""
    if process.argv[0].startswith("PM2 v"):
        return "PM2"
    names = [word.partition(" ")[0].rpartition("/")[2] for word in process.argv[:2]]
    return next((name for name in names[:2 if names[0].startswith("python") else 1] if name in _KEEPERS), "")


def listeners_on(snapshot: Snapshot, node: str | None) -> tuple[Listener, ...]:
    """The listening sockets of a node, none where they could not be read."""
    found = find_node(snapshot, node)
    return () if found is None or isinstance(found.listeners, Unknown) else found.listeners.value


def pids_of(listener: Listener) -> tuple[int, ...]:
    """Who holds a socket; none where that is not known."""
    return listener.pids.value if isinstance(listener.pids, Known) else ()


def listener_at(endpoint: Endpoint) -> Listener | None:
    """The socket that accepts at an endpoint, None where there is none or nobody could look."""
    return endpoint.listener.value if isinstance(endpoint.listener, Known) else None


def address_text(host: str, port: int, unix: str | None = None) -> str:
    """`host:port`, with brackets round an IPv6 address, or `unix:PATH`."""
    if unix is not None:
        return f"unix:{unix}"
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def endpoint_text(endpoint: Endpoint) -> str:
    """The address of an endpoint, for people; of several copies behind one name, the one that is meant."""
    text = address_text(endpoint.host, endpoint.port, endpoint.unix)
    return f"{text} ({endpoint.at})" if endpoint.at else text


def place(snapshot: Snapshot, node: str, path: str, line: int = 0) -> str:
    """`file:line`, with the node before it where a target has several."""
    where = f"{path}:{line}" if line else path
    several = len([n for n in snapshot.nodes if n.name != ENGINE]) > 1
    return f"{node}:{where}" if several and node != ENGINE else where


def config_evidence(snapshot: Snapshot, nginx: Nginx, endpoint: Endpoint) -> Evidence:
    """The line of nginx's configuration that names an endpoint."""
    return Evidence(
        "nginx-config",
        place(snapshot, nginx.node, endpoint.file, endpoint.line),
        line_text(snapshot, nginx.node, endpoint.file, endpoint.line) or endpoint.written,
    )


def line_text(snapshot: Snapshot, node: str, path: str, line: int) -> str:
    """One line of a file that was read, without the space around it; empty where it was not read."""
    file = snapshot.file(node, path)
    if file is None:
        return ""
    lines = _lines(file.data)
    return lines[line - 1].decode("utf-8", "replace").strip() if 0 < line <= len(lines) else ""


@lru_cache(maxsize=4)      # of one file many lines are told, one for each address in it
def _lines(data: bytes) -> list[bytes]:
    return data.split(b"\n")


def is_activated(service: Service) -> bool:
    """systemd holds its socket and starts it when somebody connects: it may rest."""
    return service.socket is not None and service.socket.active_state == "active"


def absent_evidence(endpoint: Endpoint) -> tuple[Evidence, ...]:
    """What shows that nothing accepts at an endpoint."""
    shown: list[Evidence] = []
    if isinstance(endpoint.listener, Known) and endpoint.listener.value is None:
        shown += endpoint.listener.evidence or (
            Evidence("socket", f"socket {endpoint_text(endpoint)}", "no socket listens there"),
        )
    if isinstance(endpoint.tcp, Known) and endpoint.tcp.value.error is not None:
        shown += endpoint.tcp.evidence or (
            Evidence("probe", endpoint_text(endpoint), f"connect: {endpoint.tcp.value.error}"),
        )
    return tuple(shown)


def listener_evidence(snapshot: Snapshot, listener: Listener, service: Service | None = None) -> Evidence:
    """A socket with who holds it."""
    where = address_text(listener.address, listener.port, listener.address if listener.family == "unix" else None)
    held = [describe_process(snapshot, listener.node, p) for p in processes_of(
        snapshot, listener.node, pids_of(listener)[:1])]
    text = ", ".join([*held, *([service.name] if service is not None else [])]) or "holder unknown"
    return Evidence("socket", f"socket {where}", text)


def describe_process(snapshot: Snapshot, node: str, process: Process) -> str:
    """`COMMAND, pid N, user U, running for T`: what a person must know before it is touched."""
    age = max(0.0, now_on(snapshot, node) - process.started_at)
    command = " ".join(process.argv)[:160] or process.comm
    return f"{command}, pid {process.pid}, uid {process.uid}, running for {say_age(age)}"


def say_age(seconds: float) -> str:
    """A length of time in words."""
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {word}"
    return f"{int(seconds)} s"


def is_queued(service: Service | None) -> TypeGuard[Service]:
    """systemd has not come to its start: another would wait in the same queue."""
    return service is not None and service.unit is not None and bool(service.unit.awaits)


def state_evidence(service: Service) -> Evidence:
    """What the manager says of a service, in its own words."""
    unit, container = service.unit, service.container
    if unit is not None:
        text = (
            f"{unit.active_state} ({unit.sub_state}), Result={unit.result}, status={unit.exec_main_status}, "
            f"NRestarts={unit.n_restarts}, {unit.unit_file_state or unit.load_state}"
        ) + (", by its journal, forgotten since" if unit.recalled else "")
        return Evidence("unit", unit.name, text)
    if container is not None:
        text = f"{container.status}, exit code {container.exit_code}, restarted {container.restart_count} times"
        return Evidence("container", container.name, text + (f", {container.error}" if container.error else ""))
    if service.program is not None:
        return _program_evidence(service.program)
    pids = ", ".join(str(pid) for pid in service.pids)
    return Evidence("process", service.name, f"pid {pids}" if pids else "no process")


def _program_evidence(program: Program) -> Evidence:
    words = {"DOWN": "supervisord does not run", "UNKNOWN": "state unknown"}.get(program.state, program.state)
    ended = f", {program.ended}" if program.ended and program.state not in ("RUNNING", "DOWN") else ""
    boot = "autostart" if program.autostart else "no autostart"
    return Evidence("program", program.name, f"{words}{ended}, ended {program.restarts} times lately, {boot}")


def log_evidence(text: str, where: str) -> Evidence:
    """One line of a service's log."""
    return Evidence("service-log", where, text.strip()[:300])


def bindings_of(service: Service) -> tuple[Binding, ...]:
    """Where the service is told to listen, none where that could not be read."""
    return service.bindings.value if isinstance(service.bindings, Known) else ()
