"""A question to this machine that runs already while the rest of the program is still being imported."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fixer.model.query import Answer, Command

SLOWEST = Command("systemctl-show")     # 40 ms of another process: as long as the imports take


class _Early:
    """The answer to one command, on its way."""

    def __init__(self, work: Callable[[], Answer]) -> None:
        self._answers: list[Answer] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(work()), daemon=True)
        self._thread.start()

    def answer(self) -> Answer | None:
        """The answer, waited for."""
        self._thread.join()
        return self._answers[0] if self._answers else None


_early: dict[Command, _Early] = {}


def ask_ahead(command: Command = SLOWEST) -> None:
    """Begin to ask this machine. Only for the first look of a process, right before it."""
    from fixer.hosts.local import answer_command  # it imports this module

    _early[command] = _Early(lambda: answer_command(command))


def taken(command: Command) -> Answer | None:
    """The answer that was asked for ahead, given out once: who asks again wants to know what is so by then."""
    early = _early.pop(command, None)
    return early.answer() if early is not None else None
