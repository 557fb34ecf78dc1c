"""Views of nodes: processes, sockets, units and files in a node's answers, and which container is which node."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

from fixer.formats.addresses import is_loopback
from fixer.formats.name_files import NAME_FILES, name_servers_in, parse_hosts
from fixer.formats.process_table import ProcessTable, parse_processes
from fixer.formats.socket_tables import parse_sockets, with_absolute_paths
from fixer.formats.systemctl_show import parse_show, with_active_conflicts
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.parse_cache import parse_once
from fixer.model.capture import Capture, NodeCapture
from fixer.model.facts import Fact
from fixer.model.query import (
    Answer,
    Command,
    CommandName,
    FileAnswer,
    ListProcesses,
    ListSockets,
    Query,
    ReadFile,
    ReadGlob,
    ReadTree,
)
from fixer.model.snapshot import Container, Listener, Process, Unit

with lazy_imports():  # not needed in most looks
    from fixer.observe.view.docker_inspect import parse_inspect

ENGINE = "engine"
_MACHINE_TARGETS = ("local", "ssh")        # kinds of targets that are machines
PEEK_BYTES = 512            # bytes that a glob or tree reads of each file if only its path and first lines matter
INSPECT_COMMANDS: frozenset[CommandName] = frozenset({
    "docker-project", "docker-container", "docker-published", "docker-called"})
UNIT_FILES = ReadGlob((
    "/etc/systemd/system/*.service", "/etc/systemd/system/*.service.d/*.conf",
    "/run/systemd/system/*.service", "/run/systemd/system/*.service.d/*.conf",
    "/usr/local/lib/systemd/system/*.service", "/usr/local/lib/systemd/system/*.service.d/*.conf",
))


MOST_PROGRAM_FILES = 200       # globs with this limit read supervisord's files
MOST_CHANGED_FILES = 320       # globs with this limit read files that may have changed since a program ended
MOST_BOOT_FILES = 120       # globs with this limit read boot files: cron, rc.local, user units

@dataclass(frozen=True, slots=True)
class View:
    """A node as far as it has answered. `files` were read completely (no log tails), by the path in the query;
    `conf_files` are those of them that were read for nginx."""

    node: NodeCapture
    process_table: ProcessTable
    by_pid: Mapping[int, Process]
    listeners: Fact[tuple[Listener, ...]]
    units: Mapping[str, Unit]
    files: Mapping[str, FileAnswer]
    conf_files: Mapping[str, FileAnswer]
    addresses: tuple[str, ...]
    hosts: Mapping[str, tuple[str, ...]]
    resolved: Mapping[str, tuple[str, ...]]
    init: str
    is_other_project: bool = False    # another project's container that nginx's names lead to
    # the target machine itself, not a container that its nginx may lead to
    is_target_machine: bool = False
    is_inside_target: bool = False    # a container of the target machine that belongs to an nginx in a container

    @property
    def name(self) -> str:
        """Return the node's name."""
        return self.node.name

    @property
    def name_servers(self) -> tuple[str, ...]:
        """Return the name servers of its resolv.conf; empty if it was not read."""
        return name_servers_in(self.data(NAME_FILES[0]) or b"")

    def data(self, path: str) -> bytes | None:
        """Return the bytes of a file, None if it was not read or is no regular file."""
        file = self.files.get(path)
        return file.data if file is not None and is_readable(file) else None

    def contents(self) -> dict[str, bytes]:
        """Return path -> bytes of every service file that was read."""
        return {p: f.data for p, f in self.files.items() if is_readable(f) and p not in self.conf_files}

    def command(self, name: CommandName, *args: str) -> Answer | None:
        """Return the answer to a command, None if it was not asked."""
        return self.node.answers.get(Command(name, args))

    def no_processes_reason(self) -> str:
        """Return why processes cannot be listed here; empty if they were, or if that query failed."""
        told = self.node.answers.get(ListProcesses())
        return told.message if told is not None and told.status == "no-tool" else ""

    @staticmethod
    def is_nginx_query(query: Query) -> bool:
        """Return whether it reads nginx's files: trees and globs do, except the globs for service managers."""
        return isinstance(query, ReadTree | ReadGlob) and not _is_peek(query) and not _is_service_query(query)

    def was_asked(self, path: str) -> bool:
        """Return True if a file was queried by its own path or came with a tree or glob."""
        return path in self.files or any(isinstance(q, ReadFile) and q.path == path for q in self.node.answers)


def is_trusted_process(process: Process, view: View) -> bool:
    """Return whether it is root's, or its owner does not matter: only on a machine observed as root it does.
    In a container all belongs to the application; an observer without root does no harm as root."""
    return process.uid <= 0 or view.node.kind != "machine" or not view.node.root


