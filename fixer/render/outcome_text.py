"""Console text of repair, verify, undo, history, ignore, causes, learn and failures."""

from __future__ import annotations

from datetime import UTC, datetime

from fixer.model.journal import RunSummary
from fixer.model.report import (
    INCOMPLETE_UNDO_TEXT,
    NOT_UNDONE_TEXT,
    CatalogueReport,
    HistoryReport,
    IgnoreReport,
    LearnReport,
    OutcomeKind,
    Proof,
    RepairResult,
    UndoResult,
    VerifyResult,
)
from fixer.render.terminal_text import PLAIN, WIDTH, Colour, Style, clean, pad, wrap
from fixer.render.to_console import headline

_OUTCOMES: dict[OutcomeKind, str] = {
    "nothing-to-do": "Nothing to repair: the target is healthy.",
    "repaired": "Repaired; a new observation proves it.",
    "rolled-back": "Tried without success: rolled back, no change is in force.",
    "needs-input": "Stopped: you must decide or act first.",
    "failed": "Failed.",
}

_PROOF_COLOURS: dict[str, Colour] = {"passed": "green", "failed": "red", "unknown": "yellow"}
_PROOFS = {
    "nginx-test": "nginx accepts its configuration",
    "nginx-up": "nginx is up",
    "backend-answers": "the backend answers",
    "route-answers": "the route answers through nginx",
}
_PARTLY_TEXT = "the route fails for some requests"


def repair_text(result: RepairResult, style: Style = PLAIN, *, root: bool = True) -> str:
    """Return how a repair ended: what was committed, what was withheld and why, how to undo it."""
    good = result.exit_code == 0
    said = _OUTCOMES[result.outcome]
    if result.outcome == "rolled-back" and any(note.startswith(INCOMPLETE_UNDO_TEXT) for note in result.after.notes):
        said = "Tried without success; not everything could be rolled back."
    title = f"{style.sign('✔' if good else '✗')} {said}"
    lines = [style.paint(title, "green" if good else "red")]
    if not good:
        lines += [f"  {line}" for line in headline(result.after, style)]
    lines += _block_lines("Applied and in force", result.applied)
    lines += _block_lines(f"Withheld ({len(result.withheld)})", result.withheld)
    for note in result.after.notes:
        lines += _item_lines(f"note: {clean(note)}")
    if result.journal is not None:
        where = "" if result.target == "local" else f" {clean(result.target)}"
        sudo = "sudo " if result.target == "local" and root else ""  # the journal belongs to the user who repaired
        lines.append(f"  Undo it: {sudo}fixer undo{where} --id {clean(result.journal)}")
    return "\n".join(lines) + "\n"


def verify_text(result: VerifyResult, style: Style = PLAIN) -> str:
    """Return each proof with its location."""
    signs = {"passed": "✔", "failed": "✗", "unknown": "?"}
    lines = headline(result.report, style)
    width = max(len(text) for text in _PROOFS.values())
    for proof in result.proof:
        lines += _proof_lines(proof, style.sign("!" if proof.partly else signs[proof.state]), width, style)
    for note in result.report.notes:
        lines += _item_lines(f"note: {clean(note)}")
    return "\n".join(lines) + "\n"


def _proof_lines(proof: Proof, sign: str, width: int, style: Style) -> list[str]:
    indent = width + 4 + style.sign_width
    said = clean(f"{proof.where}: {proof.text}" if proof.text else proof.where)
    first, *rest = wrap(said, WIDTH - indent)
    painted = style.paint(pad(sign, style.sign_width), "yellow" if proof.partly else _PROOF_COLOURS[proof.state])
    name = _PARTLY_TEXT if proof.partly else _PROOFS[proof.check]
    return [f"  {painted} {pad(name, width)} {first}", *(" " * indent + line for line in rest)]


