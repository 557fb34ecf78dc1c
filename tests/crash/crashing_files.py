"""Files that crash at a chosen point, or show what a crash would leave at every point: between any two IO steps, and in
the middle of those that are not atomic."""

from __future__ import annotations

import os
from collections.abc import Callable

from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.plan import FileMeta


class SimulatedCrash(BaseException):
    """The process dies here; nothing that would clean up may run."""


class CrashingFiles(LocalFiles):
    """This machine's files. At point number `at` comes a crash; `watch` is called at every point, in its rubble.

    A point stands before every step. Steps that are not atomic have more: a file half written or without its mode, a
    journal line half appended, and for a write in place every length of the new bytes, with and without the old rest.
    """

    def __init__(self, at: int | None = None, watch: Callable[[], None] | None = None) -> None:
        self._at = at
        self._watch = watch
        self._points = 0

    def _point(self) -> None:
        if self._points == self._at:
            raise SimulatedCrash
        if self._watch is not None:
            self._watch()
        self._points += 1

    def _torn(self, path: str, content: bytes) -> None:
        """A point at which the path holds this; what it held comes back where the point is passed."""
        if self._points != self._at and self._watch is None:
            self._points += 1
            return
        before = self.read(path) if os.path.exists(path) else None
        _write_bytes(path, content)
        self._point()
        if before is None:
            os.unlink(path)
        else:
            _write_bytes(path, before)

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        self._point()
        if not os.path.lexists(path):
            self._torn(path, data[: len(data) // 2])
            self._torn(path, data)
        super().create(path, data, meta)

    def append(self, path: str, data: bytes) -> None:
        self._point()
        before = self.read(path) if os.path.exists(path) else b""
        self._torn(path, before + data[: len(data) // 2])
        self._torn(path, before + data[:-1])
        super().append(path, data)

    def overwrite(self, path: str, data: bytes) -> None:
        old = self.read(path)
        for length in range(len(data) + 1) if len(data) < 32 else (0, len(data) // 2):     # the lock file is long
            self._torn(path, data[:length])
            self._torn(path, data[:length] + old[length:])
        super().overwrite(path, data)

    def set_meta(self, path: str, meta: FileMeta) -> None:
        self._point()
        super().set_meta(path, meta)

    def copy_attributes(self, source: str, destination: str) -> None:
        self._point()
        super().copy_attributes(source, destination)

    def rename(self, source: str, destination: str) -> None:
        self._point()
        super().rename(source, destination)

    def symlink(self, target: str, path: str) -> None:
        self._point()
        super().symlink(target, path)

    def unlink(self, path: str) -> None:
        self._point()
        super().unlink(path)

    def mkdir(self, path: str, mode: int) -> None:
        self._point()
        super().mkdir(path, mode)

    def rmdir(self, path: str) -> None:
        self._point()
        super().rmdir(path)


def _write_bytes(path: str, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, content)
    os.close(fd)
