"""The journal folder of one run: fsynced records and before-images, append-only."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import posixpath
import time

from fixer.apply.journal_records import RunRecords, parse_records, record_line, work_end_time
from fixer.lazy.dataclass import dataclass, field
from fixer.model.host import Files
from fixer.model.journal import Phase, Record
from fixer.model.plan import FileMeta

_IMAGE = ".image"
_TORN_LINE_END = b"~\n"  # makes a torn line invalid, even if only its newline was missing


@dataclass(slots=True)
class Journal:
    """One run's journal, on the machine that stores it. Only images of in-place writes are ever removed."""

    files: Files
    folder: str
    owner: tuple[int, int]
    records: list[Record] = field(default_factory=list)
    _torn: bool = False
    gaps: tuple[int, ...] = ()
    _next: int = 0

    @property
    def run_id(self) -> str:
        """Return the folder's name, which is the run's id."""
        return posixpath.basename(self.folder)

    @property
    def _path(self) -> str:
        return f"{self.folder}/journal.jsonl"

    @property
    def _blobs(self) -> str:
        return f"{self.folder}/blobs"

    def append(self, record: Record) -> Record:
        """Number, time and write the record; end a torn line first. The record is on disk when this returns."""
        record = _with_number(record, self._next)
        line = (_TORN_LINE_END if self._torn else b"") + record_line(record)
        self._torn = True  # until the write succeeds: a full disk may store half a line
        self.files.append(self._path, line)
        self._torn = False
        self._next += 1
        self.records.append(record)
        return record

    def note(self, phase: Phase, like: Record | None = None, note: str = "") -> Record:
        """Append a record of this phase, for the step of `like`."""
        where = (like.round, like.index) if like else (0, 0)
        return self.append(Record(0, 0.0, phase, *where, note=note))

    def store_blob(self, name: str, data: bytes) -> None:
        """Store a before-image. Replace a file of that name: its attempt never reached the intent."""
        self._store(f"{self._blobs}/{name}", data)

    def read_blob(self, name: str) -> bytes:
        """Return the before-image; ValueError unless its digest matches its name (`ROUND-INDEX-SHA256`)."""
        data = self.files.read(f"{self._blobs}/{name}")
        if not name.endswith(hashlib.sha256(data).hexdigest()):
            raise ValueError(f"the stored copy {self._blobs}/{name} is damaged")
        return data

    def store_image(self, blob: str, data: bytes) -> None:
        """Store the source or target of an in-place write until that write has ended."""
        if data not in self.images(blob):
            self._store(f"{self._blobs}/{_image_name(blob, data)}", data)

    def images(self, blob: str) -> tuple[bytes, ...]:
        """Return the complete images of that before-image; skip torn ones."""
        found = []
        for name in self._image_names(blob):
            data = self.files.read(f"{self._blobs}/{name}")
            if name == _image_name(blob, data):
                found.append(data)
        return tuple(found)

    def drop_images(self, blob: str = "") -> None:
        """Remove the images of one before-image, or all: they may hold secrets that only the file itself should."""
        for name in self._image_names(blob):
            self.files.unlink(f"{self._blobs}/{name}")

    def _image_names(self, blob: str) -> list[str]:
        return [n for n in self.files.listdir(self._blobs) if n.endswith(_IMAGE) and n.startswith(blob)]

    def _store(self, path: str, data: bytes) -> None:
        if self.files.state(path).kind != "absent":
            self.files.unlink(path)
        self.files.create(path, data, FileMeta(0o600, *self.owner))


def _image_name(blob: str, data: bytes) -> str:
    return f"{blob}.{hashlib.sha256(data).hexdigest()[:32]}{_IMAGE}"


def _with_number(record: Record, seq: int) -> Record:
    return dataclasses.replace(record, seq=seq, at=round(time.time(), 3))


def blob_name(round_number: int, index: int, data: bytes) -> str:
    """Return the name of a before-image: its step and its digest."""
    return f"{round_number:02d}-{index:03d}-{hashlib.sha256(data).hexdigest()}"


def create_run(files: Files, state_dir: str, run_id: str, begin: Record) -> Journal:
    """Create a run folder with its first record."""
    make_folders(files, f"{state_dir}/runs")
    folder = f"{state_dir}/runs/{run_id}"
    files.mkdir(folder, 0o700)
    files.mkdir(f"{folder}/blobs", 0o700)
    owner = files.state(folder)
    journal = Journal(files, folder, (owner.uid, owner.gid))
    journal.append(begin)
    return journal


def open_run(files: Files, state_dir: str, run_id: str) -> Journal:
    """Open an existing run with its readable records; a folder without a journal is an empty run."""
    folder = f"{state_dir}/runs/{run_id}"
    owner = files.state(folder)
    found = read_run(files, state_dir, run_id)
    following = found.records[-1].seq + 1 if found.records else 0
    return Journal(files, folder, (owner.uid, owner.gid), list(found.records), found.torn, found.gaps, following)


def read_run(files: Files, state_dir: str, run_id: str) -> RunRecords:
    """Return the records of a run."""
    path = f"{state_dir}/runs/{run_id}/journal.jsonl"
    return parse_records(files.read(path)) if files.state(path).kind == "file" else RunRecords(())


def run_ids(files: Files, state_dir: str) -> tuple[str, ...]:
    """Return the run ids of a target, oldest first (names sort by time); ignore other folders."""
    return tuple(n for n in files.listdir(f"{state_dir}/runs") if is_run_id(n))


def last_work_time(journal: Journal) -> float:
    """Return when any run on this machine last did something that could have started a service."""
    root = posixpath.dirname(posixpath.dirname(journal.folder))
    others = [i for i in run_ids(journal.files, root) if i != journal.run_id]
    ends = [work_end_time(read_run(journal.files, root, run_id).records) for run_id in others]
    return max((work_end_time(journal.records), *ends))


def is_run_id(name: str) -> bool:
    """Return whether `name` has the form `20261124-151403-7f3a`."""
    parts = name.split("-")
    return [len(p) for p in parts] == [8, 6, 4] and (parts[0] + parts[1]).isdigit() and parts[2].isalnum()


def make_folders(files: Files, path: str) -> None:
    """Create the folder and its missing parents with mode 0700."""
    if files.state(path).kind != "absent":
        return
    parent = posixpath.dirname(path)
    if parent != path:
        make_folders(files, parent)
    with contextlib.suppress(FileExistsError):  # another run may create it at the same time
        files.mkdir(path, 0o700)
