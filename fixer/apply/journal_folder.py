"""The folder of one run: records appended and fsynced, before-images beside them; only ever added to."""

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
_TORN_LINE_END = b"~\n"     # ends a torn line and makes it no record, even where only its newline was missing


@dataclass(slots=True)
class Journal:
    """One run on the machine that holds its journal. `images` (in-place writes under way) is all that ever goes."""

    files: Files
    folder: str
    owner: tuple[int, int]
    records: list[Record] = field(default_factory=list)
    _torn: bool = False
    gaps: tuple[int, ...] = ()
    _next: int = 0

    @property
    def run_id(self) -> str:
        """The name of the folder."""
        return posixpath.basename(self.folder)

    @property
    def _path(self) -> str:
        return f"{self.folder}/journal.jsonl"

    @property
    def _blobs(self) -> str:
        return f"{self.folder}/blobs"

    def append(self, record: Record) -> Record:
        """Number, time and write the record; it is on disk when this returns. A torn line before it is ended first."""
        record = _with_number(record, self._next)
        line = (_TORN_LINE_END if self._torn else b"") + record_line(record)
        self._torn = True      # until it is known to be whole: a full disk may take half a line
        self.files.append(self._path, line)
        self._torn = False
        self._next += 1
        self.records.append(record)
        return record

    def note(self, phase: Phase, like: Record | None = None, note: str = "") -> Record:
        """Append a record that names a phase, of the step that `like` belongs to."""
        where = (like.round, like.index) if like else (0, 0)
        return self.append(Record(0, 0.0, phase, *where, note=note))

    def store_blob(self, name: str, data: bytes) -> None:
        """Keep a before-image. A file of that name is left of an attempt that never got to its intent."""
        self._store(f"{self._blobs}/{name}", data)

    def read_blob(self, name: str) -> bytes:
        """The before-image; ValueError where its digest is not that of its name (`ROUND-INDEX-SHA256`)."""
        data = self.files.read(f"{self._blobs}/{name}")
        if not name.endswith(hashlib.sha256(data).hexdigest()):
            raise ValueError(f"the stored copy {self._blobs}/{name} is damaged")
        return data

    def store_image(self, blob: str, data: bytes) -> None:
        """Keep what an in-place write starts from or leads to, until that write is over."""
        if data not in self.images(blob):
            self._store(f"{self._blobs}/{_image_name(blob, data)}", data)

    def images(self, blob: str) -> tuple[bytes, ...]:
        """The images kept for that before-image; a torn one is none."""
        found = []
        for name in self._image_names(blob):
            data = self.files.read(f"{self._blobs}/{name}")
            if name == _image_name(blob, data):
                found.append(data)
        return tuple(found)

    def drop_images(self, blob: str = "") -> None:
        """Remove the images of one before-image, or all: they can hold what only the file itself should."""
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
    """The name of a before-image: which step it belongs to, and its digest."""
    return f"{round_number:02d}-{index:03d}-{hashlib.sha256(data).hexdigest()}"


def create_run(files: Files, state_dir: str, run_id: str, begin: Record) -> Journal:
    """A new run folder with its first record."""
    make_folders(files, f"{state_dir}/runs")
    folder = f"{state_dir}/runs/{run_id}"
    files.mkdir(folder, 0o700)
    files.mkdir(f"{folder}/blobs", 0o700)
    owner = files.state(folder)
    journal = Journal(files, folder, (owner.uid, owner.gid))
    journal.append(begin)
    return journal


def open_run(files: Files, state_dir: str, run_id: str) -> Journal:
    """A run that is there, with what can be read of it; a folder without a journal is an empty run."""
    folder = f"{state_dir}/runs/{run_id}"
    owner = files.state(folder)
    found = read_run(files, state_dir, run_id)
    following = found.records[-1].seq + 1 if found.records else 0
    return Journal(files, folder, (owner.uid, owner.gid), list(found.records), found.torn, found.gaps, following)


def read_run(files: Files, state_dir: str, run_id: str) -> RunRecords:
    """The records of a run."""
    path = f"{state_dir}/runs/{run_id}/journal.jsonl"
    return parse_records(files.read(path)) if files.state(path).kind == "file" else RunRecords(())


def run_ids(files: Files, state_dir: str) -> tuple[str, ...]:
    """The runs of a target, the oldest first (the names sort by time); strange folders are no runs."""
    return tuple(n for n in files.listdir(f"{state_dir}/runs") if is_run_id(n))


def last_work_time(journal: Journal) -> float:
    """When this run or another last did something here that could have started something."""
    root = posixpath.dirname(posixpath.dirname(journal.folder))
    others = [i for i in run_ids(journal.files, root) if i != journal.run_id]
    ends = [work_end_time(read_run(journal.files, root, run_id).records) for run_id in others]
    return max((work_end_time(journal.records), *ends))


def is_run_id(name: str) -> bool:
    """True for `20261124-151403-7f3a`."""
    parts = name.split("-")
    return [len(p) for p in parts] == [8, 6, 4] and (parts[0] + parts[1]).isdigit() and parts[2].isalnum()


def make_folders(files: Files, path: str) -> None:
    """The folder and those above it that are missing, for nobody but us."""
    if files.state(path).kind != "absent":
        return
    parent = posixpath.dirname(path)
    if parent != path:
        make_folders(files, parent)
    with contextlib.suppress(FileExistsError):     # another run made it meanwhile
        files.mkdir(path, 0o700)
