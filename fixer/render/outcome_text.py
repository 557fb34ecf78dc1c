"""Console text of every command but diagnose, and of failures."""

from __future__ import annotations

from datetime import UTC, datetime

from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import AT_FAULT
from fixer.model.journal import MECHANISM_MARK, RunSummary
from fixer.model.report import (
    INCOMPLETE_UNDO_TEXT,
    NOT_UNDONE_TEXT,
    WITHOUT_ROOT_TEXT,
    CatalogueReport,
    CauseReport,
    CollectReport,
    HistoryReport,
    IgnoreReport,
    LearnReport,
    OutcomeKind,
    PageReport,
    Proof,
    RepairResult,
    UndoResult,
    VerifyResult,
)
from fixer.render.page_text import page_text
from fixer.render.terminal_text import (
    PLAIN,
    SHORTEST_COLUMN,
    Colour,
    Style,
    clean,
    command_lines,
    count_columns,
    hang,
    longest_word,
    pad,
    wrap,
)
from fixer.render.to_console import finding_lines, headline, needs_root_lines
from fixer.render.translated_titles import note_text

OUTCOMES: dict[OutcomeKind, str] = {
    "nothing-to-do": "Nothing to repair: the target is healthy.",
    "repaired": "Repaired; a new observation proves it.",
    "rolled-back": "Tried without success: rolled back, no change is in force.",
    "needs-input": "Stopped: you must decide or act first.",
    "failed": "Failed.",
}

_PROOF_COLOURS: dict[str, Colour] = {"passed": "green", "failed": "red", "unknown": "yellow"}
PROOFS = {
    "nginx-test": "nginx accepts its configuration",
    "nginx-up": "nginx is up",
    "backend-answers": "the backend answers",
    "route-answers": "the route answers through nginx",
    "no-failure-lasts": "no failure goes on",
}
PARTLY_TEXT = "the route fails for some requests"


def repair_text(result: RepairResult, style: Style = PLAIN, *, root: bool = True, as_root: str = "") -> str:
    """Return how a repair ended: what was committed, what was withheld and why, how to undo it.
    `as_root` is the command that repairs the target as root; empty if there is none."""
    good = result.exit_code == 0
    said = style.say(f"console/outcome {result.outcome}", OUTCOMES[result.outcome])
    if result.outcome == "repaired" and result.applied and all(
            step.endswith(MECHANISM_MARK) for step in result.applied):
        said = style.say("console/repaired-by-mechanism", "Repaired: the cause is gone. Only its page can prove more.")
    if result.outcome == "rolled-back" and any(note.startswith(INCOMPLETE_UNDO_TEXT) for note in result.after.notes):
        said = style.say("console/not-rolled-back",
                         "Tried without success; not everything could be rolled back.")
    sign: tuple[str, Colour] = ("✔", "green") if good else ("✗", "red")
    if result.outcome == "nothing-to-do" and any(route.passed_on for route in result.after.routes):
        said = style.say("console/nothing-in-front",
                         "Nothing to repair in front of the application: it answers with an error itself.")
        sign = ("!", "yellow")
    lines = [style.paint(line, sign[1]) for line in hang(f"{style.sign(sign[0])} {said}", style.text_width, 0)]
    if not good:
        lines += [f"  {line}" for line in headline(result.after, replace(style, width=style.width - 2))]
    root_lines = needs_root_lines(result.after, as_root, style)
    lines += root_lines
    if result.outcome == "needs-input":  # an operator decides by the evidence
        main = [finding for finding in result.after.findings if finding.role in AT_FAULT]
        lines += [line for finding in main for line in ("", *finding_lines(finding, style, verbose=False))]
        lines += [""] if main else []
    lines += _block_lines(style.say("console/applied", "Applied and in force:"), style, result.applied)
    withheld = style.say("console/withheld", "Withheld ({number}):", number=len(result.withheld))
    lines += _block_lines(withheld, style, result.withheld)
    for note in result.after.notes:
        if not (root_lines and note.endswith(WITHOUT_ROOT_TEXT)):
            lines += _item_lines(note_text(note, style), style)
    if result.journal is not None:
        where = "" if result.target == "local" else f" {clean(result.target)}"
        sudo = "sudo " if result.target == "local" and root else ""  # the journal belongs to the user who repaired
        undo = f"{sudo}fixer undo{where} --id {clean(result.journal)}"
        lines += command_lines(style.say("console/undo-it", "Undo it: {command}", command=undo), style.text_width, 2)
    return "\n".join(lines) + "\n"


