"""What observers (Asker), repairs (Writer, Files) and use-cases (Target) may do with a machine.

Observers receive only Askers: a diagnosis cannot write because the type it holds has no write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """The node's time when asked (epoch seconds), its zone (seconds east of UTC), and whether we are root there."""

    now: float
    utc_offset: float
    root: bool


class Asker(Protocol):
    """A node that answers queries and nothing else. One `ask` is one round trip."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> NodeKind: ...

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        """Every query with its answer. A missing file or tool is an answer; `Unreachable` if the transport fails."""
        ...

    def clock(self) -> NodeClock:
        """Time and privilege, learned with the first `ask` (no round trip of its own after it)."""
        ...


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A finished command: exit code (None when it timed out or could not start), raw output."""

    argv: tuple[str, ...]
    returncode: int | None
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    missing: bool = False    # the tool is not there
    truncated: bool = False  # output over the limit was dropped


FOLDER_REDIRECTED = "its folder leads elsewhere now"


def name_in_same_folder(source: str, destination: str) -> str:
    """The name of the source, which lies where the destination does."""
    folder, _, name = source.rpartition("/")
    if folder != destination.rpartition("/")[0]:
        raise ValueError(f"{source} is not beside {destination}")
    return name


class Files(Protocol):
    """File operations on one machine. Each call is one IO step: it is done durably, or it raised and did nothing
    (except `overwrite`, which may leave a prefix). OSError for what the machine refuses.

    A path is a real one: a link that it leads through is not followed but refused (ELOOP), so that nobody who may
    rename the folders above a file can have another one written. `real` and `listdir` follow links.
    """

    def real(self, path: str) -> str:
        """The path with all links resolved, as far as it is there."""
        ...

    def state(self, path: str) -> FileState:
        """What the path is now: lstat and, for a file, its digest and metadata."""
        ...

    def read(self, path: str) -> bytes: ...

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        """A new file (must not exist), written, given its metadata, fsynced."""
        ...

    def append(self, path: str, data: bytes) -> None:
        """Append to an existing or new 0600 file and fsync."""
        ...

    def rename(self, source: str, destination: str) -> None:
        """Atomic rename over the destination, which lies in the same folder; directory fsynced."""
        ...

    def overwrite(self, path: str, data: bytes) -> None:
        """Write in place, same inode, truncate to the new length, fsync."""
        ...

    def set_meta(self, path: str, meta: FileMeta) -> None: ...

    def symlink(self, target: str, path: str) -> None: ...

    def unlink(self, path: str) -> None: ...

    def mkdir(self, path: str, mode: int) -> None: ...

    def rmdir(self, path: str) -> None: ...

    def listdir(self, path: str) -> tuple[str, ...]:
        """Sorted names; empty when the directory does not exist."""
        ...

    def lock(self, path: str) -> AbstractContextManager[str]:
        """Hold an exclusive flock on the file until the block ends, or its holder dies; `Locked` if held. A word for
        `let_go`, empty where the holder is this process itself."""
        ...

    def release_lock(self, holder: str) -> None:
        """End the holder of a lock that the machine did not see die: its connection was lost."""
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
        """The nodes to observe. docker and compose targets have one named `engine`: the Docker host, which answers
        the docker commands and reads files of this machine (compose files, bind mounts)."""
        ...

    def writer(self, node: str) -> Writer:
        """The node to change; `NeedsPerson` where that cannot be (a bundle, a container that is not a machine)."""
        ...

    def journal_location(self) -> tuple[Writer, str]:
        """The machine that holds lock and journal, and the state folder there for this target."""
        ...

    def close(self) -> None: ...


class Project(Protocol):
    """A target of containers, whose nginx may lead to containers of other projects."""

    def called(self, query: Command) -> tuple[Asker, ...]:
        """The containers of a `docker-called` that are no nodes of the target, and `engine`; none where there is none.
        """
        ...


class DockerHost(Protocol):
    """A target that is a machine, whose nginx may lead to containers of an engine of its own."""

    def has_docker(self) -> bool:
        """Whether it is worth a question."""
        ...

    def beside(self, places: Sequence[str]) -> tuple[Asker, ...]:
        """The containers that may be behind ports of that machine, and `engine`; none where there are none."""
        ...


# isinstance of a protocol imports inspect, which takes as long as a command
def is_project(target: object) -> TypeGuard[Project]:
    """Whether the target is one of containers."""
    return hasattr(target, "called")


def is_docker_host(target: object) -> TypeGuard[DockerHost]:
    """Whether the target is a machine that may have an engine of its own."""
    return hasattr(target, "beside") and hasattr(target, "has_docker")
