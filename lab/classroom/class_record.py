"""The private record of a class: its people, their tokens and doors, and when it ends."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.errors import UsageError
from lab.paths import state_root


@dataclass(frozen=True, slots=True)
class Person:
    """One person: whose lab it is, and what the sheet says. `host_key` is the fingerprint of the machine's ssh."""

    name: str
    lab_id: str
    token: str
    seed: int
    ssh_port: int
    page_port: int
    host_key: str = ""


@dataclass(frozen=True, slots=True)
class ClassRecord:
    """One class. `until` and `started` are in seconds since 1970; `stopped` are labs that wrote too much."""

    name: str
    asked: str
    bind: str
    started: float
    until: float
    people: tuple[Person, ...] = ()
    stopped: tuple[str, ...] = ()
    keeper: int = 0  # its process
    page_port: int = 0  # of the page for all; 0: there is none
    owner_token: str = ""  # the trainer's, for that page

    def with_person(self, person: Person) -> ClassRecord:
        """Return the record with one person more, or with what is new of a person."""
        others = tuple(one for one in self.people if one.lab_id != person.lab_id)
        return replace(self, people=(*others, person))


def classes_folder() -> Path:
    """Return the folder of the records and sheets of classes."""
    return state_root() / "classes"


def class_file(name: str, ending: str = "json") -> Path:
    """Return the path of a class's record, or of a file beside it."""
    return classes_folder() / f"{name}.{ending}"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read; a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def save_class(record: ClassRecord) -> None:
    """Write a record; only its owner may read it, because it holds the tokens."""
    write_private(class_file(record.name), json.dumps(asdict(record), indent=1))


def load_class(name: str) -> ClassRecord | None:
    """Return the record of a class; None if there is none."""
    try:
        data: dict[str, Any] = json.loads(class_file(name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    people = tuple(Person(**one) for one in data.pop("people"))
    return ClassRecord(**{**data, "people": people, "stopped": tuple(data["stopped"])})


def class_names() -> Iterator[str]:
    """Yield the names of all classes of this state folder."""
    yield from sorted(path.stem for path in classes_folder().glob("*.json"))


def delete_class(name: str) -> None:
    """Remove the record of a class and what stands beside it."""
    for path in classes_folder().glob(f"{name}.*"):
        path.unlink(missing_ok=True)


def new_class_name() -> str:
    """Return an unused name."""
    while class_file(name := f"class-{secrets.token_hex(2)}").exists():
        continue
    return name


def find_class(word: str) -> ClassRecord:
    """Return the class that a word names, or the only one; raise UsageError with the choices."""
    names = [word] if word else list(class_names())
    if len(names) > 1:
        raise UsageError(f"{len(names)} classes are up: {', '.join(names)}", "name one")
    record = load_class(names[0]) if names else None
    if record is None:
        raise UsageError(f"no class is called {word!r}" if word else "no class is up",
                         "start one: lab class up wrong-port --names roster.txt --ttl 2h")
    return record
