"""Asks several nodes at the same time: the slowest decides how long a round takes, not their number."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from fixer.errors import CannotObserve
from fixer.hosts.base import Asker
from fixer.model.query import Answer, Query

Outcome = Mapping[Query, Answer] | CannotObserve


def ask_all(rounds: Sequence[tuple[Asker, Sequence[Query]]]) -> list[Outcome]:
    """The answers of each node in order, or why a node could not be asked."""
    outcomes: list[Outcome | BaseException | None] = [None] * len(rounds)

    def work(index: int) -> None:
        asker, queries = rounds[index]
        try:
            outcomes[index] = asker.ask(queries)
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread, where it is raised
            outcomes[index] = error

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(1, len(rounds))]
    for thread in threads:
        thread.start()
    if rounds:
        work(0)
    for thread in threads:
        thread.join()
    return [_checked(outcome) for outcome in outcomes]


def _checked(outcome: Outcome | BaseException | None) -> Outcome:
    if isinstance(outcome, BaseException) and not isinstance(outcome, CannotObserve):
        raise outcome
    assert outcome is not None
    return outcome