def is_readable(file: FileAnswer) -> bool:
    """Return whether a regular file or a link was read (a folder or socket has no bytes either)."""
    if file.status != "ok" or file.stat is None:
        return False
    end = file.stat.end
    return end.kind in ("file", "link")


def view_of(node: NodeCapture, *, home: bool = False, beside: bool = False, inside: bool = False) -> View:
    """Return the view of a node's answers so far."""
    asked = node.answers.get(ListProcesses())
    table = parse_once(partial(parse_processes, asked, node.now), "processes", asked, node.now)
    sockets = node.answers.get(ListSockets())
    by_pid = table.by_pid()
    parsed = parse_once(partial(parse_sockets, sockets, node.name), "sockets", sockets, node.name)
    listeners = with_absolute_paths(parsed, by_pid)
    units: dict[str, Unit] = {}
    for query, answer in node.answers.items():
        if isinstance(query, Command) and query.name == "systemctl-show":
            found = parse_once(partial(parse_show, answer, table.boot_at), "units", answer, table)
            units.update({name: unit for name, unit in found.items() if name not in units})
    files = {**dict(_peeked_files(node)), **dict(_read_files(node))}
    addresses = _node_addresses(node.answers.get(Command("ip-addresses")))
    return View(
        node=node, process_table=table, by_pid=by_pid, listeners=listeners, units=with_active_conflicts(units),
        files=files,
        conf_files=dict(_read_files(node, conf=True)),
        addresses=addresses,
        hosts=parse_hosts(files["/etc/hosts"].data if "/etc/hosts" in files else b"", six=_has_ipv6(addresses)),
        resolved=_resolved_names(node), init=by_pid[1].comm if 1 in by_pid else "", is_target_machine=home,
        is_other_project=beside, is_inside_target=inside,
    )


def views_of(capture: Capture) -> dict[str, View]:
    """Return all nodes that answered, the engine too, by name."""
    first = capture.nodes[0].name if capture.nodes and capture.target.kind in _MACHINE_TARGETS else ""
    engine = next((node for node in capture.nodes if node.name == ENGINE), None)
    called = {container.name for container in _named_containers(engine)} if engine is not None else set()
    inside = set(_names_inside(engine)) if engine is not None and first else set()
    return {node.name: view_of(node, home=node.name == first, beside=node.name in called, inside=node.name in inside)
            for node in capture.nodes if not node.unreachable}


def _names_inside(engine: NodeCapture) -> Iterator[str]:
    """Yield the containers whose project, or own name, the engine of a target machine was asked for."""
    for query, answer in engine.answers.items():
        if isinstance(query, Command) and query.name in ("docker-project", "docker-container"):
            yield from (c.name for c in parse_once(partial(parse_inspect, answer), "inspect", answer))


def _named_containers(engine: NodeCapture) -> list[Container]:
    """Return the containers of other projects that nginx refers to."""
    return [c for query, c in _named_with_query(engine) if not _is_unreachable_namesake(c, query)]


def _named_with_query(engine: NodeCapture) -> Iterator[tuple[Command, Container]]:
    for query, answer in engine.answers.items():
        if isinstance(query, Command) and query.name == "docker-called":
            yield from ((query, c) for c in parse_once(partial(parse_inspect, answer), "inspect", answer))


def _is_unreachable_namesake(container: Container, query: Command) -> bool:
    """Return whether a container has a name that nginx uses, but no network of nginx's, as Docker's DNS requires."""
    networks, names = set(query.args[0].split(",")), set(query.args[1:])
    here = networks.intersection(name for name, _, _ in container.networks) or container.network_mode in networks
    asked = {container.name, container.service} & names
    return bool(asked) and not here and not container.lender and not any(
        f":{outer}" in names for _, outer, _ in container.published)


def unreachable_namesakes(views: Mapping[str, View]) -> tuple[Container, ...]:
    """Return containers with such a name that are neither the target's nor reachable by nginx."""
    engine = views.get(ENGINE)
    known = {container.id for container in containers_of(views)}
    found = () if engine is None else _named_with_query(engine.node)
    return tuple({c.id: c for query, c in found if c.id not in known and _is_unreachable_namesake(c, query)}.values())


def target_machine(views: Mapping[str, View]) -> View | None:
    """Return the machine that is the target itself, not a container on it."""
    return next((view for view in views.values() if view.is_target_machine), None)


def is_outside_target(view: View, views: Mapping[str, View]) -> bool:
    """Return whether it is the engine, or a container observed only because the target's nginx may lead to it.
    An nginx in such a container belongs to another target."""
    beside = not (view.is_target_machine or view.is_inside_target) and target_machine(views) is not None
    return view.name == ENGINE or view.is_other_project or beside