def undo_text(result: UndoResult, style: Style = PLAIN) -> str:
    """Return what was restored and what was not."""
    good = not result.conflicts
    if result.id is None or not (result.restored or result.conflicts or result.irreversible):
        return "".join(f"{clean(note)}\n" for note in result.notes) or "nothing to undo\n"
    title = f"Run {clean(result.id)} undone" if good else f"Run {clean(result.id)} undone in part"
    lines = [style.paint(f"{style.sign('✔' if good else '✗')} {title}", "green" if good else "red")]
    lines += _block_lines("Restored", result.restored)
    failed = tuple(conflict for conflict in result.conflicts if NOT_UNDONE_TEXT in conflict)
    lines += _block_lines("Not undone", tuple(conflict.replace(NOT_UNDONE_TEXT, ": ") for conflict in failed))
    lines += _block_lines("Left unchanged, because somebody changed it since",
                          tuple(c for c in result.conflicts if c not in failed))
    lines += _block_lines("Cannot be undone, as the plan warned", result.irreversible)
    for note in result.notes:
        lines += _item_lines(f"note: {clean(note)}")
    return "\n".join(lines) + "\n"


def history_text(history: HistoryReport) -> str:
    """Return one line per run and its steps below it, newest first."""
    lines = [line for run in history.runs
             for line in _run_lines(run)] or [f"No repair has run on {clean(history.target)}."]
    for note in history.notes:
        lines += _item_lines(f"note: {clean(note)}")
    return "\n".join(lines) + "\n"


def _run_lines(run: RunSummary) -> list[str]:
    when = datetime.fromtimestamp(run.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [f"{clean(run.id)}  {when}  {run.state}  {clean(run.cause)}".rstrip()]
    for step in run.steps:
        lines += _item_lines(clean(step))
    for conflict in run.conflicts:
        lines += _item_lines(f"left unchanged: {clean(conflict)}")
    return lines


def ignored_text(report: IgnoreReport) -> str:
    """Return one entry per ignored finding, with its owner."""
    if not report.accepted:
        return f"No finding is ignored on {clean(report.target)}.\n"
    lines: list[str] = []
    for entry in report.accepted:
        where = f" at {clean(entry.where)}" if entry.where else ""
        lines += [f"{clean(entry.id)}  {clean(entry.cause)}{where}, until {clean(entry.until)}, {clean(entry.owner)}"]
        lines += _item_lines(clean(entry.because), 6)
    for note in report.notes:
        lines += _item_lines(f"note: {clean(note)}")
    return "\n".join(lines) + "\n"


def catalogue_text(catalogue: CatalogueReport) -> str:
    """Return the causes by family, each with its title."""
    lines: list[str] = []
    family = None
    for cause in catalogue.causes:
        if cause.family != family:
            family = cause.family
            lines += [*([""] if lines else []), family]
        first, *rest = wrap(cause.title, WIDTH - 32)
        lines += [f"  {pad(cause.id, 29)} {first}", *(" " * 32 + line for line in rest)]
    return "\n".join([*lines, "", "To read the page of a cause: fixer explain CAUSE"]) + "\n"


def learned_text(result: LearnReport) -> str:
    """Return what is remembered, and which values an operator would have to give for a start."""
    lines = [f"{len(result.services)} remembered in {clean(result.file)}"]
    for service in result.services:
        lines += _item_lines(f"{clean(service.service)} at {clean(', '.join(service.addresses))}, user "
                             f"{clean(service.user)}")
        lines += _item_lines(clean(service.command) or "its command contains a secret and is not stored")
        if service.variables:
            lines += _item_lines(f"variables, by name only: {clean(', '.join(service.variables))}")
        if service.unplaced:
            lines += _item_lines(f"not in any file: {clean(', '.join(service.unplaced))}")
        if not service.readable:
            lines += _item_lines("its variables could not be read (that needs root, and in a container "
                                 "CAP_SYS_PTRACE), so fixer cannot start it from this record")
    return "\n".join(lines) + "\n"


def failure_text(message: str, hint: str) -> str:
    """Return one clear line, and what to do next."""
    lines = [f"fixer: {clean(message)}"]
    return "\n".join([*lines, f"  {clean(hint)}"] if hint else lines) + "\n"


def _block_lines(title: str, items: tuple[str, ...]) -> list[str]:
    return [f"  {title}:", *(line for item in items for line in _item_lines(clean(item), 4))] if items else []


def _item_lines(text: str, indent: int = 2) -> list[str]:
    first, *rest = wrap(text, WIDTH - indent - 2)
    return [" " * indent + first, *(" " * (indent + 2) + line for line in rest)]
