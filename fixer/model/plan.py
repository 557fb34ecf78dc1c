"""Steps that change a machine, as data: each can be described, previewed, applied and undone.

Every step states the expected present state; the run stops if it differs. Undo of a list of steps is the same list
backwards. Steps hold complete contents; only the journal's before-image reaches the disk."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

Risk: TypeAlias = Literal["safe", "disruptive", "manual"]
# What shows that a repair helped: answers of nginx, the same question before and after it; or its mechanism, the
# condition that the finding quotes and that is gone.
ProofKind: TypeAlias = Literal["answers", "mechanism"]


@dataclass(frozen=True, slots=True)
class FileMeta:
    """Metadata of a file. `label` is the SELinux context, `acl` the raw system.posix_acl_access."""

    mode: int
    uid: int
    gid: int
    label: str = ""
    acl: bytes = b""


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Replace the bytes of `path` (links resolved), or create it (`before` None), or delete it (`after` None).
    It stops if a link is on the way. `before` are the exact bytes expected now. `mask` are secrets, never shown.
    `link_target` set: the path is a symlink; `after` None removes the link itself, else it is created (`before` None).
    `in_place` for a single-file bind mount. `create_dirs` are parent folders to create (and to remove on undo if
    empty). `meta` is the metadata afterwards (None: as now); `expect_meta` what it must be now (None: any)."""

    node: str
    path: str
    before: bytes | None
    after: bytes | None
    summary: str
    meta: FileMeta | None = None
    link_target: str | None = None
    in_place: bool = False
    mask: tuple[bytes, ...] = ()
    create_dirs: tuple[str, ...] = ()
    display_path: str = ""
    expect_meta: FileMeta | None = None


@dataclass(frozen=True, slots=True)
class CheckNginx:
    """Run `nginx -t`; if it fails, the steps before it are rolled back. Changes nothing."""

    node: str
    binary: str
    conf_path: str
    prefix: str
    explicit: bool = False  # pass -c and -p, as the running master does


@dataclass(frozen=True, slots=True)
class ReloadNginx:
    """Reload the running master and check it: new worker PIDs, no [emerg] since. Its undo is the same reload."""

    node: str
    master_pid: int
    binary: str
    conf_path: str
    prefix: str
    error_log: str
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class DaemonReload:
    """`systemctl daemon-reload`, after unit files changed; its undo is the same."""

    node: str


@dataclass(frozen=True, slots=True)
class UnitAction:
    """One systemctl verb on one unit. Undo restores the states `was_active`/`was_enabled`;
    `exited` is an active unit without processes. `along`: another unit that reads the change. It is restarted too, and
    judged in its own round."""

    node: str
    unit: str
    verb: Literal["start", "stop", "restart", "enable", "disable", "reset-failed"]
    was_active: str
    was_enabled: str
    main_pid: int = 0
    describe: str = ""
    along: bool = False


@dataclass(frozen=True, slots=True)
class ProgramAction:
    """One verb on one supervisord program. `update` reloads its files, then runs it with them.
    Undo restores `was`, the state before (RUNNING, STOPPED, FATAL …)."""

    node: str
    program: str
    group: str
    verb: Literal["start", "restart", "update"]
    conf: str
    was: str
    main_pid: int = 0
    describe: str = ""


@dataclass(frozen=True, slots=True)
class ServiceAction:
    """One verb of the own command of a service manager (fixer/managers) on one service. Undo restores `was`, its run
    state before."""

    node: str
    manager: str
    service: str
    verb: Literal["start", "restart"]
    was: str
    main_pid: int = 0
    describe: str = ""


@dataclass(frozen=True, slots=True)
class ContainerAction:
    """One docker verb on one container. `was` is its status before (running, exited, paused …)."""

    container_id: str
    name: str
    verb: Literal["start", "restart", "stop", "unpause"]
    was: str
    describe: str = ""


ABSENT = "absent"  # state of a compose service without a container


@dataclass(frozen=True, slots=True)
class ComposeUp:
    """`docker compose … up -d --no-deps --no-build --pull never SERVICE` with the project's own files.
    `config_hash` is the label that the files must still yield before the first edit. Undo: restore files, up again; if
    `was` is ABSENT there must be no container before, and undo removes the new one. `network` (`container:ID`) and
    `depends` (its label) are those of its creation: the hash counts both."""

    project: str
    service: str
    working_dir: str
    config_files: tuple[str, ...]
    environment_files: tuple[str, ...]
    config_hash: str
    was: str = "running"
    network: str = ""
    depends: str = ""


