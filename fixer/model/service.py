"""A service as it was found: its manager's view, its command and variables with their places, its log."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.model.deployment import Dependency
from fixer.model.facts import Evidence, Fact, Known, Unknown

Manager: TypeAlias = Literal["systemd", "docker", "supervisord", "none"]


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
class PreCommand:
    """One ExecStartPre= with how it ended; `code` is empty where it has not run."""

    argv: str
    code: str
    status: int


@dataclass(frozen=True, slots=True)
class BlockingUnit:
    """A unit that systemd is starting or stopping, and behind which the start of another is queued; `since` (epoch
    seconds) is when it came to that, 0.0 where not known."""

    name: str
    since: float


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
    restart_delay: float = 0.0              # seconds between an end and the next start
    triggered_by: tuple[str, ...] = ()
    memory_max: int = 0                     # bytes; 0 where there is no limit
    tasks_max: int = 0
    control_group: str = ""
    pre: tuple[PreCommand, ...] = ()
    listen: tuple[str, ...] = ()            # a socket unit's addresses, as `systemctl show` names them
    nofile_limit: int = 0                   # LimitNOFILE (soft), 0 where not told
    cpu_limit: float = 0.0                  # CPUQuota as a number of CPUs, 0 where nothing limits it
    # result and restarts are its journal's word, since systemd forgot them
    is_from_journal: bool = False
    pulled_by: tuple[str, ...] | None = None    # loaded units that start it along with them; None where not told
    conflicts: tuple[str, ...] = ()         # units, targets left out, that systemd stops when it starts this one
    job: int = 0                            # the number of its job in systemd's queue, 0 for none
    blocked_by: tuple[BlockingUnit, ...] = ()        # what its start is queued behind


@dataclass(frozen=True, slots=True)
class UnitSetting:
    """One line of a unit's files, or of a compose file, that causes ask for: a condition, a limit, a wish at boot.

    `source.where` is file:line. `present`: whether the path it speaks of is there now (for `WantedBy` the link in the
    target's folder); None where nobody could look or where it speaks of none.
    """

    key: str
    value: str
    source: Evidence
    present: bool | None = None
    argument: CommandArgument | None = None


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
    shares: tuple[tuple[str, str], ...] = ()   # (path on the engine's machine, destination) of binds and volumes
    network_mode: str = ""                # the network that it was made with
    health_port: int = 0                  # the port of this machine that its health check asks, 0 where it names none
    bridges: tuple[tuple[str, str], ...] = ()     # (network, the bridge that Docker makes for it)
    security: tuple[str, ...] = ()        # HostConfig.SecurityOpt; a profile's text only as `seccomp=…`
    working_dir: str = ""
    memory_max: int = 0                                      # bytes; 0 where there is no limit
    pids_max: int = 0
    read_only: bool = False
    cpu_limit: float = 0.0                # CPUs it may use, 0 where nothing limits it
    nofile_limit: int = 0                 # open files of a process, 0 where the engine's default holds
    health_exit: int | None = None        # how its health check ended last, None where it has none
    health_output: str = ""                 # the last words of its last health check
    exposes: tuple[int, ...] = ()         # TCP ports that its image or its own settings say it listens on
    extra_hosts: tuple[str, ...] = ()     # names that it was given besides those of its networks
    links: tuple[tuple[str, str], ...] = ()     # (container, name): what it alone calls others by (`links:`, --link)
    gateways: tuple[str, ...] = ()        # addresses of the Docker host on its networks
    # (network, the addresses that were chosen for it there)
    fixed_addresses: tuple[tuple[str, tuple[str, ...]], ...] = ()
    subnets: tuple[tuple[str, str], ...] = ()    # (network, all its addresses as 172.20.0.0/16)
    net_admin: bool = False               # it may change the packet filter of its own network
    ipv6: tuple[tuple[str, str], ...] = ()       # (network, its IPv6 address there)
    sources: tuple[str, ...] = ()         # what must lie on the engine's machine when it starts; the rest Docker makes
    missing_sources: tuple[str, ...] = ()           # those of them that were looked for and are gone
    created_at: float = 0.0

    def label(self, name: str) -> str | None:
        """The value of one label, None where it is not set."""
        return dict(self.labels).get(name)

    @property
    def lender(self) -> str:
        """The id of the container whose network it has, empty where it has its own or that of its host."""
        kind, _, name = self.network_mode.partition(":")
        return name if kind == "container" else ""

    @property
    def has_shared_network(self) -> bool:
        """It has no network of its own, but that of its host or of another container."""
        return self.network_mode == "host" or bool(self.lender)

    @property
    def addresses(self) -> frozenset[str]:
        """All addresses that it has on its networks, of both families."""
        return frozenset((*(ip for _, ip, _ in self.networks if ip), *(ip for _, ip in self.ipv6)))


ProgramState: TypeAlias = Literal[
    "RUNNING", "STARTING", "BACKOFF", "STOPPED", "EXITED", "FATAL", "DOWN", "UNKNOWN",
]


@dataclass(frozen=True, slots=True)
class Program:
    """A program of supervisord, as its files, its log and the process table tell it. Times are epoch seconds.

    `name` is what supervisorctl calls it (`GROUP:*` where it is several processes), `group` what `update` takes.
    `state` DOWN: supervisord itself does not run. `ended` is how the last run ended, in supervisord's words, and
    `signal` its signal, 0 for none; `expected` whether that was meant to be. `restarts` are the unexpected ends of the
    last minutes. `unit` is the systemd unit of supervisord itself.
    """

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
class CommandArgument:
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
class UnitValue:
    """One assignment in `[Service]` of a unit's files, `start`/`end` the byte span of its value. Variables are left
    out: their values may be secrets."""

    key: str
    value: str
    file: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EnvSlot:
    """Where a new variable of a service can be written: put `template` at byte `offset` of `file`.

    `template` holds `{name}` and `{value}`; the value must be quoted for `style` by whoever fills it in (`env-file` is
    read by systemd or a shell, `dotenv` by compose). Without a newline it goes into the middle of a line. `only_for`
    names the variables that this place is read for (a compose file's `${NAME}` from `.env`), empty for any.
    """

    node: str
    file: str
    offset: int
    template: str
    style: Literal["env-file", "dotenv", "unit", "yaml-map", "yaml-list", "shell", "supervisor"]
    only_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvCopy:
    """A copy (`path`) beside a file of variables (`of`): (name, start, end) of each line in it that gives a variable a
    value, never the value. `there` are the names that the file itself gives one, None where it is gone."""

    node: str
    path: str
    original_path: str
    value_spans: tuple[tuple[str, int, int], ...]
    original_names: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ComposeSetting:
    """A setting of a service besides command and variables, as its compose file gives it, and where.

    `start`/`end` is the byte span of the value in `file`, None where it cannot be edited there.
    """

    key: str
    value: str
    file: str
    line: int
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class ComposeNetwork:
    """A network on which a service's files put it, by the engine's name for it, its further names there, and the
    addresses that they choose for it."""

    name: str
    aliases: tuple[str, ...]
    source: Evidence
    addresses: tuple[str, ...] = ()


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
    `unit_values` are the assignments of its unit files, in the order in which they count; `entry` is the program that
    its manager starts (a wrapper, where `command` is what the wrapper runs).
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
    env_files: tuple[str, ...]          # files that feed its environment, the preferred one for a new value first
    workers: Fact[int]
    log: Fact[tuple[LogLine, ...]]
    is_app_server: bool                  # an application server (uvicorn, gunicorn, node …), not a system daemon
    runtime: str = ""
    command: tuple[CommandArgument, ...] = ()
    command_style: Literal["", "unit", "shell", "yaml-flow", "yaml-block", "yaml-string"] = ""
    env_slots: tuple[EnvSlot, ...] = ()
    files_node: str = ""
    settings: tuple[UnitSetting, ...] = ()
    program: Program | None = None
    unit_values: tuple[UnitValue, ...] = ()
    entry: CommandArgument | None = None
    socket: Unit | None = None           # the socket unit that starts it, where one does
    compose_settings: tuple[ComposeSetting, ...] = ()
    throttled: Fact[tuple[int, int]] = Unknown("not asked")   # (periods held back by its CPU quota, all periods)
    refaults: Fact[int] = Unknown("not asked")   # pages that it needed again after the kernel had taken them
    compose_networks: tuple[ComposeNetwork, ...] = ()   # of a compose service
    gateway: str = ""                     # its name, where the program only hands connections on (`haproxy`, `nginx` …)
    env_copies: tuple[EnvCopy, ...] = ()  # beside the files of its variables, once it has ended
    # of a unit at rest that nothing tells where: what its own code listens on
    code_bindings: tuple[Binding, ...] = ()
    # what its compose file takes from outside, and nothing beside it sets
    unset_variables: tuple[EnvAssignment, ...] = ()
    setting_slot: EnvSlot | None = None   # where a new setting could be written; its template takes the value as it is
    dependencies: tuple[Dependency, ...] = ()     # the systems that its variables name: databases, caches, brokers
    # what the shells among its processes wait for before they start its server
    startup_waits: tuple[Dependency, ...] = ()

    @property
    def running(self) -> bool:
        """True when its manager or the process table shows it alive."""
        if self.unit is not None:
            return self.unit.active_state == "active" or self.unit.main_pid > 0
        if self.container is not None:
            return self.container.status in ("running", "paused")
        if self.program is not None:
            return self.program.state in ("RUNNING", "STARTING") or bool(self.pids)
        return bool(self.pids)


def configured_sockets(service: Service) -> tuple[str, ...]:
    """The unix sockets that it is told to listen on."""
    return tuple(b.unix for b in service.bindings.value if b.unix) if isinstance(service.bindings, Known) else ()
