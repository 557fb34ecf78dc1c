"""Lookups in a snapshot, and evidence about processes, sockets, services and lines of files."""

from __future__ import annotations

import posixpath
from functools import lru_cache

from fixer.formats.folders import is_below, is_within
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
    """Return the node with that name, or None."""
    return next((node for node in snapshot.nodes if node.name == name), None)


def clock_of(snapshot: Snapshot, name: str | None) -> float:
    """Return the clock of a node, in seconds since the epoch."""
    node = find_node(snapshot, name)
    return snapshot.taken_at if node is None else node.now


def recent_since(snapshot: Snapshot, name: str | None, seconds: float) -> float:
    """Return the moment so many seconds ago on the node, or that of fixer's last repair if it is later: what was before
    a repair, the repair has explained."""
    quiet = snapshot.seconds_since_repair
    return clock_of(snapshot, name) - (min(seconds, quiet) if quiet else seconds)


def processes_of(snapshot: Snapshot, node: str | None, pids: tuple[int, ...]) -> tuple[Process, ...]:
    """Return the processes of a node that have these ids."""
    found = find_node(snapshot, node)
    if found is None or isinstance(found.processes, Unknown):
        return ()
    wanted = set(pids)
    return tuple(process for process in found.processes.value if process.pid in wanted)


def supervisor_name_of(process: Process) -> str:
    """Return the name of a supervisor other than systemd, supervisord and Docker; empty for any other program. A
    supervisor written in Python is the interpreter's first argument."""
    if not process.argv:
        return ""
    if process.argv[0].startswith("PM2 v"):
        return "PM2"
    names = [word.partition(" ")[0].rpartition("/")[2] for word in process.argv[:2]]
    return next((name for name in names[:2 if names[0].startswith("python") else 1] if name in _SUPERVISORS), "")


def listeners_on(snapshot: Snapshot, node: str | None) -> tuple[Listener, ...]:
    """Return the listening sockets of a node; empty if they could not be read."""
    found = find_node(snapshot, node)
    return () if found is None or isinstance(found.listeners, Unknown) else found.listeners.value


def pids_of(listener: Listener) -> tuple[int, ...]:
    """Return the pids that hold a socket; empty if unknown."""
    return listener.pids.or_else(())


def listener_at(endpoint: Endpoint) -> Listener | None:
    """Return the listener of an endpoint; None if there is none or it is unknown."""
    return endpoint.listener.or_else(None)


def address_text(host: str, port: int, unix: str | None = None) -> str:
    """Return `host:port`, with brackets around an IPv6 address, or `unix:PATH`."""
    if unix is not None:
        return f"unix:{unix}"
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def endpoint_text(endpoint: Endpoint) -> str:
    """Return the address of an endpoint for people; of several replicas with one name, with its own address."""
    text = address_text(endpoint.host, endpoint.port, endpoint.unix)
    return f"{text} ({endpoint.single_address})" if endpoint.single_address else text


def file_line_text(snapshot: Snapshot, node: str, path: str, line: int = 0) -> str:
    """Return `file:line`, with the node in front if the target has several."""
    where = f"{path}:{line}" if line else path
    several = len([n for n in snapshot.nodes if n.name != ENGINE]) > 1
    return f"{node}:{where}" if several and node != ENGINE else where


def config_evidence(snapshot: Snapshot, nginx: Nginx, endpoint: Endpoint) -> Evidence:
    """Return the line of nginx's configuration that names an endpoint."""
    return Evidence(
        "nginx-config",
        file_line_text(snapshot, nginx.node, endpoint.file, endpoint.line),
        line_text(snapshot, nginx.node, endpoint.file, endpoint.line) or endpoint.written,
    )


def line_text(snapshot: Snapshot, node: str, path: str, line: int) -> str:
    """Return one line of a file, stripped; empty if the file was not read."""
    file = snapshot.file(node, path)
    if file is None:
        return ""
    lines = _split_lines(file.data)
    return lines[line - 1].decode("utf-8", "replace").strip() if 0 < line <= len(lines) else ""


@lru_cache(maxsize=4)      # many addresses cite lines of one file
def _split_lines(data: bytes) -> list[bytes]:
    return data.split(b"\n")


def connect_error_text(error: str) -> str:
    """Return how an attempt to connect failed. Where nothing answered, that is all that was seen."""
    return f"connect: {'no answer in time' if error == 'slow' else error}"


