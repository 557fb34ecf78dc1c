"""A service as observed: its manager's state, command and variables with their positions, and its log."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.model.deployment import BootEntry, Dependency, ManagedService, ProxyVariable
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.unit_event import LineWriter, UnitEvent

Manager: TypeAlias = str      # its name in fixer/managers; "none" without one


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a service is configured to listen; `source.where` is file:line. `start`/`end`: the bytes of the port (or
    socket path) in `file`, None if not literal there. `host_place`: the host's, if each is a variable of its own."""

    host: str
    port: int
    unix: str | None
    source: Evidence
    file: str | None = None
    start: int | None = None
    end: int | None = None
    host_place: CommandArgument | None = None
    protocol: str = ""      # that the server's file names for it: http, uwsgi, fastcgi, scgi; else empty


@dataclass(frozen=True, slots=True)
class PreCommand:
    """One ExecStartPre= and its exit; `code` is empty if it has not run."""

    argv: str
    code: str
    status: int


@dataclass(frozen=True, slots=True)
class BlockingUnit:
    """A unit whose start or stop blocks the start of another; `since` is epoch seconds, 0.0 if unknown."""

    name: str
    since: float


@dataclass(frozen=True, slots=True)
class Unit:
    """A systemd unit as `systemctl show` reports it. Times are epoch seconds, 0.0 for never."""

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
    restart_delay: float = 0.0  # seconds between an exit and the next start
    triggered_by: tuple[str, ...] = ()
    memory_max: int = 0  # bytes; 0 for no limit
    tasks_max: int = 0
    control_group: str = ""
    pre: tuple[PreCommand, ...] = ()
    listen: tuple[str, ...] = ()  # a socket unit's addresses, as `systemctl show` names them
    nofile_limit: int = 0  # LimitNOFILE (soft), 0 if not reported
    cpu_limit: float = 0.0  # CPUQuota as a number of CPUs, 0 for no limit
    is_from_journal: bool = False  # its result and restarts are: systemd has dropped them
    pulled_by: tuple[str, ...] | None = None  # loaded units that start it too; None if not reported
    conflicts: tuple[str, ...] = ()  # units (no targets) that systemd stops when it starts this one
    job: int = 0  # the number of its job in systemd's queue, 0 for none
    blocked_by: tuple[BlockingUnit, ...] = ()  # units that its start waits for


@dataclass(frozen=True, slots=True)
class UnitSetting:
    """One line of a unit file or compose file that causes need: a condition, a limit, enablement. `source.where` is
    file:line. `present`: whether its path (for `WantedBy` the link in the target's folder) exists; None if unknown."""

    key: str
    value: str
    source: Evidence
    present: bool | None = None
    argument: CommandArgument | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A container as `docker inspect` reports it. Times are epoch seconds; values of variables are not stored."""

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
    networks: tuple[tuple[str, str, tuple[str, ...]], ...]  # (network, ip, aliases)
    published: tuple[tuple[str, int, int], ...]  # (host ip, host port, container port)
    mounts: tuple[tuple[str, str, bool], ...]  # (source, destination, writable), binds only
    labels: tuple[tuple[str, str], ...]
    is_machine: bool = False
    shares: tuple[tuple[str, str], ...] = ()  # (path on the engine's machine, destination) of binds and volumes
    network_mode: str = ""  # the network of its creation
    health_port: int = 0  # the local port that its health check asks, 0 if none
    bridges: tuple[tuple[str, str], ...] = ()  # (network, the bridge that Docker creates for it)
    security: tuple[str, ...] = ()  # HostConfig.SecurityOpt; a profile's text only as `seccomp=…`
    working_dir: str = ""
    memory_max: int = 0  # bytes; 0 for no limit
    pids_max: int = 0
    read_only: bool = False
    cpu_limit: float = 0.0  # CPUs it may use, 0 for no limit
    nofile_limit: int = 0  # open files per process, 0 for the engine's default
    health_exit: int | None = None  # exit code of its last health check, None if it has none
    health_output: str = ""  # the end of its last health check's output
    exposes: tuple[int, ...] = ()  # TCP ports that its image or its settings expose
    extra_hosts: tuple[str, ...] = ()  # host names besides those of its networks
    links: tuple[tuple[str, str], ...] = ()  # (container, name): private names for others (`links:`, --link)
    gateways: tuple[str, ...] = ()  # addresses of the Docker host on its networks
    fixed_addresses: tuple[tuple[str, tuple[str, ...]], ...] = ()  # (network, its fixed addresses there)
    subnets: tuple[tuple[str, str], ...] = ()  # (network, its subnet such as 172.20.0.0/16)
    net_admin: bool = False  # it may change its own packet filter
    ipv6: tuple[tuple[str, str], ...] = ()  # (network, its IPv6 address there)
    sources: tuple[str, ...] = ()  # paths that must exist on the engine's machine at its start; Docker creates others
    missing_sources: tuple[str, ...] = ()  # those of them that were checked and are missing
    created_at: float = 0.0
    name_files: tuple[tuple[str, str], ...] = ()  # (path, path on the engine's machine) of its resolv.conf and hosts
    port_variables: tuple[tuple[str, int], ...] = ()  # (name, value) of its variables that are named as ports
    host_variables: tuple[tuple[str, tuple[str, ...]], ...] = ()  # the same for hosts: the names of sites, with a dot

    def label(self, name: str) -> str | None:
        """Return the value of one label, None if it is not set."""
        return dict(self.labels).get(name)

    @property
    def lender(self) -> str:
        """Return the id of the container whose network it uses; empty if it has its own or its host's."""
        kind, _, name = self.network_mode.partition(":")
        return name if kind == "container" else ""

    @property
    def has_shared_network(self) -> bool:
        """Return whether it uses the network of its host or of another container."""
        return self.network_mode == "host" or bool(self.lender)

    @property
    def follows_docker(self) -> bool:
        """Return whether it can read Docker's events: it mounts the engine's socket."""
        return any(source.rpartition("/")[2] == "docker.sock" for source, _, _ in self.mounts)

    @property
    def addresses(self) -> frozenset[str]:
        """Return all its addresses on its networks, of both families."""
        return frozenset((*(ip for _, ip, _ in self.networks if ip), *(ip for _, ip in self.ipv6)))


