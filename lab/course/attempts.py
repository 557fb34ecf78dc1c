"""The attempts of all people on this machine, in one SQLite file that only its owner may read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path

from lab.course.lesson import Attempt
from lab.errors import LabError
from lab.paths import state_root

_VERSION = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS attempts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, person TEXT NOT NULL, lab_id TEXT NOT NULL, scenario TEXT NOT NULL,
    variant TEXT NOT NULL, stack TEXT NOT NULL, seed INTEGER NOT NULL, difficulty INTEGER NOT NULL,
    started REAL NOT NULL, "limit" REAL NOT NULL, ended REAL NOT NULL, hints INTEGER NOT NULL, cause TEXT NOT NULL,
    cause_right INTEGER NOT NULL, fixed INTEGER NOT NULL, gave_up INTEGER NOT NULL, points INTEGER NOT NULL)
"""
_COLUMNS = tuple(one.name for one in fields(Attempt))
_FLAGS = ("cause_right", "fixed", "gave_up")


def attempts_file() -> Path:
    """Return the path of the file."""
    return state_root() / "attempts.sqlite"


@contextmanager
def _opened() -> Iterator[sqlite3.Connection]:
    """Yield the database; its changes are kept if the block ends well."""
    path = attempts_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite would create it for everybody
    try:
        with closing(sqlite3.connect(path, timeout=10.0)) as base, base:
            (version,) = base.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise LabError(f"{path} is of a newer version of lab", "update lab, or move the file away")
            base.execute(_TABLE)
            base.execute(f"PRAGMA user_version = {_VERSION}")
            yield base
    except sqlite3.DatabaseError as error:
        raise LabError(f"{path} cannot be used: {error}", "move it away; the next attempt begins a new one") from error


def add_attempt(attempt: Attempt) -> Attempt:
    """Keep a new attempt and return it with its number."""
    values = {name: value for name, value in asdict(attempt).items() if name != "number"}
    names = ", ".join(f'"{name}"' for name in values)
    with _opened() as base:
        done = base.execute(f"INSERT INTO attempts ({names}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608  own names
                            tuple(values.values()))
    return replace(attempt, number=int(done.lastrowid or 0))


def save_attempt(attempt: Attempt) -> None:
    """Keep what has become of an attempt."""
    values = {name: value for name, value in asdict(attempt).items() if name != "number"}
    changes = ", ".join(f'"{name}" = ?' for name in values)
    with _opened() as base:
        base.execute(f"UPDATE attempts SET {changes} WHERE number = ?", (*values.values(), attempt.number))  # noqa: S608  own names


def attempts_of(person: str = "") -> tuple[Attempt, ...]:
    """Return the attempts of a person, or of all, oldest first; none if nobody has tried yet."""
    if not attempts_file().exists():
        return ()
    names = ", ".join(f'"{name}"' for name in _COLUMNS)
    with _opened() as base:
        rows = base.execute(f"SELECT {names} FROM attempts WHERE ? IN ('', person) ORDER BY number",  # noqa: S608  own names
                            (person,)).fetchall()
    return tuple(_attempt(dict(zip(_COLUMNS, row, strict=True))) for row in rows)


def _attempt(values: dict[str, object]) -> Attempt:
    flags = {name: bool(values[name]) for name in _FLAGS}
    return Attempt(**{**values, **flags})  # type: ignore[arg-type]