def verify_text(result: VerifyResult, style: Style = PLAIN) -> str:
    """Return each proof with its location."""
    signs = {"passed": "✔", "failed": "✗", "unknown": "?"}
    lines = headline(result.report, style)
    width = max(count_columns(_proof_text(check, style)) for check in PROOFS)
    for proof in result.proof:
        lines += _proof_lines(proof, style.sign("!" if proof.partly else signs[proof.state]), width, style)
    for note in result.report.notes:
        lines += _item_lines(note_text(note, style), style)
    return "\n".join(lines) + "\n"


def _proof_text(check: str, style: Style) -> str:
    return style.say(f"console/proof {check}", PROOFS[check])


def _proof_lines(proof: Proof, sign: str, width: int, style: Style) -> list[str]:
    indent = width + 4 + style.sign_width
    said = clean(f"{proof.where}: {proof.text}" if proof.text else proof.where)
    painted = style.paint(pad(sign, style.sign_width), "yellow" if proof.partly else _PROOF_COLOURS[proof.state])
    name = style.say("console/proof-partly", PARTLY_TEXT) if proof.partly else _proof_text(proof.check, style)
    if style.width - indent < max(SHORTEST_COLUMN, longest_word(said)):  # a narrow terminal
        return [f"  {painted} {name}:", *hang(said, style.width, 4)]
    first, *rest = wrap(said, style.width - indent)
    return [f"  {painted} {pad(name, width)} {first}", *(" " * indent + line for line in rest)]


def undo_text(result: UndoResult, style: Style = PLAIN) -> str:
    """Return what was restored and what was not."""
    good = not result.conflicts
    if result.id is None or not (result.restored or result.conflicts or result.irreversible):
        return "".join(f"{clean(note)}\n" for note in result.notes) or (
            style.say("console/nothing-to-undo", "nothing to undo") + "\n")
    said = style.say("console/undone", "Run {id} undone", id=clean(result.id)) if good else (
        style.say("console/undone-in-part", "Run {id} undone in part", id=clean(result.id)))
    title = f"{style.sign('✔' if good else '✗')} {said}"
    lines = [style.paint(line, "green" if good else "red") for line in hang(title, style.text_width, 0)]
    lines += _block_lines(style.say("console/restored", "Restored:"), style, result.restored)
    failed = tuple(conflict for conflict in result.conflicts if NOT_UNDONE_TEXT in conflict)
    lines += _block_lines(style.say("console/not-undone", "Not undone:"), style,
                          tuple(conflict.replace(NOT_UNDONE_TEXT, ": ") for conflict in failed))
    lines += _block_lines(style.say("console/left-unchanged", "Left unchanged, because somebody changed it since:"),
                          style, tuple(c for c in result.conflicts if c not in failed))
    lines += _block_lines(style.say("console/irreversible", "Cannot be undone, as the plan warned:"), style,
                          result.irreversible)
    for note in result.notes:
        lines += _item_lines(note_text(note, style), style)
    return "\n".join(lines) + "\n"


def history_text(history: HistoryReport, style: Style = PLAIN) -> str:
    """Return one line per run and its steps below it, newest first."""
    lines = [line for run in history.runs
             for line in _run_lines(run, style)] or [
                 style.say("console/no-run", "No repair has run on {target}.", target=clean(history.target))]
    for note in history.notes:
        lines += _item_lines(note_text(note, style), style)
    return "\n".join(lines) + "\n"


