"""Files that crash at a chosen point: between any two IO steps, and in the middle of those that are not atomic."""

from __future__ import annotations

import os
from collections.abc import Callable

from fixer.hosts.files_local import LocalFiles
from fixer.model.plan import FileMeta


class SimulatedCrash(BaseException):
    """The process dies here; nothing that would clean up may run."""


class CrashingFiles(LocalFiles):
    """This machine's files; the `at`-th point of their writing is a crash. `points` counts those that were passed.

    A point stands before every step. Steps that are not atomic have more: a file half written or without its mode, a
    journal line half appended, and for a write in place every length of the new bytes, with and without the old rest.
    """

    def __init__(self, at: int | None = None) -> None:
        self._at = at
        self.points = 0

    def _point(self, half_done: Callable[[], object] | None = None) -> None:
        if self.points == self._at:
            if half_done is not None:
                half_done()
            raise SimulatedCrash
        self.points += 1

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        self._point()
        own = FileMeta(0o600, os.getuid(), os.getgid())
        for part in (data[: len(data) // 2], data):
            self._point(lambda part=part: LocalFiles.create(self, path, part, own))  # type: ignore[misc]
        super().create(path, data, meta)

    def append(self, path: str, data: bytes) -> None:
        self._point()
        for length in (len(data) // 2, len(data) - 1):
            self._point(lambda n=length: LocalFiles.append(self, path, data[:n]))  # type: ignore[misc]
        super().append(path, data)

    def overwrite(self, path: str, data: bytes) -> None:
        old = self.read(path)
        for length in range(len(data) + 1):
            self._point(lambda n=length: LocalFiles.overwrite(self, path, data[:n]))  # type: ignore[misc]
            self._point(lambda n=length: LocalFiles.overwrite(self, path, data[:n] + old[n:]))  # type: ignore[misc]
        super().overwrite(path, data)

    def set_meta(self, path: str, meta: FileMeta) -> None:
        self._point()
        super().set_meta(path, meta)

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