ProgramState: TypeAlias = Literal["RUNNING", "STARTING", "BACKOFF", "STOPPED", "EXITED", "FATAL", "DOWN", "UNREAD",
                                  "UNKNOWN"]


@dataclass(frozen=True, slots=True)
class Program:
    """A supervisord program. `name` is for supervisorctl (`GROUP:*` for several), `group` for `update`. `state` DOWN:
    supervisord does not run; UNREAD: it has not read the file. `ended`: its text on the last exit, `signal` 0 for none.
    `restarts`: recent ends, unexpected or followed by a start. `missing_include`: (byte of `conf`, include)."""

    name: str
    group: str
    state: ProgramState
    conf: str
    file: str
    line: int
    autostart: bool
    autorestart: str
    autostart_span: tuple[int, int] | None = None
    ended: str = ""
    signal: int = 0
    expected: bool = True
    ended_at: float = 0.0
    started_at: float = 0.0
    restarts: int = 0
    unit: Unit | None = None
    missing_include: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a service's log. `at` is epoch seconds, None if the line has no time. Text is raw and untrusted.
    `event` is what the manager's own fields say; a line of an unknown writer may still mean one by its words."""

    at: float | None
    text: str
    where: str
    writer: LineWriter = "unknown"
    event: UnitEvent | None = None


@dataclass(frozen=True, slots=True)
class EnvAssignment:
    """A variable of a service, by name and position; never its value. `defined_in` is file:line."""

    name: str
    defined_in: str
    empty: bool
    exported: bool = True   # whether the shell that sets it passes it on to programs


@dataclass(frozen=True, slots=True)
class CommandArgument:
    """One argument of a service's command after variable expansion. `start`/`end`: the byte span of its text in `file`,
    inside its quotes, None if not literal there. `default_of`: the variable that it stands in for, as a script says."""

    text: str
    file: str | None = None
    line: int = 0
    start: int | None = None
    end: int | None = None
    default_of: str = ""


