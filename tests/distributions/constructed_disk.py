"""The disk of a constructed machine: files by path, with mode and owner, as a node answers for them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from fixer.model.query import Answer, FileAnswer, FileKind, FileStat, Query, ReadFile, ReadGlob, ReadTree
from tests.observe.capture_builders import NOW

_AGE = 86400.0       # seconds since a file was written: before the machine was started


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder, link or socket."""

    kind: FileKind
    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    target: str = ""
    age: float = _AGE


def text(data: str, mode: int = 0o644, uid: int = 0, gid: int = 0, age: float = _AGE) -> Entry:
    """A regular file."""
    return Entry("file", data.encode(), mode, uid, gid, age=age)


def folder(mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    """A folder."""
    return Entry("dir", mode=mode, uid=uid, gid=gid)


def link(target: str, age: float = _AGE) -> Entry:
    """A symbolic link."""
    return Entry("link", mode=0o777, target=target, age=age)


def unix_socket(mode: int = 0o777, uid: int = 0, gid: int = 0) -> Entry:
    """A unix socket."""
    return Entry("socket", mode=mode, uid=uid, gid=gid)


class Disk:
    """The files of a machine. Folders above them are there, too."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries: dict[str, Entry] = {"/": folder()}
        for path in entries:
            above = path
            while (above := posixpath.dirname(above)) != "/":
                self._entries.setdefault(above, folder())
        self._entries.update(entries)

    def answer(self, query: Query) -> Answer:
        """Return the answer to a query for files."""
        match query:
            case ReadFile():
                found = self._file(query.path, query.limit, tail=query.tail)
                return Answer(found.status, files=(found,))
            case ReadGlob():
                paths = dict.fromkeys(path for pattern in query.patterns for path in self._matches(pattern))
                return Answer("ok", files=tuple(self._file(path, query.limit) for path in paths))
            case ReadTree():
                files = tuple(self._file(path, query.limit) for path in self._below(query))
                return Answer("ok" if query.root in self._entries else "absent", files=files)
            case _:
                raise AssertionError(query)

    def _below(self, query: ReadTree) -> Iterator[str]:
        for path, entry in sorted(self._entries.items()):
            inner = path.removeprefix(query.root + "/")
            if inner != path and entry.kind != "dir" and inner.count("/") < query.depth:
                yield path

    def _file(self, path: str, limit: int, *, tail: bool = False) -> FileAnswer:
        entry = self._entries.get(path)
        if entry is None:
            return FileAnswer(path, "absent")
        if entry.kind == "link":
            end = self._file(self._target_path(path, entry), limit, tail=tail)
            real = end.stat.real_path if end.stat is not None else None
            stat = FileStat("link", entry.mode, 0, 0, 1, NOW - entry.age, 7, 1, entry.target, real,
                            end.stat if real else None)
            return FileAnswer(path, end.status, stat, end.data, end.truncated)
        size = len(entry.data)
        stat = FileStat(entry.kind, entry.mode, entry.uid, entry.gid, size, NOW - entry.age, 5, 1, None, path)
        data = entry.data[max(0, size - limit):] if tail else entry.data[:limit]
        return FileAnswer(path, "ok", stat, data, size > limit)

    def _target_path(self, path: str, entry: Entry) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.target))

    def _matches(self, pattern: str) -> list[str]:
        """Return the paths that an sh glob finds."""
        wanted = pattern.split("/")
        return [path for path in sorted(self._entries) if _matches_pattern(path.split("/"), wanted)]


def _matches_pattern(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    return len(parts) == len(wanted) and all(
        fnmatchcase(part, want) and (not part.startswith(".") or want.startswith("."))
        for part, want in zip(parts, wanted, strict=True))
