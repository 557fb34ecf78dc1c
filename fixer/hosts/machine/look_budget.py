"""The budget of one look: the seconds and bytes that all its questions share, on all its nodes and in all its rounds.

Whoever runs a question asks here for its limit. Outside of a look (steps of a repair, a login) nothing is cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

LOOK_SECONDS = 8.0  # of LOOK_LIMIT: the rest ends what is late, judges and prints
LOOK_BYTES = 32 << 20  # bytes of all its answers: taking them apart costs several times as much memory
CLEANUP_SECONDS = 0.7  # seconds to end a late command on its node, even after the last question


class LastingProcess(Protocol):
    """A process that serves all rounds of a look."""

    def end_input(self) -> None:
        """Let it end by itself."""
        ...

    def close(self) -> None:
        """Wait for its end, and enforce it."""
        ...


class LookBudget:
    """What is left of one look. Threads of several nodes share it."""

    def __init__(self, seconds: float, most: int) -> None:
        self._end = time.monotonic() + seconds
        self._bytes = most
        self._lock = threading.Lock()
        self._lasting: list[LastingProcess] = []

    def seconds_left(self) -> float:
        """Return the seconds left for questions; 0 once they are over."""
        return max(0.0, self._end - time.monotonic())

    def extend(self, seconds: float) -> None:
        """Add the seconds that a question brings along: its user named a longer wait."""
        self._end += seconds

    def take(self, wanted: int) -> int:
        """Return how many of these bytes may be kept, and count them."""
        with self._lock:
            kept = min(wanted, self._bytes)
            self._bytes -= kept
        return kept

    def has_bytes(self) -> bool:
        """Return False once no byte more may be kept."""
        return self._bytes > 0

    def end_with_look(self, process: LastingProcess) -> None:
        """End a process with this look."""
        with self._lock:
            self._lasting.append(process)

    def end_lasting(self) -> None:
        """End the processes that serve this look; all of them end at the same time."""
        for process in self._lasting:
            process.end_input()
        for process in self._lasting:
            process.close()


_looks: list[LookBudget] = []  # empty outside of a look: one process makes one look at a time
_thread = threading.local()


@contextmanager
def one_look() -> Iterator[LookBudget]:
    """Begin a look, and end it with the block. Inside of another look, it is a part of that one."""
    if _looks:
        yield _looks[0]
        return
    _looks.append(LookBudget(LOOK_SECONDS, LOOK_BYTES))
    try:
        yield _looks[0]
    finally:
        try:
            _looks[0].end_lasting()
        finally:
            _looks.clear()


@contextmanager
def cleanup() -> Iterator[None]:
    """Give the commands of this block, which end others, their own short time even if the look's is over."""
    _thread.cleans = True
    try:
        yield
    finally:
        _thread.cleans = False


def seconds_within(timeout: float) -> float:
    """Return the seconds that something may take now: its own limit, or what is left of the look if that is less."""
    if not _looks:
        return timeout
    if getattr(_thread, "cleans", False):
        return min(timeout, CLEANUP_SECONDS)
    return min(timeout, _looks[0].seconds_left())


def bytes_within(wanted: int) -> int:
    """Return how many of these bytes may be kept, and count them in the look that they belong to."""
    return _looks[0].take(wanted) if _looks else wanted


def lasts_with_look(process: LastingProcess) -> None:
    """End a process with the look that is under way."""
    _looks[0].end_with_look(process)


def is_under_way() -> bool:
    """Return whether a look is under way."""
    return bool(_looks)


def is_over() -> bool:
    """Return whether a look is under way and has no time left for its questions."""
    return bool(_looks) and _looks[0].seconds_left() <= 0.0

