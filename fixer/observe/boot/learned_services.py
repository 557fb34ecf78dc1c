"""What was learned of a machine, read with everything else; its files are read where something of it is gone."""

from __future__ import annotations

from fixer.model.facts import Known
from fixer.model.learned import Learned, LearnedService, learned_from_json
from fixer.model.query import Query, ReadFile
from fixer.observe.view.node_view import View

FILE_LIMIT = 1 << 16


def learned_of(view: View, path: str) -> Learned | None:
    """What is remembered of the node."""
    data = view.data(path) if path else None
    return None if data is None else learned_from_json(data, view.name, path)


def learned_questions(view: View, path: str) -> list[Query]:
    """The memory itself, then the files that held variables of what does not run any more."""
    asked: list[Query] = [ReadFile(path)]
    learned = learned_of(view, path)
    for service in learned.services if learned is not None else ():
        if _is_gone(service, view):
            asked += [ReadFile(file, FILE_LIMIT) for _, file in service.variables if file]
    return asked


def _is_gone(service: LearnedService, view: View) -> bool:
    """Nobody listens at any address of it."""
    listeners = view.listeners.value if isinstance(view.listeners, Known) else ()
    held = {(line.address if line.family == "unix" else "", line.port) for line in listeners}
    return not any((unix, port) in held for _, port, unix in service.addresses)