def no_listener_evidence(endpoint: Endpoint) -> tuple[Evidence, ...]:
    """Return the evidence that nothing accepts at an endpoint."""
    shown: list[Evidence] = []
    if isinstance(endpoint.listener, Known) and endpoint.listener.value is None:
        shown += endpoint.listener.evidence or (
            Evidence("socket", f"socket {endpoint_text(endpoint)}", "no socket listens there"),
        )
    if isinstance(endpoint.tcp, Known) and endpoint.tcp.value.error is not None:
        shown += endpoint.tcp.evidence or (
            Evidence("probe", endpoint_text(endpoint), connect_error_text(endpoint.tcp.value.error)),
        )
    return tuple(shown)


def listener_evidence(snapshot: Snapshot, listener: Listener, service: Service | None = None) -> Evidence:
    """Return a listening socket and its holder as evidence."""
    where = address_text(listener.address, listener.port, listener.address if listener.family == "unix" else None)
    held = [process_text(snapshot, listener.node, p) for p in processes_of(
        snapshot, listener.node, pids_of(listener)[:1])]
    text = ", ".join([*held, *([service.name] if service is not None else [])]) or "holder unknown"
    return Evidence("socket", f"socket {where}", text)


def process_text(snapshot: Snapshot, node: str, process: Process) -> str:
    """Return `COMMAND, pid N, uid U, running for T`: what an operator must know before acting on it."""
    age = max(0.0, clock_of(snapshot, node) - process.started_at)
    command = shorten(" ".join(process.argv), 160) or process.comm
    return f"{command}, pid {process.pid}, uid {process.uid}, running for {age_text(age)}"


def age_text(seconds: float) -> str:
    """Return a duration as text."""
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {word}"
    return f"{int(seconds)} s"


def shorten(text: str, most: int) -> str:
    """Return a text of other people for a sentence: what is cut off ends with an ellipsis. Evidence holds it whole."""
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def log_evidence(text: str, where: str) -> Evidence:
    """Return one line of a service's log as evidence."""
    return Evidence("service-log", where, text.strip())


def bindings_of(service: Service) -> tuple[Binding, ...]:
    """Return where the service is configured to listen; empty if that could not be read."""
    return service.bindings.or_else(())


_TEMPLATES = (".template", ".tmpl", ".tpl")


def template_of(snapshot: Snapshot, file: FileContent) -> str | None:
    """Return the template of the file, if the image's entry point generates it (/etc/nginx/templates), or None."""
    node = find_node(snapshot, file.node)
    names = {posixpath.basename(file.real_path) + ending for ending in _TEMPLATES}
    return next((path for path, _ in node.files if posixpath.basename(path) in names), None) if node else None


def path_below(source: str, destination: str, path: str) -> str:
    """Return the path below `source` that `path` is below `destination`."""
    return posixpath.normpath(source + path[len(destination.rstrip("/")):] if path != destination else source)


def host_path_of(box: Container, path: str) -> str:
    """Return the path on the Docker host of a file that a container mounts; empty if it mounts no such file."""
    within = [m for m in box.mounts if is_within(path, m[1])]
    mount = max(within, key=lambda m: len(m[1]), default=None)
    return path_below(mount[0], mount[1], path) if mount is not None else ""


def replaced_mount_file(snapshot: Snapshot, file: FileContent) -> FileContent | None:
    """Return the host's present file if it differs from the mounted one, else None. The mounted folder was moved or
    deleted and created again (a deployment). The container keeps the old folder until it is restarted."""
    box = container_of(snapshot, file.node)
    if box is None or box.is_machine:
        return None
    for source, destination, _ in sorted(box.mounts, key=lambda m: -len(m[1])):
        if is_below(file.real_path, destination):
            outside = snapshot.file(ENGINE, path_below(source, destination, file.real_path))
            differs = outside is not None and outside.data != file.data and outside.stat.inode != file.stat.inode
            return outside if differs else None
    return None


def container_of(snapshot: Snapshot, node: str) -> Container | None:
    """Return the container that a node is, or None."""
    for service in snapshot.services:
        if service.node == node and service.container is not None:
            return service.container
    for nginx in snapshot.nginxes:
        if nginx.node == node and nginx.service is not None and nginx.service.container is not None:
            return nginx.service.container
    return None
