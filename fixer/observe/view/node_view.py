"""One node's answers, each parsed once: what its processes, sockets, units and files say."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

from fixer.formats.process_table import ProcessTable, parse_processes
from fixer.formats.socket_tables import parse_sockets, with_absolute_paths
from fixer.formats.systemctl_show import parse_show, with_active_conflicts
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.parse_cache import parse_once
from fixer.lazy.regex import regex
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
from fixer.observe.view.docker_inspect import parse_inspect

ENGINE = "engine"
_MACHINE_TARGETS = ("local", "ssh")        # kinds of targets that are a machine of their own
PEEK_BYTES = 512            # bytes that a glob reads of each file where only the place and the first line matter
INSPECT_COMMANDS: frozenset[CommandName] = frozenset({
    "docker-project", "docker-container", "docker-published", "docker-called"})
UNIT_FILES = ReadGlob((
    "/etc/systemd/system/*.service", "/etc/systemd/system/*.service.d/*.conf",
    "/run/systemd/system/*.service", "/run/systemd/system/*.service.d/*.conf",
    "/usr/local/lib/systemd/system/*.service", "/usr/local/lib/systemd/system/*.service.d/*.conf",
))


MOST_PROGRAM_FILES = 200       # the globs with this limit are those of supervisord's files
MOST_CHANGED_FILES = 320       # … and with this one of what may have been changed since a program ended
MOST_BOOT_FILES = 120       # … and with this one of what else starts programs: cron, rc.local, units of users

@dataclass(frozen=True, slots=True)
class View:
    """A node as far as it has answered. `files` are those read whole (never log tails), by the path they were named;
    `conf_files` the ones among them that were read for nginx."""

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
    is_other_project: bool = False    # a container of another project, looked at since a name of nginx's leads to it
    # the machine that the target is; beside it are the containers that its nginx may lead to
    is_target_machine: bool = False

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    def data(self, path: str) -> bytes | None:
        """The bytes of a file, None where it was not read or is no file."""
        file = self.files.get(path)
        return file.data if file is not None and is_readable(file) else None

    def contents(self) -> dict[str, bytes]:
        """Every file of services that was read, by path."""
        return {p: f.data for p, f in self.files.items() if is_readable(f) and p not in self.conf_files}

    def command(self, name: CommandName, *args: str) -> Answer | None:
        """The answer to a command, None where it was not asked."""
        return self.node.answers.get(Command(name, args))

    def no_processes_reason(self) -> str:
        """Why its processes could not be listed here; empty where they were, or where that was said as a failure."""
        told = self.node.answers.get(ListProcesses())
        return told.message if told is not None and told.status == "no-tool" else ""

    @staticmethod
    def is_nginx_query(query: Query) -> bool:
        """Whether it asks for files of nginx: trees and globs do, but for the globs of services' managers."""
        return isinstance(query, ReadTree | ReadGlob) and not _is_peek(query) and not _is_service_query(query)

    def was_asked(self, path: str) -> bool:
        """True where a file was asked for by its own path or came with a tree or glob."""
        return path in self.files or any(isinstance(q, ReadFile) and q.path == path for q in self.node.answers)


def is_trusted_process(process: Process, view: View) -> bool:
    """Root's. On a machine that root looks at, what another user runs is theirs, whatever it calls itself; in a
    container all belongs to the application, and who is not root does no harm as root."""
    return process.uid <= 0 or view.node.kind != "machine" or not view.node.root


def is_readable(file: FileAnswer) -> bool:
    """Read, and a regular file or a link to one (a folder or socket gives no bytes either)."""
    if file.status != "ok" or file.stat is None:
        return False
    end = file.stat.end
    return end.kind in ("file", "link")


def view_of(node: NodeCapture, *, home: bool = False, beside: bool = False) -> View:
    """Parse what a node has answered so far."""
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
        is_other_project=beside,
    )


def views_of(capture: Capture) -> dict[str, View]:
    """All nodes that answered, the engine too, by name."""
    first = capture.nodes[0].name if capture.nodes and capture.target.kind in _MACHINE_TARGETS else ""
    engine = next((node for node in capture.nodes if node.name == ENGINE), None)
    called = {container.name for container in _named_containers(engine)} if engine is not None else set()
    return {node.name: view_of(node, home=node.name == first, beside=node.name in called)
            for node in capture.nodes if not node.unreachable}


def _named_containers(engine: NodeCapture) -> list[Container]:
    """The containers of other projects that nginx asks for."""
    return [c for query, c in _named_with_query(engine) if not _is_unreachable_namesake(c, query)]


def _named_with_query(engine: NodeCapture) -> Iterator[tuple[Command, Container]]:
    for query, answer in engine.answers.items():
        if isinstance(query, Command) and query.name == "docker-called":
            yield from ((query, c) for c in parse_once(partial(parse_inspect, answer), "inspect", answer))


