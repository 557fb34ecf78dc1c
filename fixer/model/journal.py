"""The records of a repair's journal: intent before every change, done after it, one terminal record a round.

One run is one folder `runs/ID/` with `journal.jsonl` (one record a line, never rewritten) and `blobs/` (before-images,
0600). A round begins with `round`, ends with `committed` or `rolled-back`; an undo of the run ends with `undone`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from fixer.lazy.dataclass import dataclass, field

Phase: TypeAlias = Literal[
    "begin", "round", "intent", "done", "committed",
    "rolling-back", "restored", "conflict", "rolled-back", "undoing", "undone", "end",
]


@dataclass(frozen=True, slots=True)
class FileState:
    """What a path is: absent (`kind` absent), a file with digest and metadata, or a link with its target."""

    kind: Literal["absent", "file", "link", "other"]
    sha256: str = ""
    size: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    label: str = ""
    acl: str = ""            # hex
    link_target: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal. `step` is the step as JSON without any bytes of a file; `pre`/`post` for files.

    `temp` is announced before it exists, beside the file. `dirs` are folders that the step makes. `home` (in `begin`)
    is the name which the journal's own machine had as a node: an undo that runs inside it calls it otherwise.
    """

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


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as `history` lists it; `cause` one or several, in the order in which they were met.

    `state` nothing: it changed nothing.
    """

    id: str
    target: str
    at: float
    state: Literal["committed", "rolled-back", "undone", "undone-with-conflicts", "unfinished", "nothing"]
    cause: str
    steps: tuple[str, ...]
    conflicts: tuple[str, ...] = ()
    last: float = field(default=0.0, metadata={"json": False})     # its last record, epoch seconds
