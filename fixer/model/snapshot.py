"""The snapshot: typed facts about every node of a target, parsed from a capture. Causes see nothing else."""

from __future__ import annotations

from typing import Literal

from fixer.lazy.dataclass import dataclass, field
from fixer.model.deployment import BootEntry, Compose, MissingEnvFile, UncreatedService
from fixer.model.diagnosis import IgnoredFinding
from fixer.model.facts import Evidence, Fact, Unknown
from fixer.model.firewall import Firewall
from fixer.model.kernel import KernelLog, SecurityPolicy
from fixer.model.learned import Learned
from fixer.model.nginx_config import (
    ErrorKind,
    FileOrigin,
    GeneratedFile,
    KeptAnswer,
    NginxConfig,
    Route,
    UnloadedSite,
)
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
from fixer.model.unit_event import SpawnReason

__all__ = [
    "AddressCandidate", "Binding", "BlockingUnit", "CommandArgument", "Compose", "ComposeNetwork", "ComposeSetting",
    "Connection", "Container", "Endpoint", "EnvAssignment", "EnvCopy", "EnvSlot", "ErrorEvent", "FileContent",
    "Listener", "LogLine", "Manager", "MissingEnvFile", "Nginx", "Node", "PreCommand",
    "ProbeResult", "Process", "Program", "RouteFacts", "Service", "Snapshot", "SpawnReason",
    "UncreatedService", "Unit", "UnitSetting", "UnitValue",
]


# The end of the Referer of our probes: nginx's error log has no User-Agent, and quotes the Referer.
PROBE_REFERRER = "/badgateway"


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
    """One listening socket of a node. For `unix`, `address` is the path and port 0. `queued` connections wait to be
    accepted (Recv-Q), `established` ones are in that state; `pids` hold the socket. The tables show no backlog."""

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
    """An outgoing connection: without an answer yet (`dialing`), to a well-known dependency port (`open`),
    or to a peer that does not read what it was sent (`unread`). `pids` hold it, if looked up; `uid` is its owner.
    `seconds_waited` is a minimum since the first SYN."""

    address: str
    port: int
    state: Literal["dialing", "open", "unread"]
    uid: int
    pids: tuple[int, ...] = ()
    seconds_waited: float = 0.0


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """A line of nginx's error log. `route_ids` are routes it can belong to (by server name, path and address).
    `errno` from the parenthesis, `phase` the text after `while`. `upstream` can be a visitor's text: display only."""

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
    kind: ErrorKind = field(default="other", metadata={"derived": True})    # what the line means: the parser says it


@dataclass(frozen=True, slots=True)
class Nginx:
    """The nginx of a node: its running master (None if stopped), its files' present configuration, its log.
    `loaded_at` is the start of the oldest worker that is not shutting down: newer files are not loaded. `config_mtime`
    is the newest mtime of the configuration's files. `test` is the exit code and output of `nginx -t`, if it ran."""

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
    explicit: bool = False  # the running master was started with -c or -p: tests and reloads need them
    lost_logs: tuple[str, ...] = ()  # error logs that were deleted while its master holds them open
    unloaded_sites: tuple[UnloadedSite, ...] = ()  # outside the configuration; read only if nothing listens
    file_limits: tuple[int, int] = (0, 0)  # open files: its master's, and the most for a worker; 0: unknown or no limit

    def serves(self, facts: RouteFacts) -> bool:
        """Return whether a route belongs to this nginx: a node may run several, each with its own files."""
        return facts.node == self.node and facts.conf in ("", self.conf_path)