def _is_unreachable_namesake(container: Container, query: Command) -> bool:
    """Called as nginx asks, and on none of its networks: Docker's DNS does not give that name there."""
    networks, names = set(query.args[0].split(",")), set(query.args[1:])
    here = networks.intersection(name for name, _, _ in container.networks) or container.network_mode in networks
    asked = {container.name, container.service} & names
    return bool(asked) and not here and not container.lender and not any(
        f":{outer}" in names for _, outer, _ in container.published)


def unreachable_namesakes(views: Mapping[str, View]) -> tuple[Container, ...]:
    """Containers of such a name elsewhere: none of the target's, and none that nginx reaches."""
    engine = views.get(ENGINE)
    known = {container.id for container in containers_of(views)}
    found = () if engine is None else _named_with_query(engine.node)
    return tuple({c.id: c for query, c in found if c.id not in known and _is_unreachable_namesake(c, query)}.values())


def target_machine(views: Mapping[str, View]) -> View | None:
    """The machine that is the target itself, not a container on it."""
    return next((view for view in views.values() if view.is_target_machine), None)


def is_outside_target(view: View, views: Mapping[str, View]) -> bool:
    """The engine, and containers that were only looked at since the target's nginx may lead to them: an nginx in
    one of those is another target's."""
    return view.name == ENGINE or view.is_other_project or (not view.is_target_machine
                                                            and target_machine(views) is not None)


def containers_of(views: Mapping[str, View]) -> tuple[Container, ...]:
    """Every container that the engine told of, each once."""
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
    """Ids of the containers of other projects."""
    engine = views.get(ENGINE)
    return frozenset(c.id for c in _named_containers(engine.node)) if engine is not None else frozenset()


def node_of(container: Container, views: Mapping[str, View]) -> str:
    """The name of the node that a container is (or would be, if it ran): beside a machine always its own, since several
    projects may call a service alike."""
    if target_machine(views) is not None or container.id in _other_project_ids(views):
        return container.name
    for name in (container.name, container.service):
        if name and name in views:
            return name
    copies = [c for c in containers_of(views) if (c.project, c.service) == (container.project, container.service)]
    return container.name if len(copies) > 1 else container.service or container.name


def container_of(node: str, containers: tuple[Container, ...]) -> Container | None:
    """The container that a node is."""
    named = [c for c in containers if node == c.name]
    served = [c for c in containers if node == c.service]
    return next(iter(named or served), None)


def _read_files(node: NodeCapture, *, conf: bool = False) -> Iterator[tuple[str, FileAnswer]]:
    """Trees and globs are asked for nginx, single files for services; the globs of their managers are the exception."""
    cut, whole = dict[str, FileAnswer](), set[str]()       # one that was read in part gives way to the whole
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
    """Places that were only looked for, with the first bytes of each: what was read in full comes before them."""
    for query, answer in node.answers.items():
        if _is_peek(query):
            for file in answer.files:
                yield file.path, file


def _is_peek(query: Query) -> bool:
    return isinstance(query, ReadGlob) and query.limit in (0, PEEK_BYTES) and not _is_service_query(query)


def _node_addresses(answer: Answer | None) -> tuple[str, ...]:
    return tuple(answer.data.decode("ascii", "replace").split()) if answer is not None else ()


def _resolved_names(node: NodeCapture) -> dict[str, tuple[str, ...]]:
    """name -> addresses, for every name that was asked and answered; empty where it does not resolve."""
    found: dict[str, tuple[str, ...]] = {}
    for query, answer in node.answers.items():
        if isinstance(query, Command) and query.name == "resolve" and answer.status == "ok":
            rows = [line.split() for line in answer.data.decode("ascii", "replace").splitlines()]
            for name in query.args:
                if name not in answer.message.split():
                    found[name] = tuple(row[1] for row in rows if len(row) == 2 and row[0] == name)
    return found


def _has_ipv6(addresses: Collection[str]) -> bool:
    """Whether the C library counts the machine as one of IPv6: by an address that is not the loopback's."""
    return any(":" in address and not is_loopback(address) for address in addresses)


def parse_hosts(data: bytes, *, six: bool = False) -> dict[str, tuple[str, ...]]:
    """name -> addresses of an /etc/hosts file, each once, in its order.

    `six`: the machine has IPv6, so that of a name with ::1 alone nginx gets ::1 alone. Where it has none, the C library
    answers 127.0.0.1 of that line.
    """
    found: dict[str, dict[str, None]] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        words = line.split("#", 1)[0].split()
        for name in words[1:]:
            found.setdefault(name.lower(), {})[words[0]] = None
    for addresses in found.values():
        if not six and "::1" in addresses and not any(address.startswith("127.") for address in addresses):
            addresses["127.0.0.1"] = None      # what the C library answers of ::1 to whoever asks for IPv4
    return {name: tuple(addresses) for name, addresses in found.items()}


_LOOPBACK = regex(r"^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$")


def is_loopback(address: str) -> bool:
    """True for an address that never leaves the node."""
    return bool(_LOOPBACK.match(address))


def known_pids(fact: Fact[tuple[int, ...]]) -> tuple[int, ...]:
    """The pids, none where they are unknown."""
    return fact.or_else(())