def _run_lines(run: RunSummary, style: Style) -> list[str]:
    when = datetime.fromtimestamp(run.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [f"{clean(run.id)}  {when}  {run.state}  {clean(run.cause)}".rstrip()]
    for step in run.steps:
        lines += _item_lines(clean(step), style)
    for conflict in run.conflicts:
        text = style.say("console/conflict", "left unchanged: {conflict}", conflict=clean(conflict))
        lines += _item_lines(text, style)
    return lines


def ignored_text(report: IgnoreReport, style: Style = PLAIN) -> str:
    """Return one entry per ignored finding, with its owner."""
    if not report.accepted:
        said = style.say("console/none-ignored", "No finding is ignored on {target}.", target=clean(report.target))
        return f"{said}\n"
    lines: list[str] = []
    for entry in report.accepted:
        where = style.say("console/ignored-at", " at {place}", place=clean(entry.where)) if entry.where else ""
        until = style.say("console/ignored-until", "until {day}", day=clean(entry.until))
        lines += [f"{clean(entry.id)}  {clean(entry.cause)}{where}, {until}, {clean(entry.owner)}"]
        lines += _item_lines(clean(entry.because), style, 6)
    for note in report.notes:
        lines += _item_lines(note_text(note, style), style)
    return "\n".join(lines) + "\n"


def catalogue_text(catalogue: CatalogueReport, style: Style = PLAIN) -> str:
    """Return the causes by family, each family once, each cause with its title."""
    families: dict[str, list[CauseReport]] = {}
    for cause in catalogue.causes:
        families.setdefault(cause.family, []).append(cause)
    lines: list[str] = []
    for family, causes in families.items():
        lines.append(style.say(f"causes/family {family}", family))
        lines += [line for cause in causes for line in _cause_lines(cause, style)]
        lines.append("")
    hint = style.say("console/explain-hint", "To read the page of a cause: fixer explain CAUSE")
    return "\n".join([*lines, *wrap(hint, style.text_width)]) + "\n"


def _cause_lines(cause: CauseReport, style: Style) -> list[str]:
    title = style.say(f"causes/{cause.id}", cause.title)
    if style.text_width - 32 < SHORTEST_COLUMN:
        return [f"  {cause.id}", *hang(title, style.text_width, 4)]
    first, *rest = wrap(title, style.text_width - 32)
    return [f"  {pad(cause.id, 29)} {first}", *(" " * 32 + line for line in rest)]


def learned_text(result: LearnReport, style: Style = PLAIN) -> str:
    """Return what is remembered, and which values an operator would have to give for a start."""
    lines = [style.say("console/remembered", "{number} remembered in {file}", number=len(result.services),
                       file=clean(result.file))]
    for service in result.services:
        lines += _item_lines(f"{clean(service.service)} at {clean(', '.join(service.addresses))}, user "
                             f"{clean(service.user)}", style)
        lines += _item_lines(clean(service.command) or "its command contains a secret and is not stored", style)
        if service.variables:
            lines += _item_lines(f"variables, by name only: {clean(', '.join(service.variables))}", style)
        if service.unplaced:
            lines += _item_lines(f"not in any file: {clean(', '.join(service.unplaced))}", style)
        if not service.readable:
            lines += _item_lines("its variables could not be read (that needs root, and in a container "
                                 "CAP_SYS_PTRACE), so fixer cannot start it from this record", style)
    return "\n".join(lines) + "\n"


def collected_text(result: CollectReport, style: Style = PLAIN) -> str:
    """Return what a bundle holds, and how to read it. Nothing is wrapped: the last line is a command."""
    del style
    lines = [f"{clean(result.file)}: {result.size // 1024 + 1} KiB, secrets redacted"]
    lines += [f"  {clean(node.name)}: {node.answers} answers, {node.files} files" for node in result.nodes]
    return "\n".join([*lines, f"Read it: fixer diagnose bundle:{clean(result.file)}"]) + "\n"


def explained_text(result: PageReport, style: Style = PLAIN) -> str:
    """Return the page of a cause, fitted to the output."""
    return page_text(result.text, style)


def failure_text(message: str, hint: str) -> str:
    """Return one clear line, and what to do next."""
    lines = [f"fixer: {clean(message)}"]
    return "\n".join([*lines, f"  {clean(hint)}"] if hint else lines) + "\n"


def _block_lines(title: str, style: Style, items: tuple[str, ...]) -> list[str]:
    lines = [line for item in items for line in _item_lines(clean(item), style, 4)]
    return [*_item_lines(title, style), *lines] if lines else []


def _item_lines(text: str, style: Style, indent: int = 2) -> list[str]:
    return hang(text, style.text_width, indent)
