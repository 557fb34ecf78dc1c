"""A compose project: what its files define, what of it has no container, and which of its files are gone."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence, Fact


@dataclass(frozen=True, slots=True)
class UncreatedService:
    """A service of a project's files without a container; others call it by `names`. `profiles`: any turns it on."""

    service: str
    names: tuple[str, ...]
    source: Evidence
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingEnvFile:
    """A file that a service of a compose project takes variables from and that is not there. `beside` are copies of it
    and examples, what counts most first."""

    service: str
    source: Evidence
    path: str
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compose:
    """A compose project as its containers' labels name it. `hash_matches` per service: config-hash label equals
    `docker compose config --hash`; only then may an `up` be run. `editable` Unknown(reason) where files are missing or
    not writable. `dropped` are services with a container that its files do not define (any more)."""

    project: str
    working_dir: str
    config_files: tuple[str, ...]
    environment_files: tuple[str, ...]
    hash_matches: tuple[tuple[str, bool], ...]
    editable: Fact[bool]
    uncreated: tuple[UncreatedService, ...] = ()
    undefined_services: tuple[str, ...] = ()
    missing_env_files: tuple[MissingEnvFile, ...] = ()   # looked for only where a service has no container


# What a service relies on besides its own program: an address or a file that its variables or start script name.
# How variables are called that say where such a system is.
DEPENDENCY_NAME_PATTERN = (r"(?:\w+_)?(?:DATABASE|DB|PG|POSTGRES(?:QL)?|SQL|SQLALCHEMY|MYSQL|MARIADB|REDIS|"
                           r"MONGO(?:DB)?|CACHE|BROKER|"
          r"AMQP|RABBITMQ|VALKEY|MEMCACHED?|CELERY_BROKER)(?:_\w+)?_?")


@dataclass(frozen=True, slots=True)
class Dependency:
    """One address (`host`, `ip` where a name leads to one, `port`), or one `path`: a file, or a socket of that system.

    `engine` is the kind of system, empty where nothing tells it. Of a script that waits: `wanted` is false where it
    waits until that is gone, `is_looped` true where it waits for as long as it takes. `present` tells whether the path
    is there, None where nobody looked.
    """

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
        """For people."""
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


# What starts a backend besides the managers: lines of cron for a reboot, rc.local, units of a user's own systemd,
# folders of runit, s6 or daemontools, what monit watches, the script that a container begins with.
StarterKind: TypeAlias = Literal["cron", "rc.local", "user-unit", "runit", "s6", "daemontools", "monit", "entrypoint"]


@dataclass(frozen=True, slots=True)
class BootEntry:
    """One command that starts a server at `port` (or `unix`). `user` is whose it is; `idle` says why it may not have
    been run, empty where nothing speaks against it; `command` starts it where its watcher has one for that."""

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
