"""An answer that is fetched before anything asks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fixer.model.query import Answer, Command

SLOWEST_COMMAND = Command("systemctl-show")     # 40 ms of another process: as long as the imports take


class PrefetchedAnswer:
    """The answer to one command, on its way."""

    def __init__(self, work: Callable[[], Answer]) -> None:
        self._answers: list[Answer] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(work()), daemon=True)
        self._thread.start()

    def answer(self) -> Answer | None:
        """The answer, waited for."""
        self._thread.join()
        return self._answers[0] if self._answers else None


pending_answers: dict[Command, PrefetchedAnswer] = {}


def prefetched_answer(command: Command) -> Answer | None:
    """The answer that was asked for ahead, given out once: who asks again wants to know what is so by then."""
    early = pending_answers.pop(command, None)
    return early.answer() if early is not None else None
