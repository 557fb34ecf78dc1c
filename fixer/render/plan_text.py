"""Console text of repairs: the offer below a diagnosis, and the plan before any prompt."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.report import FindingReport, NeedReport, RepairReport
from fixer.render.terminal_text import (
    PLAIN,
    Colour,
    Style,
    clean,
    clean_lines,
    command_lines,
    count_columns,
    hang,
    pad,
    wrap,
)

with lazy_imports():  # not needed in most looks
    from fixer.render.translated_titles import repair_title, word_text

_PIECE = regex(r"(?<! ) *[^ ]+(?: *\Z)?")

SHOWN_DIFF = 14  # changed lines below a diagnosis; a plan shows all
MECHANISM_TEXT = "Proof: mechanism. Too few requests fail to measure this repair. fixer checks that its cause is gone."


def offer_lines(findings: Sequence[FindingReport], target: str, style: Style, *, verbose: bool) -> list[str]:
    """Return the repairs of all findings, and once for which of them there is none."""
    lines = [line for one in findings if one.repairs for line in _repair_lines(one, target, style, verbose=verbose)]
    without = [clean(one.cause) for one in findings if not one.repairs]
    if without:
        what = ", ".join(dict.fromkeys(without)) if lines else style.say("console/this", "this")
        said = style.say("console/no-repair", "fixer knows no repair for {causes}. Use the evidence above to repair it "
                         "by hand.", causes=what)
        lines += ["", *hang(said, style.text_width, 2)]
    return lines


def _repair_lines(finding: FindingReport, target: str, style: Style, *, verbose: bool) -> list[str]:
    """Return the first repair of a finding with its change, the others by name."""
    first, *others = finding.repairs
    lines = ["", *_offer_lines(first, target, style), *_proof_lines(first, style)]
    lines += _change_lines(first.diff, style, limit=None if verbose else SHOWN_DIFF)
    for other in others:
        lines += hang(style.say("console/other-repair", "Or, {risk}: {summary} (--only {id})",
                                risk=word_text(other.risk, style), summary=clean(other.summary), id=clean(other.id)),
                      style.text_width, 2)
    return lines


def _offer_lines(repair: RepairReport, target: str, style: Style) -> list[str]:
    summary = summary_text(repair, style)
    if repair.waits:
        return hang(style.say("console/repair", "Repair: {summary}", summary=summary), style.text_width, 2)
    if repair.risk == "manual":
        lines = hang(style.say("console/repair-by-hand", "Repair, by hand: {summary}", summary=summary),
                     style.text_width, 2)
        return [*lines, *(line for step in shown_steps(repair) for line in _paragraph_lines(step, style))]
    label = style.say("console/repair-risk", "Repair, {risk}: {summary}", risk=word_text(repair.risk, style),
                      summary=summary)
    label, command = f"  {label}", repair_command(repair, target)
    needs = [line for need in repair.needs for line in _need_lines(need, style)]
    if count_columns(label) + 2 + count_columns(command) <= style.text_width:
        return [f"{pad(label, style.text_width - count_columns(command))}{style.paint(command, 'cyan')}", *needs]
    lines = hang(label.strip(), style.text_width, 2)
    return [*lines, *needs, *(style.paint(line, "cyan") for line in command_lines(command, style.text_width, 4))]


def shown_steps(repair: RepairReport) -> tuple[str, ...]:
    """Return the steps to print below the summary: none where it says already what a person has to do."""
    return () if repair.risk == "manual" and repair.steps == (repair.summary,) else repair.steps


def summary_text(repair: RepairReport, style: Style) -> str:
    """Return what a repair does; in another language its title, then the summary with the names of this target."""
    title = repair_title(repair.id, style, (need.key for need in repair.needs))
    summary = clean(repair.summary)
    return style.say("console/titled-repair", "{title} ({summary})", title=title, summary=summary) if title else summary


def _proof_lines(repair: RepairReport, style: Style) -> list[str]:
    """Return how the repair will be proven, if that is not by answers and fixer makes it."""
    if not is_proven_by_mechanism(repair):
        return []
    return hang(style.say("console/proof-mechanism", MECHANISM_TEXT), style.text_width, 4)


def is_proven_by_mechanism(repair: RepairReport) -> bool:
    """Return whether fixer makes the repair, and only its mechanism will prove it."""
    return repair.proof == "mechanism" and repair.risk != "manual" and not repair.waits


def repair_command(repair: RepairReport, target: str) -> str:
    """Return the command that makes a repair which is neither manual nor a wait."""
    words = ["sudo fixer repair"] if target == "local" else ["fixer repair", clean(target)]
    if repair.risk == "disruptive":
        words.append("--max-risk disruptive")
    words += [f"--set {clean(need.key)}=VALUE" for need in repair.needs if need.default is None]
    return " ".join(words)


def _need_lines(need: NeedReport, style: Style) -> list[str]:
    """Return what an operator has to give, and why."""
    text = style.say("console/needs", "needs {key}: {why}", key=clean(need.key), why=clean(need.why))
    if need.choices:
        choices = ", ".join(clean(choice) for choice in need.choices)
        text += style.say("console/choices", " (one of {choices})", choices=choices)
    if need.default is not None:
        text += style.say("console/default", " (default {value})", value=clean(need.default))
    return hang(text, style.text_width, 4)


def _change_lines(diff: str, style: Style, limit: int | None) -> list[str]:
    """Return the changed lines of a diff, with the name of each file; their context is in the plan."""
    raw = [line for line in clean_lines(diff.rstrip("\n")) if line.startswith(("+", "-"))]
    kept = [line for line, after in zip(raw, [*raw[1:], ""], strict=False)
            if not (line.startswith("--- ") and after.startswith("+++ ") and after != "+++ /dev/null")]
    shown = kept if limit is None else kept[:limit]
    lines = [part for line in shown for part in _diff_line_parts(line, style)]
    if len(kept) > len(shown):
        more = style.say("console/more-lines", "and {number} more lines (--verbose)", number=len(kept) - len(shown))
        lines.append(f"    {more}")
    return lines


def diff_lines(diff: str, style: Style) -> list[str]:
    """Return a unified diff, never truncated: it is the exact change."""
    lines = clean_lines(diff.rstrip("\n")) if diff else []
    return [part for line in lines for part in _diff_line_parts(line, style)]


def _diff_line_parts(line: str, style: Style) -> list[str]:
    """Return a line of a diff. A long one continues after `|`, broken at spaces, with every space kept."""
    first, *rest = _split_at_spaces(line, style.width - 6)
    parts = [f"    {first}".rstrip() if not rest else f"    {first}", *(f"    | {part}" for part in rest)]
    colour = _diff_colour(line)
    return [style.paint(part, colour) for part in parts] if colour else parts


def _split_at_spaces(text: str, width: int) -> list[str]:
    parts = [""]
    for word in _PIECE.findall(text):
        if parts[-1].strip(" +-") and count_columns(parts[-1]) + count_columns(word) > width:
            parts.append("")
        parts[-1] += word
    return parts if parts != [""] else [text]


def _diff_colour(line: str) -> Colour | None:
    if line.startswith(("--- ", "+++ ", "@@")):
        return "dim"
    return "green" if line.startswith("+") else "red" if line.startswith("-") else None


def plan_lines(cause: str, repair: RepairReport, style: Style = PLAIN, warnings: tuple[str, ...] = ()) -> list[str]:
    """Return the plan of one round: purpose and risk, warnings, every step in order, the exact change."""
    said = style.say("console/plan", "Plan: {summary}", summary=summary_text(repair, style))
    title, *more = wrap(said, style.text_width - 2)
    lines = [style.paint(title, "bold"), *(f"  {style.paint(line, 'bold')}" for line in more)]
    purpose = style.say("console/plan-for", "for {cause}, {risk}", cause=clean(cause),
                        risk=word_text(repair.risk, style))
    lines.append(f"  {purpose}")
    lines += _proof_lines(repair, style)
    for warning in warnings:
        lines += [style.paint(line, "yellow") for line in hang(clean(warning), style.text_width, 2)]
    for number, step in enumerate(repair.steps, 1):
        first, *rest = wrap(clean(step), style.text_width - 6)
        lines += [f"  {number}. {first}", *(f"     {line}" for line in rest)]
    return [*lines, *diff_lines(repair.diff, style)]


def _paragraph_lines(text: str, style: Style) -> list[str]:
    return [line for part in text.split("\n") for line in hang(clean(part), style.text_width, 4)]
