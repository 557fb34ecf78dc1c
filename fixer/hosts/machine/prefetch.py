"""What is fetched before somebody asks for it, while the program is still importing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from fixer.hosts.machine import early_processes
from fixer.model.query import Answer, Command

SLOWEST_COMMAND = Command("systemctl-show")  # 40 ms in another process: as long as the imports


T = TypeVar("T")

_changes = [0]     # how often something was changed since the start


class Prefetched(Generic[T]):
    """What a function returns or raises, called in a thread."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._found: list[T] = []
        self._errors: list[Exception] = []
        self._changes = _changes[0]
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._found.append(work())
        except Exception as error:  # noqa: BLE001  raised where it is asked for
            self._errors.append(error)

    def result(self, seconds: float | None = None) -> T | None:
        """Wait for it, and return or raise it; None if it takes longer, or is older than a change."""
        self._thread.join(seconds)
        if self._changes != _changes[0]:
            return None
        if self._errors:
            raise self._errors[0]
        return self._found[0] if self._found else None


pending_answers: dict[Command, Prefetched[Answer]] = {}


def forget_prefetched() -> None:
    """Drop what was fetched: it is older than a change."""
    _changes[0] += 1
    pending_answers.clear()
    early_processes.forget()


def prefetched_answer(command: Command) -> Answer | None:
    """Return the prefetched answer once: a second query wants the present state."""
    early = pending_answers.pop(command, None)
    return early.result() if early is not None else None
