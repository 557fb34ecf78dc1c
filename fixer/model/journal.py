"""Records of a repair's journal: intent before every change, done after it, one terminal record per round.

One run is one folder `runs/ID/` with `journal.jsonl` (one record a line, append-only) and `blobs/` (before-images,
0600). A round starts with `round`, ends with `committed` or `rolled-back`; an undo of the run ends with `undone`.
`withdrawn` after an intent: the step changed nothing, because somebody changed the file in between."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass, field

Phase: TypeAlias = Literal[
    "begin", "round", "intent", "done", "committed",
    "rolling-back", "restored", "conflict", "rolled-back", "undoing", "undone", "end", "withdrawn",
]


MECHANISM_MARK = " (proof: mechanism)"      # behind the text of a step whose round answers could not prove


@dataclass(frozen=True, slots=True)
class FileState:
    """State of a path: absent, a file with digest and metadata, or a link with its target."""

    kind: Literal["absent", "file", "link", "other"]
    sha256: str = ""
    size: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    label: str = ""
    acl: str = ""            # hex
    link_target: str = ""
    links: int = 1           # names of the file (hard links)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal. `step` is the step as JSON without file contents; `pre`/`post` for files.
    `temp`, in the file's folder, is recorded before it exists. `dirs` are folders that the step creates. `home` (in
    `begin`) is the journal machine's node name: an undo that runs inside it uses another one. `proof` (in `committed`)
    is `mechanism` if answers could not prove the round (`routes` are then marks of the routes that it was about), or
    `credit` while it has not helped. A later `committed` of the round replaces an earlier one."""

    seq: int
    at: float
    phase: Phase
    round: int = 0
    index: int = 0
    step: str = ""
    describe: str = ""
    pre: FileState | None = None
    post: FileState | None = None
    blob: str = ""
    temp: str = ""
    note: str = ""
    dirs: tuple[str, ...] = ()
    home: str = ""
    proof: str = ""
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as `history` lists it; `cause` lists one or more causes, in order.
    `state` nothing: the run changed nothing. `unmeasured`: marks of routes whose answers could not prove the repair."""

    id: str
    target: str
    at: float
    state: Literal["committed", "rolled-back", "undone", "undone-with-conflicts", "unfinished", "nothing"]
    cause: str
    steps: tuple[str, ...]
    conflicts: tuple[str, ...] = ()
    last: float = field(default=0.0, metadata={"json": False})  # its last record, epoch seconds
    unmeasured: tuple[str, ...] = field(default=(), metadata={"json": False})
