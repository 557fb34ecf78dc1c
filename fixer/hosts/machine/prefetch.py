"""Answers that are fetched before a query asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fixer.hosts.machine import early_processes
from fixer.model.query import Answer, Command

SLOWEST_COMMAND = Command("systemctl-show")  # 40 ms in another process: as long as the imports


class PrefetchedAnswer:
    """The answer to one command, fetched in a thread."""

    def __init__(self, work: Callable[[], Answer]) -> None:
        self._answers: list[Answer] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(work()), daemon=True)
        self._thread.start()

    def answer(self) -> Answer | None:
        """Wait for the answer and return it."""
        self._thread.join()
        return self._answers[0] if self._answers else None


pending_answers: dict[Command, PrefetchedAnswer] = {}


def forget_prefetched() -> None:
    """Drop what was fetched: it is older than a change."""
    pending_answers.clear()
    early_processes.forget()


def prefetched_answer(command: Command) -> Answer | None:
    """Return the prefetched answer once: a second query wants the present state."""
    early = pending_answers.pop(command, None)
    return early.answer() if early is not None else None
