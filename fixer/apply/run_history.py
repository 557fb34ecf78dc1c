"""History of runs: list, find the unfinished one, undo, forget."""

from __future__ import annotations

from fixer.apply.journal_folder import Journal, is_run_id, open_run, read_run, run_ids
from fixer.apply.journal_records import is_unfinished, summary_of
from fixer.apply.rollback import Restoration, recover, undo_run
from fixer.apply.steps.node_access import Nodes
from fixer.apply.target_lock import hold_lock, journal_access, locate_journal
from fixer.errors import NeedsPerson, UsageError
from fixer.model.host import Target, Writer
from fixer.model.journal import RunSummary
from fixer.model.report import SCHEMA_VERSION, UndoResult

_LIST_HINT = "fixer history lists the runs"
_NOTHING_TO_UNDO = "nothing to undo: no change of a repair is in force here"
_UNDOABLE_STATES = ("committed", "unfinished")


def history(target: Target) -> tuple[RunSummary, ...]:
    """Return every run on the target, oldest first."""
    writer, folder = locate_journal(target)
    with journal_access(folder):
        return tuple(_summary(writer, folder, run_id) for run_id in run_ids(writer.files, folder))


def unfinished_run(target: Target) -> RunSummary | None:
    """Return the interrupted run, if any. Reads only; None also if no journal is possible (a bundle)."""
    try:
        runs = history(target)
    except NeedsPerson:
        return None
    return next((run for run in reversed(runs) if run.state == "unfinished"), None)


def undo(target: Target, run_id: str | None) -> UndoResult:
    """Undo a run: the named one, else the interrupted one, else the last committed one.
    If nothing is left to undo, nothing changes and the result says so."""
    writer, folder = locate_journal(target)
    runs = history(target)
    if run_id is not None and run_id not in [run.id for run in runs]:
        raise UsageError(f"there is no run {run_id} on {target.ref}", _LIST_HINT)
    if run_id is None and not any(run.state in _UNDOABLE_STATES for run in runs):
        return _empty_result(target, None, _leftover_text(target, runs) or _NOTHING_TO_UNDO)
    with journal_access(folder), hold_lock(writer.files, folder, "an undo"):
        return _undo_locked(target, writer, folder, run_id)


def _undo_locked(target: Target, writer: Writer, folder: str, run_id: str | None) -> UndoResult:
    broken = [i for i in run_ids(writer.files, folder) if is_unfinished(read_run(writer.files, folder, i).records)]
    total = Restoration()
    for run in reversed(broken):
        journal = open_run(writer.files, folder, run)
        _add_restoration(total, recover(journal, _nodes(target, writer, journal)))
    name = run_id or (broken[-1] if broken else _last_committed(target))
    if name is None:  # another process undid it while this one waited for the lock
        return _empty_result(target, None, _NOTHING_TO_UNDO)
    journal = open_run(writer.files, folder, name)
    summary = summary_of(name, journal.records)
    if summary.state in ("committed", "undone-with-conflicts") or (summary.conflicts and name not in broken):
        _add_restoration(total, undo_run(journal, _nodes(target, writer, journal)))
    elif name not in broken:
        return _empty_result(target, name, f"run {name} is {summary.state}: nothing is left to undo")
    if not (total.restored or total.conflicts or total.irreversible or total.notes):
        begun = name in broken and any(record.phase == "committed" for record in journal.records)
        total.notes.append(_already_undone_text(name, cut_off=name in broken, kept=_last_committed(target),
                                                begun=begun))
    lists = (total.restored, total.conflicts, total.irreversible, total.notes)
    return UndoResult(SCHEMA_VERSION, str(target.ref), name, *(tuple(dict.fromkeys(items)) for items in lists))


def _leftover_text(target: Target, runs: tuple[RunSummary, ...]) -> str:
    """Return the conflicts of the last rollback and how to retry them; else an empty text."""
    if not runs or runs[-1].state != "rolled-back" or not runs[-1].conflicts:
        return ""
    where = "" if target.ref.kind == "local" else f" {target.ref}"
    return (f"run {runs[-1].id} was rolled back only in part: {'; '.join(runs[-1].conflicts)}; "
            f"fixer undo{where} --id {runs[-1].id} tries again")


def _already_undone_text(name: str, *, cut_off: bool, kept: str | None, begun: bool) -> str:
    """Return which run was already undone, and which one is next: after a bare "nothing" people undo once more."""
    text = (f"the undo of run {name} was interrupted after it had restored everything" if begun else
            f"run {name} was interrupted before any of its changes was in force" if cut_off else
            f"run {name} has no change in force; a restart or a hand edit has undone it already")
    return text if kept is None else f"{text}; run {kept} is in force: the next fixer undo undoes it"


def _empty_result(target: Target, run_id: str | None, note: str) -> UndoResult:
    return UndoResult(SCHEMA_VERSION, str(target.ref), run_id, (), (), (), (note,))


def _add_restoration(total: Restoration, more: Restoration) -> None:
    total.restored += more.restored
    total.conflicts += more.conflicts
    total.irreversible += more.irreversible
    total.notes += more.notes


def _nodes(target: Target, writer: Writer, journal: Journal) -> Nodes:
    home = next((r.home for r in journal.records if r.phase == "begin"), "")
    return Nodes(target, writer, home or writer.name)


def _last_committed(target: Target) -> str | None:
    kept = [run.id for run in history(target) if run.state == "committed"]
    return kept[-1] if kept else None


def _summary(writer: Writer, folder: str, run_id: str) -> RunSummary:
    return summary_of(run_id, read_run(writer.files, folder, run_id).records)


def forget(target: Target, run_id: str) -> None:
    """Remove a run's journal and before-images; afterwards it cannot be undone."""
    writer, folder = locate_journal(target)
    files = writer.files
    if not is_run_id(run_id) or run_id not in run_ids(files, folder):
        raise UsageError(f"there is no run {run_id} on {target.ref}", _LIST_HINT)
    with journal_access(folder), hold_lock(files, folder, "an undo"):
        if _summary(writer, folder, run_id).state == "unfinished":
            raise UsageError(f"run {run_id} was interrupted", "run fixer undo first, then forget it")
        run = f"{folder}/runs/{run_id}"
        for inner in (f"{run}/blobs", run):
            for name in files.listdir(inner):
                if files.state(f"{inner}/{name}").kind != "other":
                    files.unlink(f"{inner}/{name}")
            if files.state(inner).kind == "other":
                files.rmdir(inner)