HANG_UPS = frozenset({"closed", "reset", "not-http"})    # errors of what accepts a connection and gives no HTTP answer
ENDED_HANDSHAKES = frozenset({"closed", "reset", "tls"})


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Result of one request or connect. `status` None without an HTTP answer; `error` such as `refused`, `slow`,
    `reset`, `closed`, `unreachable`, `not-http`, `no-socket`, `permission`; None if an answer came."""

    status: int | None
    error: str | None
    errno: int | None
    phase: str
    ms: float
    server: str = ""  # Server response header, as sent
    body: str = ""  # first KiB
    arrived: int = 0  # bytes of an incomplete head at the timeout
    growing: float | None = None  # milliseconds between the first and the last of them; None if not measured
    location: str = ""  # Location header of a 301, 302, 303, 307 or 308, as sent
    first_bytes: str = ""  # of an answer that is not HTTP (latin-1), if the tool shows them
    page: str = ""  # the path that was asked for, if it is not the route's own
    host: str = ""  # the name that was asked, if it is not the route's first
    whole: bool | None = None  # whether the body is as long as its head says; None if it was not read to its end

    @property
    def has_failed(self) -> bool:
        """True if no complete answer came, or an error of a server."""
        return self.error is not None or (self.status or 0) >= 500 or self.whole is False

    @property
    def is_handshake_cut(self) -> bool:
        """True if the other side hung up during the TLS handshake: one that it refuses, it ends with an alert."""
        return self.error == "tls" and "EOF occurred" in self.body


_NEEDS_TLS_TEXTS = ("plain HTTP request was sent to HTTPS port", "HTTP request to an HTTPS server")


def needs_tls(heard: ProbeResult) -> bool:
    """Return whether a TLS server reports a plain HTTP request: no application was reached."""
    return heard.status == 400 and any(words in heard.body for words in _NEEDS_TLS_TEXTS)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that a route may connect to, resolved as its nginx would, and what was observed there.
    `written` is the text in the configuration; file/start/end its byte span (host:port part only). `node` is the
    address's node (None: not observed). `listener` Known(None) is a proven absence. `configured_service` is the id of
    the service that belongs there (configured to listen there, or the address's container, or the listener's owner),
    with `service_evidence`; None if there is none. `listening_service` is the id of the service whose process holds the
    listener now; if it differs, a foreign service uses the port. A probe without an answer in time is Known with error
    `slow`; Unknown means not probed."""

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
    path: str = "/"  # the path that `http` requested
    protocol: str = "http"  # how it was requested: `http` or `uwsgi`
    # the container's own port if Docker publishes this one; `node` is that container
    container_port: int = 0
    single_address: str = ""  # the one address this stands for, if the name has several replicas
    # the answer to TLS after plain HTTP was closed, or the reverse
    other_scheme_probe: Fact[ProbeResult] = Unknown("not asked")
    # the answer to the same request behind a PROXY header, after it was hung up on with and without TLS
    proxy_header_probe: Fact[ProbeResult] = Unknown("not asked")
    # (name, result) of each TLS handshake of ours; the name is empty if none was sent
    tls_names: tuple[tuple[str, ProbeResult], ...] = ()

    @property
    def port_on_node(self) -> int:
        """Return the port on `node` itself."""
        return self.container_port or self.port


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route, its endpoints (ids), and nginx's answers: one result per request. `kept`: errors in its cache."""

    route: Route
    node: str
    endpoints: tuple[str, ...]
    probes: Fact[tuple[ProbeResult, ...]]
    conf: str = ""  # the main file of its nginx, of several on one node; empty for the only one
    url_asked: bool = False  # the first probe asked for the operator's `--url`, and waited as long as nginx would
    direct: tuple[tuple[str, ProbeResult], ...] = ()  # (endpoint, its own answer) for other pages that failed

    @property
    def ends_early(self) -> bool:
        """True if an answer to one of our requests ended before its announced end."""
        return any(probe.whole is False for probe in self.probes.or_else(()))
    kept: tuple[KeptAnswer, ...] = ()
    nginx_version: tuple[int, ...] = ()  # of its nginx's program, asked only if it decides, and answers may not say so


