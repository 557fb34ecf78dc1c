"""Looking things up in a snapshot, and saying where they were seen: processes, sockets, services, lines of files."""

from __future__ import annotations

import posixpath
from functools import lru_cache

from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.snapshot import (
    Binding,
    Container,
    Endpoint,
    FileContent,
    Listener,
    Nginx,
    Node,
    Process,
    Service,
    Snapshot,
)

_SUPERVISORS = frozenset(("runsvdir", "s6-svscan", "svscan", "circusd", "perpd", "immortaldir"))
ENGINE = "engine"


def find_node(snapshot: Snapshot, name: str | None) -> Node | None:
    """The node with that name, None where there is none."""
    return next((node for node in snapshot.nodes if node.name == name), None)


def clock_of(snapshot: Snapshot, name: str | None) -> float:
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


def supervisor_name_of(process: Process) -> str:
    """The name of a supervisor that is no systemd, supervisord or Docker; empty for any other program. What is a script
    runs as Python's argument."""
    if not process.argv:
        return ""
    if process.argv[0].startswith("PM2 v"):
        return "PM2"
    names = [word.partition(" ")[0].rpartition("/")[2] for word in process.argv[:2]]
    return next((name for name in names[:2 if names[0].startswith("python") else 1] if name in _SUPERVISORS), "")


def listeners_on(snapshot: Snapshot, node: str | None) -> tuple[Listener, ...]:
    """The listening sockets of a node, none where they could not be read."""
    found = find_node(snapshot, node)
    return () if found is None or isinstance(found.listeners, Unknown) else found.listeners.value


def pids_of(listener: Listener) -> tuple[int, ...]:
    """Who holds a socket; none where that is not known."""
    return listener.pids.or_else(())


def listener_at(endpoint: Endpoint) -> Listener | None:
    """The socket that accepts at an endpoint, None where there is none or nobody could look."""
    return endpoint.listener.or_else(None)


def address_text(host: str, port: int, unix: str | None = None) -> str:
    """`host:port`, with brackets round an IPv6 address, or `unix:PATH`."""
    if unix is not None:
        return f"unix:{unix}"
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def endpoint_text(endpoint: Endpoint) -> str:
    """The address of an endpoint, for people; of several copies behind one name, the one that is meant."""
    text = address_text(endpoint.host, endpoint.port, endpoint.unix)
    return f"{text} ({endpoint.single_address})" if endpoint.single_address else text


def file_line_text(snapshot: Snapshot, node: str, path: str, line: int = 0) -> str:
    """`file:line`, with the node before it where a target has several."""
    where = f"{path}:{line}" if line else path
    several = len([n for n in snapshot.nodes if n.name != ENGINE]) > 1
    return f"{node}:{where}" if several and node != ENGINE else where


def config_evidence(snapshot: Snapshot, nginx: Nginx, endpoint: Endpoint) -> Evidence:
    """The line of nginx's configuration that names an endpoint."""
    return Evidence(
        "nginx-config",
        file_line_text(snapshot, nginx.node, endpoint.file, endpoint.line),
        line_text(snapshot, nginx.node, endpoint.file, endpoint.line) or endpoint.written,
    )


def line_text(snapshot: Snapshot, node: str, path: str, line: int) -> str:
    """One line of a file that was read, without the space around it; empty where it was not read."""
    file = snapshot.file(node, path)
    if file is None:
        return ""
    lines = _split_lines(file.data)
    return lines[line - 1].decode("utf-8", "replace").strip() if 0 < line <= len(lines) else ""


@lru_cache(maxsize=4)      # of one file many lines are told, one for each address in it
def _split_lines(data: bytes) -> list[bytes]:
    return data.split(b"\n")


def no_listener_evidence(endpoint: Endpoint) -> tuple[Evidence, ...]:
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
    held = [process_text(snapshot, listener.node, p) for p in processes_of(
        snapshot, listener.node, pids_of(listener)[:1])]
    text = ", ".join([*held, *([service.name] if service is not None else [])]) or "holder unknown"
    return Evidence("socket", f"socket {where}", text)


def process_text(snapshot: Snapshot, node: str, process: Process) -> str:
    """`COMMAND, pid N, user U, running for T`: what a person must know before it is touched."""
    age = max(0.0, clock_of(snapshot, node) - process.started_at)
    command = " ".join(process.argv)[:160] or process.comm
    return f"{command}, pid {process.pid}, uid {process.uid}, running for {age_text(age)}"


def age_text(seconds: float) -> str:
    """A length of time in words."""
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {word}"
    return f"{int(seconds)} s"


def log_evidence(text: str, where: str) -> Evidence:
    """One line of a service's log."""
    return Evidence("service-log", where, text.strip()[:300])


def bindings_of(service: Service) -> tuple[Binding, ...]:
    """Where the service is told to listen, none where that could not be read."""
    return service.bindings.or_else(())


_TEMPLATES = (".template", ".tmpl", ".tpl")


def template_of(snapshot: Snapshot, file: FileContent) -> str | None:
    """What the image's entry point makes the file of, as nginx's own does of /etc/nginx/templates."""
    node = find_node(snapshot, file.node)
    names = {posixpath.basename(file.real_path) + ending for ending in _TEMPLATES}
    return next((path for path, _ in node.files if posixpath.basename(path) in names), None) if node else None


def path_below(source: str, destination: str, path: str) -> str:
    """The path below `source` that `path` is below `destination`."""
    return posixpath.normpath(source + path[len(destination.rstrip("/")):] if path != destination else source)


def host_path_of(box: Container, path: str) -> str:
    """Where a file that a container has from the Docker host lies there, empty where it is none of those."""
    within = [m for m in box.mounts if path == m[1] or path.startswith(m[1].rstrip("/") + "/")]
    mount = max(within, key=lambda m: len(m[1]), default=None)
    return path_below(mount[0], mount[1], path) if mount is not None else ""


def replaced_mount_file(snapshot: Snapshot, file: FileContent) -> FileContent | None:
    """The file of the host where the mounted folder lay: another one, since that folder was moved away or deleted and a
    new one put in its place (a deployment). The container holds on to the old folder until it is started again."""
    box = container_of(snapshot, file.node)
    if box is None or box.is_machine:
        return None
    for source, destination, _ in sorted(box.mounts, key=lambda m: -len(m[1])):
        if file.real_path.startswith(destination.rstrip("/") + "/"):
            outside = snapshot.file(ENGINE, path_below(source, destination, file.real_path))
            differs = outside is not None and outside.data != file.data and outside.stat.inode != file.stat.inode
            return outside if differs else None
    return None


def container_of(snapshot: Snapshot, node: str) -> Container | None:
    """The container that a node is."""
    for service in snapshot.services:
        if service.node == node and service.container is not None:
            return service.container
    for nginx in snapshot.nginxes:
        if nginx.node == node and nginx.service is not None and nginx.service.container is not None:
            return nginx.service.container
    return None
