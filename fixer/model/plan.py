"""Steps that change a machine, as data: each can be described, previewed, applied and taken back.

Every step says what the present state must be (`expect`); the engine stops when it is not. Undo of a list of steps
is the same list backwards. Bytes are kept whole in the step; only the journal's before-image touches the disk.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass

Risk: TypeAlias = Literal["safe", "disruptive", "manual"]


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What a file must be besides its bytes. `label` is the SELinux context, `acl` the raw system.posix_acl_access."""

    mode: int
    uid: int
    gid: int
    label: str = ""
    acl: bytes = b""


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Replace the bytes of `path` (the file itself, links resolved), or create it (`before` None), or delete it
    (`after` None). No link that `path` leads through is followed: where one is there by then, it stops. `before` are
    the exact bytes expected now. `mask` are byte strings never to be shown (secrets).

    `link_target` set: the thing is a symlink; `after` None removes the link itself. `in_place` for a single-file
    bind mount. `create_dirs` are parent folders to make (and take back on undo when empty). A link is created where
    `link_target` is set, `before` is None and `after` is not.

    `meta` is what the file has afterwards (None: what it has now); `expect_meta` what it must have now (None: any).
    """

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
    """`nginx -t` must pass; else the steps before it are taken back. Changes nothing."""

    node: str
    binary: str
    conf_path: str
    prefix: str
    explicit: bool = False    # pass -c and -p (the running master does)


@dataclass(frozen=True, slots=True)
class ReloadNginx:
    """Reload the running master and prove it: new worker pids, no [emerg] since. Its undo is the same reload."""

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
    """One systemctl verb on one unit. `was_active`/`was_enabled` are the states that undo goes back to;
    `exited` is a unit that counts as active with no process of it left.

    `along`: another unit that reads what was changed. It is restarted with the rest, and judged by a round of its own.
    """

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
    """One verb on one program of supervisord. `update` lets it read its files again, then runs it with them.

    `was` is the state before (RUNNING, STOPPED, FATAL …): an undo goes back to it.
    """

    node: str
    program: str
    group: str
    verb: Literal["start", "restart", "update"]
    conf: str
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


ABSENT = "absent"     # the state of a compose service without a container


@dataclass(frozen=True, slots=True)
class ComposeUp:
    """`docker compose … up -d --no-deps --no-build --pull never SERVICE` with the project's own files.

    `config_hash` is the label that the files must still give before the first edit. Undo: files back, up again; where
    `was` is ABSENT there must be no container before, and undo removes the one that was made. `network`
    (`container:ID`) is that of another container which it was made with, `depends` its label of what it depends on: the
    hash counts both.
    """

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
    """Send a signal to one process, known by pid and start time. TERM/KILL cannot be taken back and says so before.

    KILL follows TERM after `grace` seconds when the process is still there. CONT is taken back with STOP.
    """

    node: str
    pid: int
    start_ticks: int
    signal: Literal["TERM", "KILL", "CONT"]
    describe: str
    grace: float = 5.0


@dataclass(frozen=True, slots=True)
class StartNginx:
    """Start nginx where no manager owns it: `BINARY [-c CONF -p PREFIX]`. Undo: quit that master."""

    node: str
    binary: str
    conf_path: str
    prefix: str
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class WaitForListener:
    """Wait until something accepts at that address of the node, at most `seconds`, or until the `unit` or `container`
    that should do so has ended. Changes nothing."""

    node: str
    host: str
    port: int
    unix: str | None = None
    seconds: float = 60.0    # a large application on a busy host takes its time; one that ends is not waited for
    unit: str = ""
    container: str = ""


@dataclass(frozen=True, slots=True)
class NetworkAction:
    """Join a container to a Docker network under these names, or take it off. Undo: the other of the two.

    `addresses` are those that somebody chose for it there; without any Docker gives it what is free.
    """

    container_id: str
    name: str
    network: str
    verb: Literal["connect", "disconnect"]
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    """Delete a route that leads nowhere (`ip route del unreachable 10.0.0.1/32`). Undo: it is added again.

    `container` names the one whose network it belongs to: it is entered from the Docker host. Journals of earlier
    versions do not tell its id.
    """

    node: str
    way: Literal["unreachable", "prohibit", "blackhole", "throw"]
    prefix: str
    container: str = ""
    container_id: str = ""


@dataclass(frozen=True, slots=True)
class SetBoolean:
    """Turn a boolean of the SELinux policy on or off, for good (`setsebool -P`). Undo: as it was."""

    node: str
    name: str
    value: bool
    was: bool


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """Take one rule out of a packet filter's chain, or put one in, at `index`. `before` are all rules that the chain
    must hold now, as their tool prints them without counters. Undo: the chain as before, the rule at its old place.

    `container` names the one whose network the chain filters, where it is no machine: it is entered from the Docker
    host, for its image need hold no such tool, and it may not use it.
    """

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
    | RemoveRoute | ProgramAction
)


@dataclass(frozen=True, slots=True)
class Withheld:
    """A repair that is offered but not in the plan, and the flag that would allow it."""

    repair_id: str
    cause: str
    why: str
    flag: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What one round will do for one finding; empty steps with `withheld` when a person must act first."""

    cause: str | None
    repair_id: str | None
    risk: Risk
    summary: str
    steps: tuple[Step, ...]
    withheld: tuple[Withheld, ...] = ()
    waits: bool = False


def has_only_starts(steps: tuple[Step, ...]) -> bool:
    """True where nothing is done but to start what is down and to wait for it."""
    verbs = ("start", "unpause", "enable", "reset-failed")
    return bool(steps) and all(
        isinstance(step, WaitForListener)
        or (isinstance(step, UnitAction | ContainerAction | ProgramAction) and step.verb in verbs)
        for step in steps
    )


def affected_services(steps: tuple[Step, ...]) -> tuple[str, ...]:
    """The services that steps start, stop or restart, by the names that they go by."""
    names: list[str] = []
    for step in steps:
        match step:
            case UnitAction():
                names.append(step.unit)
            case ProgramAction():
                names.append(step.program)
            case ContainerAction():
                names.append(step.name)
            case ComposeUp():
                names.append(step.service)
            case _:
                pass
    return tuple(dict.fromkeys(names))
