"""Compose projects, dependencies of a service, and entries that start servers at boot."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence, Fact


@dataclass(frozen=True, slots=True)
class UncreatedService:
    """A service of a project's files without a container, reached by `names`. Any of `profiles` enables it. `sockets`
    are the paths (or, in a named volume, their ends) that its unix sockets would have on the engine's machine.
    `folders` are what it mounts, on the engine's machine as well. `guest_of` is the service whose network it uses,
    `ports` are those that it would listen on."""

    service: str
    names: tuple[str, ...]
    source: Evidence
    profiles: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    guest_of: str = ""
    ports: tuple[int, ...] = ()
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingEnvFile:
    """A missing env file of a compose service. `copies` are backups and examples next to it, the most relevant
    first."""

    service: str
    source: Evidence
    path: str
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compose:
    """A compose project as its containers' labels name it. `undefined_services` have a container and are in no file.
    `hash_matches` per service: config-hash label equals `docker compose config --hash`; only then may an `up` run.
    `editable` is Unknown(reason) if files are missing or not writable."""

    project: str
    working_dir: str
    config_files: tuple[str, ...]
    environment_files: tuple[str, ...]
    hash_matches: tuple[tuple[str, bool], ...]
    editable: Fact[bool]
    uncreated: tuple[UncreatedService, ...] = ()
    undefined_services: tuple[str, ...] = ()
    missing_env_files: tuple[MissingEnvFile, ...] = ()  # checked only if a service has no container


@dataclass(frozen=True, slots=True)
class Dependency:
    """A dependency of a service: one address (`host`, `ip` if resolved, `port`), or one `path` (file or socket).
    `engine` is the kind of system, empty if unknown. In a script that waits: `wanted` is False if it waits until the
    dependency is missing, `is_looped` True if it waits without limit. `present`: whether the path exists, None if not
    checked."""

    source: Evidence
    host: str = ""
    ip: str = ""
    port: int = 0
    path: str = ""
    engine: str = ""
    wanted: bool = True
    is_looped: bool = False
    present: bool | None = None

    @property
    def address(self) -> str:
        """Return the address as people write it."""
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


@dataclass(frozen=True, slots=True)
class ProxyVariable:
    """A variable of a service about a proxy for its own calls (HTTP_PROXY, NO_PROXY). `value` is the proxy's HOST:PORT
    without an account, or the hosts that are asked without it; empty if it cannot be read."""

    name: str
    value: str
    source: Evidence

    @property
    def is_exception(self) -> bool:
        """Return whether it lists the hosts that are asked without a proxy."""
        return self.name.lower() == "no_proxy"


# What starts a backend besides service managers: cron's @reboot lines, rc.local, user units, service folders of runit,
# s6 or daemontools, monit's checks, a container's entrypoint script, a script that somebody runs by hand.
StarterKind: TypeAlias = Literal["cron", "rc.local", "user-unit", "runit", "s6", "daemontools", "monit", "entrypoint",
                                 "by-hand"]


@dataclass(frozen=True, slots=True)
class BootEntry:
    """One command that starts a server at `port` (or `unix`), owned by `user`.
    `not_run_reason` says why it may not have run, empty if nothing prevents it. `command` starts it, if its supervisor
    has a command for that. `directory` is the one that it starts in, empty if unknown.
    `program` is all that its line runs: one program, without an argument, a variable or another word of a shell, from a
    file that only root or `user` may write; empty if it is more."""

    node: str
    kind: StarterKind
    file: str
    line: int
    text: str
    user: str
    port: int
    unix: str | None
    not_run_reason: str = ""
    name: str = ""
    command: str = ""
    directory: str = ""
    program: str = ""

    @property
    def is_run_at_boot(self) -> bool:
        """Return whether it needs nobody: a boot or a supervisor runs it."""
        return self.kind != "by-hand"


@dataclass(frozen=True, slots=True)
class ManagedService:
    """A service of a manager without a record of its own. Times are epoch seconds, 0.0 if unknown.
    `state` is the manager's own word, `file` the file that defines it, `user` its account, `boot` what starts it at
    boot (runlevels). `restarts` are the manager's own ones; `is_supervised`: whether it restarts what ends."""

    name: str
    state: str
    file: str
    boot: tuple[str, ...] = ()
    user: str = ""
    directory: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0
    restarts: int = 0
    is_supervised: bool = False
