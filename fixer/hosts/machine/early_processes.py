"""The processes of a machine that has very many, read by a second process while this one is still importing.

To read one takes the kernel about 40 µs. A thread would not help: it waits for the interpreter after each call. The
second process is a copy of this one. It writes nothing but its answer, and what goes wrong there is read here instead.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
import time
from typing import NoReturn

from fixer.hosts.machine.look_budget import seconds_within
from fixer.hosts.machine.procfs import ProcessRow, read_processes
from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    import select
    import signal

MANY = 500     # processes from which on a copy costs less than it saves
_SECONDS = 5.0
_CHUNK = 1 << 20


class _Reader:
    """The second process."""

    def __init__(self) -> None:
        self._answer, told = os.pipe()
        parent = os.getpid()
        held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))  # it would raise in the copy of our callers
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _tell(told, parent)
        except OSError:
            os.close(self._answer)
            raise
        finally:
            os.close(told)
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def rows(self) -> list[ProcessRow] | None:
        """Return what it read; None if it failed, or if it takes too long: then it is ended."""
        until = time.monotonic() + seconds_within(_SECONDS)
        parts: list[bytes] = []
        while (left := until - time.monotonic()) > 0 and select.select([self._answer], [], [], left)[0]:
            part = os.read(self._answer, _CHUNK)
            if not part:
                self._end(kill=False)
                return _unpacked(b"".join(parts))
            parts.append(part)
        self._end(kill=True)
        return None

    def _end(self, *, kill: bool) -> None:
        os.close(self._answer)
        if kill:
            os.kill(self._pid, signal.SIGKILL)
        # what the kernel still holds in a file of /proc ends later: nobody waits for that
        with contextlib.suppress(ChildProcessError):     # who started us ignores the ends of children
            os.waitpid(self._pid, os.WNOHANG if kill else 0)


_readers: list[_Reader] = []


def start() -> None:
    """Start to read if there are many, and a second processor. A process with threads is not copied: their locks would
    stay held."""
    if _readers or len(sys._current_frames()) > 1 or os.stat("/proc").st_nlink < MANY or (
            len(os.sched_getaffinity(0)) < 2):
        return
    if sum(name.isdigit() for name in os.listdir("/proc")) >= MANY:     # the links also count other namespaces
        try:
            _readers.append(_Reader())
        except OSError:     # no more processes are allowed
            return


def is_reading() -> bool:
    """Return whether an answer is awaited."""
    return bool(_readers)


def take() -> list[ProcessRow] | None:
    """Return once what was read, after waiting for it; None if nothing was started, or it failed."""
    return _readers.pop().rows() if _readers else None


def forget() -> None:
    """Drop what is read: it is older than a change."""
    take()


def _tell(told: int, parent: int) -> NoReturn:
    """Read, write and end: nothing of the copied program goes on. Its terminal is not held. A Ctrl-C ends it."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        data = memoryview(marshal.dumps(read_processes((parent,))))
        while data:
            data = data[os.write(told, data):]
    finally:
        os._exit(0)


def _unpacked(data: bytes) -> list[ProcessRow] | None:
    try:
        rows: list[ProcessRow] = marshal.loads(data)  # noqa: S302  of our own copy
    except (EOFError, ValueError, TypeError):
        return None
    return rows