@dataclass(frozen=True, slots=True)
class Node:
    """A host, container or engine with its own process table, network and files."""

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
    init: str = ""  # `systemd` if systemd is PID 1
    firewall: Fact[Firewall] = Unknown("not asked")
    policy: Fact[SecurityPolicy] = Unknown("not asked")
    ip_routes: Fact[tuple[tuple[str, str], ...]] = Unknown("not asked")  # its IPv4 routes: (network, type)
    is_loopback_down: bool = False  # asked only where packets may be blocked
    unanswered_addresses: tuple[str, ...] = ()  # those in its own networks that do not answer ARP
    missing_paths: tuple[str, ...] = ()  # paths that were checked and are missing or dangling
    local_ports: Fact[tuple[int, int]] = Unknown("not asked")  # first and last port of its own for connections
    mounts: tuple[tuple[str, str, bool], ...] = ()  # (path on the engine's machine, destination, writable) of binds
    name_servers: tuple[str, ...] = ()  # those of its resolv.conf, read only if nginx's resolver is in question
    kept_paths: tuple[str, ...] = ()  # destinations of its binds and volumes: what a new container has too


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file whose bytes a repair may edit: unit files, drop-ins, environment files, wrappers, compose files."""

    node: str
    path: str  # as its user names it
    real_path: str  # the file itself, after links
    data: bytes
    stat: FileStat
    single_file_mount: bool = False
    managed_by: str = ""  # `Ansible`, `certbot` …, if its header says so


@dataclass(frozen=True, slots=True)
class HandStartedLog:
    """The newest log where programs started by hand write theirs, and its last lines."""

    node: str
    path: str
    written_at: float
    lines: tuple[LogLine, ...]
    uid: int = -1       # who owns it: the account of the program, unless a shell of root opened it


@dataclass(frozen=True, slots=True)
class AddressCandidate:
    """A container that may have taken over an address that nginx still uses, and its answer to the endpoint's probe."""

    endpoint: str
    node: str
    address: str
    http: Fact[ProbeResult]


# The files of the last snapshot that was asked, by node and path: a host may have a file for each of 10,000 sites.
_indexed: tuple[tuple[FileContent, ...], dict[tuple[str, str], FileContent]] = ((), {})


def _files_by_path(files: tuple[FileContent, ...]) -> dict[tuple[str, str], FileContent]:
    """Return the files by (node, path) and by (node, real path); the first of each counts."""
    global _indexed  # noqa: PLW0603 - one entry, replaced as a whole
    known, found = _indexed
    if known is not files:
        found = {}
        for file in files:
            found.setdefault((file.node, file.path), file)
            found.setdefault((file.node, file.real_path), file)
        _indexed = (files, found)
    return found


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
    engine_firewall: Fact[Firewall] = Unknown("not asked")  # of the Docker host, for traffic of containers
    learned: tuple[Learned, ...] = ()
    kernel_logs: tuple[KernelLog, ...] = ()
    address_candidates: tuple[AddressCandidate, ...] = ()
    hand_started_logs: tuple[HandStartedLog, ...] = ()
    boot_entries: tuple[BootEntry, ...] = ()  # other starters of servers, read only if nothing listens at an address
    ignored: tuple[IgnoredFinding, ...] = ()  # ignored findings of a bundle's machine
    engine_files: tuple[tuple[str, FileStat], ...] = ()  # paths that were checked on the Docker host
    named_containers: tuple[Container, ...] = ()  # have a name that nginx asks for, on none of its networks
    seconds_since_repair: float = 0.0  # since fixer's last repair, 0 if there is none
    is_cut: bool = False  # some questions had no answer in time: what was not seen may be there all the same
    # nginx's files that its container makes of templates at each start, if that is proven byte by byte
    generated_files: tuple[GeneratedFile, ...] = ()
    templates: tuple[FileContent, ...] = ()  # of these files; nginx itself does not read them
    file_origins: tuple[FileOrigin, ...] = ()  # what start scripts say of nginx's files

    def service(self, service_id: str) -> Service | None:
        """Return the service with that id."""
        return next((s for s in self.services if s.id == service_id), None)

    def nginx_of(self, facts: RouteFacts) -> Nginx | None:
        """Return the nginx of a route."""
        return next((nginx for nginx in self.nginxes if nginx.serves(facts)), None)

    def node(self, name: str) -> Node:
        """Return the node with that name; KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def file(self, node: str, path: str) -> FileContent | None:
        """Return the readable file at that path (or real path) of that node."""
        return _files_by_path(self.files).get((node, path))
