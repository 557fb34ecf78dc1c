"""Private records of labs: scenario, draw, healthy baseline, hints given."""

from __future__ import annotations

import errno
import hashlib
import json
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.paths import state_root
from lab.scenario.scenario_file import Stack
from lab.scenario.templates import Value


@dataclass(slots=True)
class LabRecord:
    """The record of one lab. `asked` is the argument of `lab up`; `parameters` are complete, as last rendered."""

    id: str
    asked: str
    scenario: str
    variant: str
    stack: Stack
    seed: int
    parameters: dict[str, Value]
    chosen_seed: bool = False
    port: int = 0
    ready: bool = False
    hints_given: int = 0
    started: float = 0.0
    baseline: dict[str, Any] = field(default_factory=dict)
    noise: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    beside: str = ""  # the folder of a scenario from `--scenarios`

    @property
    def folder(self) -> Path:
        """Return the folder of the lab's rendered files."""
        return lab_folder(self.id)


def lab_folder(lab_id: str) -> Path:
    """Return the folder of a lab's files."""
    return state_root() / "labs" / lab_id


def record_file(lab_id: str) -> Path:
    """Return the path of a lab's record."""
    return state_root() / "records" / f"{lab_id}.json"


def save_record(record: LabRecord) -> None:
    """Write a record; only its owner may read it."""
    path = record_file(record.id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".tmp")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    draft.replace(path)


def load_record(lab_id: str) -> LabRecord | None:
    """Return the record of a lab; None if there is none, or if it is hidden from a solver (an empty file)."""
    try:
        text = record_file(lab_id).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    data: Mapping[str, Any] | None = json.loads(text) if text else None
    return None if data is None else LabRecord(**data)


def record_ids() -> Iterator[str]:
    """Yield the ids of all labs with a record, including hidden ones."""
    yield from sorted(path.stem for path in (state_root() / "records").glob("*.json"))


def all_records() -> Iterator[LabRecord]:
    """Yield all records, by id."""
    for lab_id in record_ids():
        record = load_record(lab_id)
        if record is not None:
            yield record


def delete_lab_files(lab_id: str) -> None:
    """Remove a lab's record and folder."""
    record_file(lab_id).unlink(missing_ok=True)
    shutil.rmtree(lab_folder(lab_id), ignore_errors=True)


def new_id(word: str) -> str:
    """Return an unused id that reveals nothing else."""
    while True:
        made = f"{word}-{secrets.token_hex(2)}"
        if not record_file(made).exists() and not lab_folder(made).exists():
            return made


@contextmanager
def claim_start(key: str) -> Iterator[bool]:
    """Yield whether no other process starts a lab of this key now; claim it until the block, or the process, ends."""
    name = hashlib.sha256(f"{state_root().resolve()} {key}".encode()).hexdigest()
    # a name without a file: the kernel frees it with its process, however that ends
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(f"\0badgateway-lab-start-{name}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            yield False
        else:
            yield True
