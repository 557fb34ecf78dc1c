"""Protocols of machines: what observers (Asker), repairs (Writer, Files) and use cases (Target) may do.

Observers receive only Askers: a diagnosis cannot write because its type has no write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from fixer.lazy.dataclass import dataclass
from fixer.model.journal import FileState
from fixer.model.plan import FileMeta
from fixer.model.query import Answer, Command, Query
from fixer.model.target import NodeKind, TargetRef

if TYPE_CHECKING:
    from typing import TypeGuard


@dataclass(frozen=True, slots=True)
class NodeClock:
    """The node's time at the query (epoch seconds), its zone (seconds east of UTC), and whether we are root there."""

    now: float
    utc_offset: float
    root: bool


class Asker(Protocol):
    """A node that only answers queries. One `ask` is one round trip."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> NodeKind: ...

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        """Return every query with its answer. A missing file or tool is an answer; `Unreachable` if the transport
        fails."""
        ...

    def clock(self) -> NodeClock:
        """Return time and privilege, learned with the first `ask` (no further round trip)."""
        ...


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A finished command: exit code (None if it timed out or could not start), raw output."""

    argv: tuple[str, ...]
    returncode: int | None
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    missing: bool = False  # the tool is missing
    truncated: bool = False  # output over the limit was dropped


FOLDER_REDIRECTED = "its folder leads elsewhere now"


def name_in_same_folder(source: str, destination: str) -> str:
    """Return the name of `source`; raise ValueError unless it is in the folder of `destination`."""
    folder, _, name = source.rpartition("/")
    if folder != destination.rpartition("/")[0]:
        raise ValueError(f"{source} is not in the folder of {destination}")
    return name


class Files(Protocol):
    """File operations on one machine. Each call is one durable IO step, or it raised and did nothing
    (except `overwrite`, which may leave a prefix). OSError if the machine refuses.
    Paths must be real: a link on the way is refused (ELOOP), so that nobody who may rename folders can redirect a
    write. `real` and `listdir` follow links."""

    def real(self, path: str) -> str:
        """Return the path with all links resolved, as far as it exists."""
        ...

    def state(self, path: str) -> FileState:
        """Return the path's present state: lstat and, for a file, its digest and metadata."""
        ...

    def read(self, path: str) -> bytes: ...

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        """Create a file (must not exist): write, set metadata, fsync."""
        ...

    def append(self, path: str, data: bytes) -> None:
        """Append to an existing or new 0600 file and fsync."""
        ...

    def rename(self, source: str, destination: str) -> None:
        """Rename atomically over the destination, in the same folder; fsync the directory."""
        ...

    def overwrite(self, path: str, data: bytes) -> None:
        """Write in place, same inode, truncate to the new length, fsync."""
        ...

    def set_meta(self, path: str, meta: FileMeta) -> None: ...

    def copy_attributes(self, source: str, destination: str) -> None:
        """Give a file of the same folder the extended attributes that users and root set (`user.`, `trusted.`).
        Do nothing if the machine cannot: `lost_attributes` says so before."""
        ...

    def lost_attributes(self, path: str) -> str:
        """Return which extended attributes of the file a copy would lose, or why nobody can tell; empty if none."""
        ...

    def symlink(self, target: str, path: str) -> None: ...

    def unlink(self, path: str) -> None: ...

    def mkdir(self, path: str, mode: int) -> None: ...

    def rmdir(self, path: str) -> None: ...

    def listdir(self, path: str) -> tuple[str, ...]:
        """Return the sorted names; empty if the directory does not exist."""
        ...

    def lock(self, path: str, record: Callable[[str], bytes] | None = None) -> AbstractContextManager[None]:
        """Hold an exclusive flock on the file until the block or its holder ends; raise `Locked` if held.
        `record` returns what the holder writes to the file at once. Its argument is that of `release_lock`, empty if
        this process is the holder."""
        ...

    def release_lock(self, holder: str) -> None:
        """End the holder of a lock whose lost connection the machine has not noticed."""
        ...


class Writer(Protocol):
    """A node that repairs may change: its files and a way to run a constant argv there (never a shell line)."""

    @property
    def name(self) -> str: ...

    @property
    def files(self) -> Files: ...

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult: ...


class Target(Protocol):
    """An opened target."""

    @property
    def ref(self) -> TargetRef: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    def askers(self) -> tuple[Asker, ...]:
        """Return the nodes to observe. docker and compose targets have one named `engine`: the Docker host, which
        answers docker commands and reads this machine's files (compose files, bind mounts)."""
        ...

    def writer(self, node: str) -> Writer:
        """Return the node to change; raise `NeedsPerson` for a bundle, or a container that is not a machine."""
        ...

    def journal_location(self) -> tuple[Writer, str]:
        """Return the machine that stores lock and journal, and the state folder there for this target."""
        ...

    def close(self) -> None: ...


class Project(Protocol):
    """A target of containers, whose nginx may lead to containers of other projects."""

    def called(self, query: Command) -> tuple[Asker, ...]:
        """Return the containers of a `docker-called` that are not yet nodes, and `engine`; empty if there are none."""
        ...


class DockerHost(Protocol):
    """A machine as target, whose nginx may lead to containers of its own engine."""

    def has_docker(self) -> bool:
        """Return whether Docker may run there."""
        ...

    def beside(self, places: Sequence[str]) -> tuple[Asker, ...]:
        """Return the containers that may serve ports of that machine, and `engine`; empty if there are none."""
        ...

    def with_nginx(self, ids: Sequence[str]) -> tuple[tuple[Asker, ...], tuple[Command, ...]]:
        """Return the containers of these ids with all of their projects or networks, and `engine`; and the queries for
        which it has their inspections. No ids: of every container that starts nginx, running or not."""
        ...


# isinstance of a protocol imports inspect, which takes as long as a command
def is_project(target: object) -> TypeGuard[Project]:
    """Return whether the target consists of containers."""
    return hasattr(target, "called")


def is_docker_host(target: object) -> TypeGuard[DockerHost]:
    """Return whether the target is a machine that may have its own engine."""
    return hasattr(target, "beside") and hasattr(target, "has_docker")
