"""History of runs: list, find the unfinished one, undo, forget."""

from __future__ import annotations

from fixer.apply.incomplete_undo import INCOMPLETE_STATES, Leftovers, leftovers_of
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


def rolled_back_text(target: Target, run_id: str) -> str:
    """Return what became of an interrupted run: what its earlier rounds repaired was proven, and stays."""
    if not any(run.id == run_id and run.state == "committed" for run in history(target)):
        return "rolled back"
    return f"its last round was rolled back, {_undo_command(target, run_id)} undoes the others"


def incomplete_run_notes(target: Target, runs: tuple[RunSummary, ...]) -> tuple[str, ...]:
    """Return a note for each run with conflicts that is in force again, or that left something behind."""
    notes = []
    for run, left in _leftovers(target, runs):
        if left.in_force:
            notes.append(f"run {run.id} is in force again: {', '.join(left.in_force)} as the repair left it; "
                         f"{_undo_command(target, run.id)} takes it back")
        elif left.remains:
            notes.append(f"run {run.id} left {', '.join(left.remains)}; {_undo_command(target, run.id)} tries again")
        elif left.failed:
            notes.append(f"run {run.id}: {'; '.join(left.failed)}; {_undo_command(target, run.id)} tries again")
    return tuple(notes)


def undo(target: Target, run_id: str | None) -> UndoResult:
    """Undo a run: the named one, else the interrupted one, else the last one that is in force.
    A run that was undone with conflicts is in force again if a file is back as the repair left it.
    If nothing is left to undo, nothing changes and the result says so; a run that is undone in part is named."""
    writer, folder = locate_journal(target)
    runs = history(target)
    if run_id is not None and run_id not in [run.id for run in runs]:
        raise UsageError(f"there is no run {run_id} on {target.ref}", _LIST_HINT)
    if run_id is None and not any(run.state == "unfinished" for run in runs) and _next_to_undo(target, runs) is None:
        return _nothing_left(target, runs)
    with journal_access(folder), hold_lock(writer.files, folder, "an undo"):
        return _undo_locked(target, writer, folder, run_id)


def _undo_locked(target: Target, writer: Writer, folder: str, run_id: str | None) -> UndoResult:
    broken = [i for i in run_ids(writer.files, folder) if is_unfinished(read_run(writer.files, folder, i).records)]
    total = Restoration()
    for run in reversed(broken):
        journal = open_run(writer.files, folder, run)
        _add_restoration(total, recover(journal, _nodes(target, writer, journal)))
    name = run_id or (broken[-1] if broken else _next_to_undo(target, history(target)))
    if name is None:  # another process undid it while this one waited for the lock
        return _nothing_left(target, history(target))
    journal = open_run(writer.files, folder, name)
    summary = summary_of(name, journal.records)
    if summary.state in ("committed", "undone-with-conflicts") or (summary.conflicts and name not in broken):
        _add_restoration(total, undo_run(journal, _nodes(target, writer, journal)))
    elif name not in broken:
        return _empty_result(target, name, f"run {name} is {summary.state}: nothing is left to undo")
    if not (total.restored or total.conflicts or total.irreversible or total.notes):
        begun = name in broken and any(record.phase == "committed" for record in journal.records)
        kept = _last_in_force(target, history(target))
        total.notes.append(_already_undone_text(name, cut_off=name in broken, kept=kept, begun=begun))
    lists = (total.restored, total.conflicts, total.irreversible, total.notes)
    return UndoResult(SCHEMA_VERSION, str(target.ref), name, *(tuple(dict.fromkeys(items)) for items in lists))


def _leftovers(target: Target, runs: tuple[RunSummary, ...]) -> list[tuple[RunSummary, Leftovers]]:
    """Return the runs with conflicts and what is left of each, newest first."""
    writer, folder = locate_journal(target)
    found = []
    for run in reversed(runs):
        if run.conflicts and run.state in INCOMPLETE_STATES:
            journal = open_run(writer.files, folder, run.id)
            found.append((run, leftovers_of(journal, _nodes(target, writer, journal))))
    return found


def _last_in_force(target: Target, runs: tuple[RunSummary, ...]) -> str | None:
    """Return the newest run whose change is in force."""
    kept = [run.id for run in runs if run.state == "committed"]
    return max((*kept, *(run.id for run, left in _leftovers(target, runs) if left.in_force)), default=None)


def _next_to_undo(target: Target, runs: tuple[RunSummary, ...]) -> str | None:
    """Return the newest run whose change is in force; if there is none, the newest that left something behind, or a
    step of which could not be undone."""
    behind = (run.id for run, left in _leftovers(target, runs) if left.remains or left.failed)
    return _last_in_force(target, runs) or next(behind, None)


def _nothing_left(target: Target, runs: tuple[RunSummary, ...]) -> UndoResult:
    """Return that no change is in force, with the conflicts of the newest run that is not back to its start."""
    left = [(run, found) for run, found in _leftovers(target, runs) if found.open]
    if not left:
        return _empty_result(target, None, _NOTHING_TO_UNDO)
    run, found = left[0]
    earlier = f"; {len(left) - 1} earlier runs too: fixer history" if len(left) > 1 else ""
    verb = "rolled back" if run.state == "rolled-back" else "undone"
    note = (f"run {run.id} was {verb} only in part{earlier}; {_undo_command(target, run.id)} tries again; "
            f"fixer history{_where(target)} --forget {run.id} accepts the files as they are")
    return UndoResult(SCHEMA_VERSION, str(target.ref), run.id, (), found.open, (), (note,))


def _undo_command(target: Target, run_id: str) -> str:
    return f"fixer undo{_where(target)} --id {run_id}"


def _where(target: Target) -> str:
    return "" if target.ref.kind == "local" else f" {target.ref}"


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
