"""The snapshot: typed facts about every node of a target, parsed from a capture. Causes see nothing else."""

from __future__ import annotations

from typing import Literal

from fixer.lazy.dataclass import dataclass
from fixer.model.deployment import BootEntry, Compose, MissingEnvFile, UncreatedService
from fixer.model.diagnosis import IgnoredFinding
from fixer.model.facts import Evidence, Fact, Unknown
from fixer.model.firewall import Firewall
from fixer.model.learned import Learned
from fixer.model.nginx_config import NginxConfig, Route, UnloadedSite
from fixer.model.query import FileStat
from fixer.model.service import (
    Binding,
    BlockingUnit,
    CommandArgument,
    ComposeNetwork,
    ComposeSetting,
    Container,
    EnvAssignment,
    EnvCopy,
    EnvSlot,
    LogLine,
    Manager,
    PreCommand,
    Program,
    Service,
    Unit,
    UnitSetting,
    UnitValue,
)
from fixer.model.target import NodeKind, TargetRef

__all__ = [
    "AddressCandidate", "Binding", "BlockingUnit", "CommandArgument", "Compose", "ComposeNetwork", "ComposeSetting",
    "Connection", "Container", "Endpoint", "EnvAssignment", "EnvCopy", "EnvSlot", "ErrorEvent", "FileContent",
    "KernelLog", "Listener", "LogLine", "Manager", "MissingEnvFile", "Nginx", "Node", "OomKill", "PreCommand",
    "ProbeResult", "Process", "Program", "RouteFacts", "SecurityPolicy", "Service", "Snapshot", "UncreatedService",
    "Unit", "UnitSetting", "UnitValue",
]


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `started_at` is epoch seconds, `state` the letter of /proc (R S D T Z), `unit` from its cgroup."""

    pid: int
    ppid: int
    comm: str
    argv: tuple[str, ...]
    state: str
    started_at: float
    start_ticks: int
    uid: int
    unit: str | None
    cgroup: str
    exe: Fact[str]
    cwd: Fact[str]
    threads: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Listener:
    """One listening socket of a node. For `unix`, `address` is the path and port 0.

    `queued` are connections that wait to be accepted (Recv-Q), `pids` those that hold the socket. The kernel's
    tables give no backlog for it, so none is kept. `established` counts connections in state ESTABLISHED to it.
    """

    node: str
    family: Literal["tcp", "tcp6", "unix"]
    address: str
    port: int
    inode: int
    pids: Fact[tuple[int, ...]]
    queued: int
    established: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that a node makes: one that nobody has answered yet (`dialing`), one to a system of a well-known
    port (`open`), or one of any port whose other side lets lie what it was sent (`unread`). `pids` are those that hold
    it, where they were looked for; `uid` is whose it is. `waited` are the seconds, at least, since it first asked."""

    address: str
    port: int
    state: Literal["dialing", "open", "unread"]
    uid: int
    pids: tuple[int, ...] = ()
    seconds_waited: float = 0.0


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """A line of nginx's error log. `route_ids` are routes it can belong to (by server name, path and address).

    `errno` from the parenthesis, `phase` the text after `while`. `upstream` can be a visitor's text: display only.
    """

    at: float
    level: str
    message: str
    errno: int | None
    phase: str
    client: str
    server: str
    request: str
    upstream: str
    where: str
    raw: str