@dataclass(frozen=True, slots=True)
class SignalProcess:
    """Send a signal to one process, identified by PID and start time. TERM and KILL are announced as irreversible.
    KILL follows TERM after `grace` seconds if the process still runs. CONT is undone with STOP."""

    node: str
    pid: int
    start_ticks: int
    signal: Literal["TERM", "KILL", "CONT"]
    describe: str
    grace: float = 5.0


@dataclass(frozen=True, slots=True)
class StartNginx:
    """Start nginx if no service manager owns it: `BINARY [-c CONF -p PREFIX]`. Undo: quit that master."""

    node: str
    binary: str
    conf_path: str
    prefix: str
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class WaitForListener:
    """Wait until something listens at that address of the node, at most `seconds`. Changes nothing.
    Stop early if the `unit` or `container` that should listen has ended."""

    node: str
    host: str
    port: int
    unix: str | None = None
    seconds: float = 60.0  # a large application on a busy host is slow; one that ends stops the wait
    unit: str = ""
    container: str = ""


@dataclass(frozen=True, slots=True)
class NetworkAction:
    """Connect a container to a Docker network under these names, or disconnect it. Undo: the opposite.
    `addresses` are its fixed addresses there; without any, Docker assigns one."""

    container_id: str
    name: str
    network: str
    verb: Literal["connect", "disconnect"]
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    """Delete a route of a rejecting type (`ip route del unreachable 10.0.0.1/32`). Undo: add it again.
    `container` owns the network namespace, entered from the Docker host. Journals of earlier versions lack its id."""

    node: str
    way: Literal["unreachable", "prohibit", "blackhole", "throw"]
    prefix: str
    container: str = ""
    container_id: str = ""


@dataclass(frozen=True, slots=True)
class SetBoolean:
    """Set a SELinux boolean persistently (`setsebool -P`). Undo: its old value."""

    node: str
    name: str
    value: bool
    was: bool


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """Remove one rule from a packet filter chain, or insert one, at `index`.
    `before` are all rules that the chain must hold now, as their tool prints them without counters. Undo: the chain as
    before, the rule at its old index. `container` owns the network, unless it is a machine: it is entered from the
    Docker host, since its image may lack the tool or the permission."""

    node: str
    tool: Literal["nft", "iptables", "ip6tables"]
    family: str
    table: str
    chain: str
    action: Literal["add", "remove"]
    rule: str
    index: int
    before: tuple[str, ...]
    container: str = ""
    container_id: str = ""


Step: TypeAlias = (
    WriteFile | CheckNginx | ReloadNginx | DaemonReload | UnitAction | ContainerAction | ComposeUp
    | SignalProcess | StartNginx | WaitForListener | ChangeRule | NetworkAction | SetBoolean
    | RemoveRoute | ProgramAction | ServiceAction
)


@dataclass(frozen=True, slots=True)
class Withheld:
    """An offered repair that is not in the plan, and the flag that would allow it."""

    repair_id: str
    cause: str
    why: str
    flag: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one round for one finding; no steps but `withheld` if an operator must act first."""

    cause: str | None
    repair_id: str | None
    risk: Risk
    summary: str
    steps: tuple[Step, ...]
    withheld: tuple[Withheld, ...] = ()
    waits: bool = False
    proof: ProofKind = "answers"


def has_only_starts(steps: tuple[Step, ...]) -> bool:
    """Return whether the steps only start what is down and wait for it."""
    verbs = ("start", "unpause", "enable", "reset-failed")
    return bool(steps) and all(
        isinstance(step, WaitForListener)
        or (isinstance(step, UnitAction | ContainerAction | ProgramAction | ServiceAction)
            and step.verb in verbs)
        for step in steps
    )


def affected_services(steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Return the names of the services that the steps start, stop or restart."""
    names: list[str] = []
    for step in steps:
        match step:
            case UnitAction():
                names.append(step.unit)
            case ProgramAction():
                names.append(step.program)
            case ServiceAction():
                names.append(step.service)
            case ContainerAction():
                names.append(step.name)
            case ComposeUp():
                names.append(step.service)
            case _:
                pass
    return tuple(dict.fromkeys(names))
