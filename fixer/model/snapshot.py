"""The snapshot: typed facts about every node of a target, parsed from a capture. Causes see nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from fixer.model.facts import Evidence, Fact
from fixer.model.nginxconf import NginxConfig, Route
from fixer.model.query import FileStat
from fixer.model.target import NodeKind, TargetRef

Manager: TypeAlias = Literal["systemd", "docker", "supervisord", "none"]


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
class Binding:
    """Where a service is told to listen, and the place that says so (`source.where` is file:line).

    `start`/`end` are the byte span of the port (or socket path) in `file`, None where it is not written literally.
    """

    host: str
    port: int
    unix: str | None
    source: Evidence
    file: str | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """A systemd unit as `systemctl show` tells it. Times are epoch seconds, 0.0 where never."""

    name: str
    load_state: str
    active_state: str
    sub_state: str
    result: str
    exec_main_code: int
    exec_main_status: int
    main_pid: int
    n_restarts: int
    unit_file_state: str
    fragment_path: str
    drop_in_paths: tuple[str, ...]
    environment_files: tuple[str, ...]
    environment_names: tuple[str, ...]
    exec_start: tuple[str, ...]
    user: str
    group: str
    working_directory: str
    restart: str
    type: str
    need_daemon_reload: bool
    condition_result: bool
    load_error: str
    active_enter: float
    inactive_enter: float
    state_change: float
    start_limit_burst: int
    start_limit_interval: float


@dataclass(frozen=True, slots=True)
class Container:
    """A container as `docker inspect` tells it. Times are epoch seconds; values of variables are not kept."""

    id: str
    name: str
    service: str | None
    project: str | None
    image: str
    status: str
    exit_code: int
    error: str
    oom_killed: bool
    pid: int
    restart_policy: str
    restart_count: int
    health: str | None
    started_at: float
    finished_at: float
    argv: tuple[str, ...]
    user: str
    env_names: tuple[str, ...]
    networks: tuple[tuple[str, str, tuple[str, ...]], ...]   # (network, ip, aliases)
    published: tuple[tuple[str, int, int], ...]              # (host ip, host port, container port)
    mounts: tuple[tuple[str, str, bool], ...]                # (source, destination, writable), binds only
    labels: tuple[tuple[str, str], ...]
    is_machine: bool = False

    def label(self, name: str) -> str | None:
        """The value of one label, None where it is not set."""
        return dict(self.labels).get(name)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a service's log. `at` is epoch seconds, None where the line has no time. Text is raw and hostile."""

    at: float | None
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class EnvAssignment:
    """A variable a service is given, by name and place; never its value. `defined_in` is file:line."""

    name: str
    defined_in: str
    empty: bool


@dataclass(frozen=True, slots=True)
class ArgPlace:
    """One word of a service's command after variables are replaced, and where it is written.

    `start`/`end` is the byte span of the word's text in `file` (inside its quotes), None where it is not literal
    there (a default of the server, a value put together from several places).
    """

    text: str
    file: str | None = None
    line: int = 0
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class EnvSlot:
    """Where a new variable of a service can be written: put `template` at byte `offset` of `file`.

    `template` holds `{name}` and `{value}`; the value must be quoted for `style` by whoever fills it in. `only_for`
    names the variables that this place is read for (a compose file's `${NAME}` from `.env`), empty for any.
    """

    node: str
    file: str
    offset: int
    template: str
    style: Literal["env-file", "unit", "yaml-map", "yaml-list", "shell"]
    only_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """What runs, or should run, behind a route: its manager's view, its processes, its sockets, its log.

    `id` is unique in the snapshot: `NODE/NAME`. `bindings` are what its command, unit files, environment files and
    wrapper scripts say it listens on (several where they contradict each other, the effective one first).
    `workers` is the number of worker processes it is told to run (1 where nothing says so), with the place.
    `runtime` is what serves: `uvicorn`, `gunicorn`, `hypercorn`, `daphne`, `node`, `python` (a script), `binary` …,
    empty where it is not known; prefer a real server over a bare script when two could be meant.
    `command` is the command as its unit, wrapper or compose file says, word by word with places; `command_style` how
    a word would be added there. `env_slots` are places for a new variable, the preferred one first.
    `files_node` is the node that holds the files named by bindings, command and env_slots.
    """

    id: str
    name: str
    node: str
    manager: Manager
    unit: Unit | None
    container: Container | None
    pids: tuple[int, ...]
    argv: tuple[str, ...]
    bindings: Fact[tuple[Binding, ...]]
    env: tuple[EnvAssignment, ...]
    env_places: tuple[str, ...]          # files that feed its environment, the preferred one for a new value first
    workers: Fact[int]
    log: Fact[tuple[LogLine, ...]]
    is_app_server: bool                  # an application server (uvicorn, gunicorn, node …), not a system daemon
    runtime: str = ""
    command: tuple[ArgPlace, ...] = ()
    command_style: Literal["", "unit", "shell", "yaml-flow", "yaml-block", "yaml-string"] = ""
    env_slots: tuple[EnvSlot, ...] = ()
    files_node: str = ""

    @property
    def running(self) -> bool:
        """True when its manager or the process table shows it alive."""
        if self.unit is not None:
            return self.unit.active_state == "active" or self.unit.main_pid > 0
        if self.container is not None:
            return self.container.status in ("running", "paused")
        return bool(self.pids)


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
    service: str | None = None
    service_why: tuple[Evidence, ...] = ()
    holder: str | None = None
    path: str = "/"                       # what `http` asked for


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route, its endpoints (ids), what nginx answered for it: one result per request that was made."""

    route: Route
    node: str
    endpoints: tuple[str, ...]
    probes: Fact[tuple[ProbeResult, ...]]


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
    files: tuple[tuple[str, FileStat], ...] = ()
    init: str = ""                        # `systemd` where systemd is process 1


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

    def service(self, service_id: str) -> Service | None:
        """The service with that id."""
        return next((s for s in self.services if s.id == service_id), None)

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


@dataclass(frozen=True, slots=True)
class Compose:
    """A compose project as its containers' labels name it. `hash_matches` per service: config-hash label equals
    `docker compose config --hash`; only then may an `up` be run. `editable` Unknown(reason) where files are missing,
    not writable or on another machine."""

    project: str
    working_dir: str
    config_files: tuple[str, ...]
    environment_files: tuple[str, ...]
    hash_matches: tuple[tuple[str, bool], ...]
    editable: Fact[bool]