@dataclass(frozen=True, slots=True)
class Nginx:
    """The nginx of a node: its running master (None when stopped), the configuration its files hold now, its log.

    `loaded_at` is when the oldest live, not retiring worker started: files newer than that are not loaded.
    `config_mtime` is the newest mtime of the files that make the configuration up. `test` is `nginx -t`'s exit code
    and output where it was asked.
    """

    node: str
    binary: str
    conf_path: str
    prefix: str
    master_pid: int | None
    worker_pids: tuple[int, ...]
    loaded_at: Fact[float]
    config: Fact[NginxConfig]
    config_mtime: Fact[float]
    test: Fact[tuple[int, str]]
    service: Service | None
    errors: Fact[tuple[ErrorEvent, ...]]
    error_log_path: str
    explicit: bool = False                # the running master was started with -c or -p: tests and reloads need them
    lost_logs: tuple[str, ...] = ()       # error logs that were deleted while its master holds them open
    # sites beside the configuration, looked for where an address is empty
    unloaded_sites: tuple[UnloadedSite, ...] = ()

    def serves(self, facts: RouteFacts) -> bool:
        """Whether a route is of this nginx: a node may run several, each with its own files."""
        return facts.node == self.node and facts.conf in ("", self.conf_path)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one request or connect gave. `status` None without an HTTP answer; `error` such as `refused`, `slow`,
    `reset`, `closed`, `unreachable`, `not-http`, `no-socket`, `permission`; None when an answer came."""

    status: int | None
    error: str | None
    errno: int | None
    phase: str
    ms: float
    server: str = ""       # Server response header, as sent
    body: str = ""         # first KiB
    arrived: int = 0       # bytes of a head that was not whole when time ran out
    growing: float | None = None   # milliseconds between the first and the last of them; None where nobody measured
    location: str = ""     # where a 301, 302, 303, 307 or 308 leads, as sent


_NEEDS_TLS_TEXTS = ("plain HTTP request was sent to HTTPS port", "HTTP request to an HTTPS server")


def needs_tls(heard: ProbeResult) -> bool:
    """A server that takes TLS only says so to whoever speaks plainly: no application was asked."""
    return heard.status == 400 and any(words in heard.body for words in _NEEDS_TLS_TEXTS)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that a route may connect to, resolved as its nginx would, and what was seen there.

    `written` is the text in the configuration; file/start/end its byte span (host:port part only). `node` is where
    the address leads (None: outside what was observed). `listener` Known(None) is a proven absence.
    `service` is the id of the service that belongs there (told to listen there, or the container the address leads
    to, or the holder of the listener), `service_why` shows it; None where nothing does. `holder` is the id of the
    service whose process holds the listener now: another than `service` means a stranger sits on its port.
    A probe that got no answer in time is Known with error `slow`; Unknown means that it was not asked.
    """

    id: str
    written: str
    host: str
    port: int
    unix: str | None
    addresses: Fact[tuple[str, ...]]
    node: str | None
    file: str
    line: int
    start: int
    end: int
    listener: Fact[Listener | None]
    tcp: Fact[ProbeResult]
    http: Fact[ProbeResult]
    down: bool = False
    backup: bool = False
    configured_service: str | None = None
    service_evidence: tuple[Evidence, ...] = ()
    listening_service: str | None = None
    path: str = "/"                       # what `http` asked for
    # the container's own port where Docker publishes this one; `node` is it
    container_port: int = 0
    # the one address this stands for, where the name leads to several copies
    single_address: str = ""
    # the answer to TLS where plain was hung up on, or the reverse
    other_scheme_probe: Fact[ProbeResult] = Unknown("not asked")

    @property
    def port_on_node(self) -> int:
        """The port on which `node` itself is asked."""
        return self.container_port or self.port


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route, its endpoints (ids), what nginx answered for it: one result per request that was made."""

    route: Route
    node: str
    endpoints: tuple[str, ...]
    probes: Fact[tuple[ProbeResult, ...]]
    conf: str = ""      # the main file of its nginx: of two on one node the one that serves it; empty for the only one


@dataclass(frozen=True, slots=True)
class SelinuxDenial:
    """What SELinux refused to nginx, as audit recorded it: `port` is 0 where it was no connection to one, `name` the
    path, or the last part of it, of a socket that is a file. The contexts are user:role:type:level."""

    at: float
    permission: str
    port: int
    name: str
    source: str
    target: str
    text: str


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """What the kernel's security modules say: SELinux enforcing or not (None: no SELinux), its booleans that are known,
    the label or profile that nginx's workers run under (empty where there is none), and what was refused to them in the
    last minutes."""

    enforcing: bool | None
    booleans: tuple[tuple[str, bool], ...]
    label: str
    denials: tuple[SelinuxDenial, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One place with its own process table, network and files."""

    name: str
    kind: NodeKind
    now: float
    root: bool
    boot_at: Fact[float]
    addresses: tuple[str, ...]
    processes: Fact[tuple[Process, ...]]
    listeners: Fact[tuple[Listener, ...]]
    connections: tuple[Connection, ...] = ()
    files: tuple[tuple[str, FileStat], ...] = ()
    init: str = ""                        # `systemd` where systemd is process 1
    firewall: Fact[Firewall] = Unknown("not asked")
    policy: Fact[SecurityPolicy] = Unknown("not asked")
    ip_routes: Fact[tuple[tuple[str, str], ...]] = Unknown("not asked")     # its IPv4 routes: (network, type)
    # addresses of its own networks that it asked for and that nobody has
    unanswered_addresses: tuple[str, ...] = ()
    missing_paths: tuple[str, ...] = ()          # paths that were looked for and are not there, or lead nowhere


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file whose bytes a repair may edit: unit files, drop-ins, environment files, wrappers, compose files."""

    node: str
    path: str          # as named by whoever uses it
    real_path: str     # the file itself, after links
    data: bytes
    stat: FileStat
    single_file_mount: bool = False
    managed_by: str = ""   # `Ansible`, `certbot` … where its header says so


@dataclass(frozen=True, slots=True)
class OomKill:
    """A process that the kernel killed for want of memory, from its log. `cgroup` is where the process was, `limit`
    the group whose limit was reached, empty where the whole machine had none left."""

    at: float
    cgroup: str
    limit: str
    pid: int
    comm: str
    text: str


@dataclass(frozen=True, slots=True)
class KernelLog:
    """What the kernel of a node says that it killed. `engine` is the Docker host, whose kernel is every container's."""

    node: str
    kills: Fact[tuple[OomKill, ...]]


