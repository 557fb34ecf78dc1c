"""Ignored findings on disk: one list per target, in the state folder of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence

from fixer.apply.journal_folder import make_folders
from fixer.errors import CannotObserve, NeedsPerson, UsageError
from fixer.hosts.machine.local_files import LocalFiles
from fixer.hosts.machine.state_root import ignore_list_path, private_root, read_own_file, target_folder
from fixer.model.diagnosis import IgnoredFinding
from fixer.model.plan import FileMeta
from fixer.model.target import TargetRef

_FIELDS = ("id", "cause", "where", "because", "owner", "until")
_STATE_HINT = "run fixer as root, or name a writable folder in BADGATEWAY_STATE"


def load(ref: TargetRef) -> tuple[IgnoredFinding, ...]:
    """Return the list of a target; raise CannotObserve if the file is no such list, rather than guess."""
    path = ignore_list_path(ref)
    try:
        data = read_own_file(path)
        private_root()
    except NeedsPerson as error:
        raise CannotObserve(error.message, error.hint) from error
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return ()  # a user who cannot read the state folder has ignored nothing
    except OSError as error:
        raise CannotObserve(f"{path} cannot be read: {error.strerror or error}", "correct or move the file") from error
    try:
        return parse_ignore_list(data)
    except ValueError as error:
        raise CannotObserve(f"{path} is not a list of ignored findings", "correct or move the file") from error


def parse_ignore_list(data: bytes) -> tuple[IgnoredFinding, ...]:
    """Return the entries of an ignore list; raise ValueError if `data` is none."""
    try:
        entries = json.loads(data)["accepted"]
        return tuple(IgnoredFinding(**{name: str(entry[name]) for name in _FIELDS}) for entry in entries)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not a list of ignored findings") from error


def add(ref: TargetRef, made: IgnoredFinding) -> tuple[IgnoredFinding, ...]:
    """Add an entry; replace the one with the same cause and `where`. Return the new list."""
    with _hold_list_lock(ref):
        others = tuple(e for e in load(ref) if (e.cause, e.where) != (made.cause, made.where))
        return _save(ref, (*others, made))


def remove(ref: TargetRef, name: str) -> tuple[IgnoredFinding, ...]:
    """Remove the entry with this id. Return the new list."""
    if not any(entry.id == name for entry in load(ref)):
        raise UsageError(f"no ignored finding on {ref} has the id {name}", "fixer ignore lists the ids")
    with _hold_list_lock(ref):
        return _save(ref, tuple(entry for entry in load(ref) if entry.id != name))


def new_id(taken: Sequence[IgnoredFinding]) -> str:
    """Return a short id that no other entry has."""
    names = {entry.id for entry in taken}
    return next(name for name in iter(lambda: secrets.token_hex(2), "") if name not in names)


@contextlib.contextmanager
def _hold_list_lock(ref: TargetRef) -> Iterator[None]:
    files = LocalFiles()
    folder = files.real(target_folder(private_root(), ref))
    try:
        make_folders(files, folder)
        with files.lock(f"{folder}/accepted.lock"):
            yield
    except OSError as error:
        raise NeedsPerson(f"{folder} cannot be used: {error.strerror or error}", _STATE_HINT) from error


def _save(ref: TargetRef, entries: tuple[IgnoredFinding, ...]) -> tuple[IgnoredFinding, ...]:
    listed = [{name: getattr(entry, name) for name in _FIELDS} for entry in entries]
    files = LocalFiles()
    folder, _, name = ignore_list_path(ref).rpartition("/")
    path = f"{files.real(folder)}/{name}"
    beside = f"{path}.{os.getpid()}"
    data = (json.dumps({"accepted": listed}, indent=1) + "\n").encode()
    files.create(beside, data, FileMeta(0o600, os.geteuid(), os.getegid()))
    files.rename(beside, path)
    return entries
