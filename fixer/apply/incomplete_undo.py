"""Runs whose undo or rollback ended with conflicts: what is in force again, and what is still left. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from fixer.apply.file_change import FileRestore
from fixer.apply.file_state import matches_state
from fixer.apply.journal_folder import Journal
from fixer.apply.journal_records import Intent, conflict_records, rounds_of
from fixer.apply.steps.node_access import Nodes
from fixer.errors import FixerError
from fixer.lazy.dataclass import dataclass
from fixer.model.plan import WriteFile
from fixer.model.report import NOT_UNDONE_TEXT
from fixer.redaction.masked_steps import step_from_json

INCOMPLETE_STATES = ("undone-with-conflicts", "rolled-back")  # of runs that may have conflicts
Write: TypeAlias = tuple[WriteFile, Intent]


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is left of a run with conflicts.
    `in_force`: paths that are as the repair left them, for example because a removed file is back.
    `remains`: temporary files and empty folders of the run.
    `failed`: steps without a file (a reload, a start) whose undo failed: what failed can be tried again.
    `open`: the conflicts that still hold, or that nobody can check."""

    in_force: tuple[str, ...] = ()
    remains: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


def leftovers_of(journal: Journal, nodes: Nodes) -> Leftovers:
    """Return what is left of the run. A path that is back to its state before the run is no leftover."""
    told = conflict_records(journal.records)
    retried = {record.round for record in told}
    rounds = [r for r in rounds_of(journal.records) if r.state != "rolled-back" or r.number in retried]
    writes = [write for round_ in rounds for write in _writes_of(round_.intents)]
    in_force: list[str] = []
    remains: list[str] = []
    failed: list[str] = []
    holding: list[str] = []
    for record in told:
        own = next((w for w in writes if (w[1].intent.round, w[1].intent.index) == (record.round, record.index)), None)
        if own is None:
            failed += [record.note] if NOT_UNDONE_TEXT in record.note else []
            holding.append(record.note)
            continue
        same_path = [w for w in writes if (w[0].node, w[0].path) == (own[0].node, own[0].path)]
        try:
            left = _remains_of(own, journal, nodes)
            if _is_in_force(same_path, journal, nodes):
                in_force.append(own[0].path)
            elif left or not _is_back(same_path, nodes):
                holding.append(record.note)
            remains += left
        except (FixerError, OSError):  # the node is missing, or it refuses
            holding.append(record.note)
    return Leftovers(*(tuple(dict.fromkeys(found)) for found in (in_force, remains, failed, holding)))


def _writes_of(intents: Iterable[Intent]) -> Iterable[Write]:
    for item in intents:
        try:
            step = step_from_json(item.intent.step)
        except ValueError:
            continue
        if isinstance(step, WriteFile) and item.intent.pre is not None:
            yield step, item


def _is_in_force(writes: list[Write], journal: Journal, nodes: Nodes) -> bool:
    """Return whether the path is as one of the writes left it. The state before the first one is no change."""
    return not _is_back(writes, nodes) and any(
        FileRestore(step, item, nodes.writer(step.node).files, journal).is_in_force() for step, item in writes)


def _is_back(writes: list[Write], nodes: Nodes) -> bool:
    step, item = writes[0]
    present = nodes.writer(step.node).files.state(step.path)
    return item.intent.pre is not None and matches_state(present, item.intent.pre)


def _remains_of(write: Write, journal: Journal, nodes: Nodes) -> tuple[str, ...]:
    step, item = write
    return FileRestore(step, item, nodes.writer(step.node).files, journal).remains()