@dataclass(frozen=True, slots=True)
class HandStartedLog:
    """The newest log in the places where programs started by hand write theirs, and its last lines."""

    node: str
    path: str
    written_at: float
    lines: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True)
class AddressCandidate:
    """A container that may have got the address which nginx still uses for an endpoint's name, and what it answers to
    the question that the endpoint was asked."""

    endpoint: str
    node: str
    address: str
    http: Fact[ProbeResult]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything known about a target at one moment."""

    target: TargetRef
    taken_at: float
    nodes: tuple[Node, ...]
    nginxes: tuple[Nginx, ...]
    services: tuple[Service, ...]
    endpoints: tuple[Endpoint, ...]
    routes: tuple[RouteFacts, ...]
    files: tuple[FileContent, ...]
    notes: tuple[str, ...] = ()
    compose: Compose | None = None
    engine_firewall: Fact[Firewall] = Unknown("not asked")     # of the Docker host, as far as containers pass it
    learned: tuple[Learned, ...] = ()
    kernel_logs: tuple[KernelLog, ...] = ()
    address_candidates: tuple[AddressCandidate, ...] = ()
    hand_started_logs: tuple[HandStartedLog, ...] = ()
    boot_entries: tuple[BootEntry, ...] = ()    # what else starts servers, looked for where an address is empty
    ignored: tuple[IgnoredFinding, ...] = ()   # what a bundle says that people had accepted
    engine_files: tuple[tuple[str, FileStat], ...] = ()     # what was looked at on the Docker host
    named_containers: tuple[Container, ...] = ()  # that bear a name which nginx asks for, on none of its networks
    # seconds since a repair of ours changed something, 0 where none did
    seconds_since_repair: float = 0.0

    def service(self, service_id: str) -> Service | None:
        """The service with that id."""
        return next((s for s in self.services if s.id == service_id), None)

    def nginx_of(self, facts: RouteFacts) -> Nginx | None:
        """The nginx that a route is of."""
        return next((nginx for nginx in self.nginxes if nginx.serves(facts)), None)

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """The endpoint with that id; KeyError where there is none."""
        for endpoint in self.endpoints:
            if endpoint.id == endpoint_id:
                return endpoint
        raise KeyError(endpoint_id)

    def node(self, name: str) -> Node:
        """The node with that name; KeyError where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def file(self, node: str, path: str) -> FileContent | None:
        """The readable file at that path (or real path) of that node."""
        return next((f for f in self.files if f.node == node and path in (f.path, f.real_path)), None)