@dataclass(frozen=True, slots=True)
class UnitValue:
    """One assignment in `[Service]` of a unit's files, and its byte span; of no variable, which may be a secret."""

    key: str
    value: str
    file: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EnvSlot:
    """Where a new variable goes: `template` (`{name}`, `{value}`) at byte `offset`, within a line if it has no newline.
    `style` quotes: systemd or a shell reads `env-file`, Compose `dotenv`. `only_for`: these alone, empty for any."""

    node: str
    file: str
    offset: int
    template: str
    style: Literal["env-file", "dotenv", "unit", "yaml-map", "yaml-list", "shell", "supervisor"]
    only_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvCopy:
    """A copy (`path`) of a file of variables (`original_path`): (name, start, end) of each line that sets a variable,
    never the value. `original_names` are those that the original sets, None if it is missing."""

    node: str
    path: str
    original_path: str
    value_spans: tuple[tuple[str, int, int], ...]
    original_names: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ComposeSetting:
    """A setting of a service in its compose file, and the byte span of its value, None if it cannot be edited there."""

    key: str
    value: str
    file: str
    line: int
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class ComposeNetwork:
    """A network that a service's files connect it to: the engine's name, its aliases and fixed addresses there."""

    name: str
    aliases: tuple[str, ...]
    source: Evidence
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """What runs, or should run, behind a route: its manager's state, its processes, its sockets, its log.
    `id` is unique in the snapshot: `NODE/NAME`. `bindings` follow from its command, files and wrapper scripts (several
    if they conflict, the effective one first). `workers` is its configured number (1 by default), with evidence.
    `runtime` is the server: `uvicorn`, `node`, `python` (a script), `binary` …, empty if unknown; a real server is
    preferred over a bare script. `command` is the command of its unit, wrapper or compose file, with positions;
    `command_style` is how an argument would be added. `env_slots` are places for a new variable, the preferred one
    first. `files_node` holds the files of bindings, command and env_slots. `unit_values`: its unit files' own."""

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
    env_files: tuple[str, ...]  # files of its environment, the preferred one for a new value first
    workers: Fact[int]
    log: Fact[tuple[LogLine, ...]]
    is_app_server: bool  # an application server (uvicorn, gunicorn, node …), not a system daemon
    runtime: str = ""
    command: tuple[CommandArgument, ...] = ()
    variable_arguments: tuple[CommandArgument, ...] = ()  # that its server reads from a variable, before its command's
    command_style: Literal["", "unit", "shell", "yaml-flow", "yaml-block", "yaml-string"] = ""
    env_slots: tuple[EnvSlot, ...] = ()
    files_node: str = ""
    settings: tuple[UnitSetting, ...] = ()
    program: Program | None = None
    unit_values: tuple[UnitValue, ...] = ()
    entry: CommandArgument | None = None  # what its manager starts: a wrapper, if that runs `command`
    socket: Unit | None = None  # the socket unit that starts it, if any
    compose_settings: tuple[ComposeSetting, ...] = ()
    throttled: Fact[tuple[int, int]] = Unknown("not asked")  # (periods throttled by its CPU quota, all periods)
    refaults: Fact[int] = Unknown("not asked")  # pages that it needed again after the kernel had evicted them
    compose_networks: tuple[ComposeNetwork, ...] = ()  # of a compose service
    gateway: str = ""  # the program's name if it only forwards connections (`haproxy`, `nginx` …)
    env_copies: tuple[EnvCopy, ...] = ()  # copies of its env files, once it has ended
    code_bindings: tuple[Binding, ...] = ()  # in the code of a stopped unit without a configured address
    unset_variables: tuple[EnvAssignment, ...] = ()  # its compose file reads them, and nothing there sets them
    setting_slot: EnvSlot | None = None  # where a new setting can be written; its template takes the value unquoted
    dependencies: tuple[Dependency, ...] = ()  # systems that its variables name: databases, caches, brokers
    proxies: tuple[ProxyVariable, ...] = ()  # variables that lead its own calls to a proxy, or past one
    startup_waits: tuple[Dependency, ...] = ()  # what its shells wait for before they start its server
    absent_env_files: tuple[str, ...] = ()  # files that its start would take variables from, and that do not exist
    missing_file: str = ""  # a file that its start script cannot do without, and that does not exist
    boot_entry: BootEntry | None = None  # what starts it besides service managers
    managed: ManagedService | None = None
    cwd: str = ""  # the folder in which a process without a manager runs, empty if unknown
    runs_as: str = ""  # the account that its launchers change to (`runuser`, `setpriv` …), empty if to none

    @property
    def is_idle_boot_entry(self) -> bool:
        """Return whether only a boot entry would start it, and it does not run."""
        return self.boot_entry is not None and not self.pids

    @property
    def is_hand_started(self) -> bool:
        """Return whether only a script says how somebody would start it, and it does not run."""
        return self.boot_entry is not None and not (self.boot_entry.is_run_at_boot or self.pids)

    @property
    def start_folder(self) -> str:
        """Return the folder that it starts in, or runs in without a manager; empty if unknown, or in a container."""
        if self.boot_entry is not None and (self.boot_entry.is_run_at_boot or not self.pids):
            return self.boot_entry.directory
        if self.managed is not None:
            return self.managed.directory
        if self.program is not None:
            return next((v.value.strip() for v in reversed(self.unit_values) if v.key == "directory"), "")
        return self.unit.working_directory if self.unit is not None else self.cwd

    @property
    def running(self) -> bool:
        """Return whether its manager or the process table shows it alive."""
        if self.unit is not None:
            return self.unit.active_state == "active" or self.unit.main_pid > 0
        if self.container is not None:
            return self.container.status in ("running", "paused")
        is_started = self.program is not None and self.program.state in ("RUNNING", "STARTING")
        return is_started or bool(self.pids)


def configured_sockets(service: Service) -> tuple[str, ...]:
    """Return the unix sockets that it is configured to listen on."""
    return tuple(b.unix for b in service.bindings.value if b.unix) if isinstance(service.bindings, Known) else ()