def containers_of(views: Mapping[str, View]) -> tuple[Container, ...]:
    """Return every container that the engine reported, each once."""
    engine = views.get(ENGINE)
    found: dict[str, Container] = {}
    for query, answer in (engine.node.answers if engine else {}).items():
        if isinstance(query, Command) and query.name in INSPECT_COMMANDS:
            for container in parse_once(partial(parse_inspect, answer), "inspect", answer):
                if query.name != "docker-called" or not _is_unreachable_namesake(container, query):
                    found.setdefault(container.id, container)
    return tuple(_with_missing_sources(c, engine) if c.sources and c.status != "running" else c for c in found.values())


def _with_missing_sources(container: Container, engine: View | None) -> Container:
    seen = engine.files if engine is not None else {}
    gone = tuple(path for path in container.sources if path in seen and seen[path].status == "absent")
    return replace(container, missing_sources=gone) if gone else container


def _other_project_ids(views: Mapping[str, View]) -> frozenset[str]:
    """Return ids of the containers of other projects."""
    engine = views.get(ENGINE)
    return frozenset(c.id for c in _named_containers(engine.node)) if engine is not None else frozenset()


def node_of(container: Container, views: Mapping[str, View]) -> str:
    """Return the node name of a container (running or not).
    With a machine as the target it is the container's name: several projects may use the same service name."""
    if target_machine(views) is not None or container.id in _other_project_ids(views):
        return container.name
    for name in (container.name, container.service):
        if name and name in views:
            return name
    copies = [c for c in containers_of(views) if (c.project, c.service) == (container.project, container.service)]
    return container.name if len(copies) > 1 else container.service or container.name


def container_of(node: str, containers: tuple[Container, ...]) -> Container | None:
    """Return the container that a node is."""
    named = [c for c in containers if node == c.name]
    served = [c for c in containers if node == c.service]
    return next(iter(named or served), None)


def _read_files(node: NodeCapture, *, conf: bool = False) -> Iterator[tuple[str, FileAnswer]]:
    """Yield (path, file): trees and globs are nginx's, single files and the service managers' globs are services'."""
    cut, whole = dict[str, FileAnswer](), set[str]()       # a complete file replaces a truncated one
    for query, answer in node.answers.items():
        if _is_peek(query):
            continue
        of_services = _is_service_query(query)
        tree = isinstance(query, ReadGlob | ReadTree) and not of_services
        if tree or (not conf and (of_services or (isinstance(query, ReadFile) and not query.tail))):
            for file in answer.files:
                if file.truncated:
                    cut.setdefault(file.path, file)
                else:
                    whole.add(file.path)
                    yield file.path, file
    yield from ((path, file) for path, file in cut.items() if path not in whole)


def _is_service_query(query: Query) -> bool:
    return query == UNIT_FILES or (isinstance(query, ReadGlob) and query.max_files in (
        MOST_PROGRAM_FILES, MOST_CHANGED_FILES, MOST_BOOT_FILES))


def _peeked_files(node: NodeCapture) -> Iterator[tuple[str, FileAnswer]]:
    """Yield files that were only located, with their first bytes; completely read files take precedence."""
    for query, answer in node.answers.items():
        if _is_peek(query):
            for file in answer.files:
                yield file.path, file


def _is_peek(query: Query) -> bool:
    return isinstance(query, ReadGlob | ReadTree) and query.limit in (0, PEEK_BYTES) and not _is_service_query(query)


def _node_addresses(answer: Answer | None) -> tuple[str, ...]:
    return tuple(answer.data.decode("ascii", "replace").split()) if answer is not None else ()


def _resolved_names(node: NodeCapture) -> dict[str, tuple[str, ...]]:
    """Return name -> addresses for every name that was asked and answered; empty if it does not resolve."""
    found: dict[str, tuple[str, ...]] = {}
    for query, answer in node.answers.items():
        if isinstance(query, Command) and query.name == "resolve" and answer.status == "ok":
            rows = [line.split() for line in answer.data.decode("ascii", "replace").splitlines()]
            for name in query.args:
                if name not in answer.message.split():
                    found[name] = tuple(row[1] for row in rows if len(row) == 2 and row[0] == name)
    return found


def _has_ipv6(addresses: Collection[str]) -> bool:
    """Return whether the C library considers the machine IPv6-capable: it has a v6 address that is not loopback."""
    return any(":" in address and not is_loopback(address) for address in addresses)


def known_pids(fact: Fact[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the pids, empty if they are unknown."""
    return fact.or_else(())


def listening_pids(view: View) -> Iterator[tuple[int, ...]]:
    """Yield the pids of each listener; systemd's own Unix sockets and abstract ones tell of no server."""
    for listener in view.listeners.or_else(()):
        if listener.family != "unix" or not listener.address.startswith(("@", "/run/systemd", "/run/user")):
            yield known_pids(listener.pids)
