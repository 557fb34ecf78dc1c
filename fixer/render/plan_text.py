"""Console text of repairs: the offer below a diagnosis, and the plan before any prompt."""

from __future__ import annotations

from fixer.model.report import FindingReport, NeedReport, RepairReport
from fixer.render.terminal_text import PLAIN, WIDTH, Style, clean, clean_lines, count_columns, pad, wrap

SHOWN_DIFF = 14  # changed lines below a diagnosis; a plan shows all


def repair_lines(finding: FindingReport, target: str, style: Style, *, verbose: bool) -> list[str]:
    """Return the first repair of a finding with its change, the others by name."""
    if not finding.repairs:
        return ["", "  fixer knows no repair for this. Use the evidence above to repair it by hand."]
    first, *others = finding.repairs
    lines = ["", *_offer_lines(first, target, style)]
    lines += _change_lines(first.diff, style, limit=None if verbose else SHOWN_DIFF)
    for other in others:
        lines += _wrapped_lines(f"Or, {other.risk}: {clean(other.summary)} (--only {clean(other.id)})", 2)
    return lines


def _offer_lines(repair: RepairReport, target: str, style: Style) -> list[str]:
    if repair.waits:
        return _wrapped_lines(f"Repair: {clean(repair.summary)}", 2)
    if repair.risk == "manual":
        lines = _wrapped_lines(f"Repair, by hand: {clean(repair.summary)}", 2)
        return [*lines, *(line for step in repair.steps for line in _paragraph_lines(step))]
    label, command = f"  Repair, {repair.risk}: {clean(repair.summary)}", _command_text(repair, target)
    needs = [line for need in repair.needs for line in need_lines(need)]
    if count_columns(label) + 2 + count_columns(command) <= WIDTH:
        return [f"{pad(label, WIDTH - count_columns(command))}{style.paint(command, 'cyan')}", *needs]
    return [*_wrapped_lines(label.strip(), 2), *needs, *(style.paint(line, "cyan") for line in _command_lines(command))]


def _command_lines(command: str) -> list[str]:
    """Return a command, continued after a backslash if it is too long: it can be copied as is."""
    first, *rest = wrap(command, WIDTH - 10)
    lines = [f"    {first}", *(f"      {line}" for line in rest)]
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]


def _command_text(repair: RepairReport, target: str) -> str:
    words = ["sudo fixer repair"] if target == "local" else ["fixer repair", clean(target)]
    if repair.risk == "disruptive":
        words.append("--max-risk disruptive")
    words += [f"--set {clean(need.key)}=VALUE" for need in repair.needs if need.default is None]
    return " ".join(words)


def need_lines(need: NeedReport) -> list[str]:
    """Return what an operator has to give, and why."""
    text = f"needs {clean(need.key)}: {clean(need.why)}"
    if need.choices:
        text += f" (one of {', '.join(clean(choice) for choice in need.choices)})"
    if need.default is not None:
        text += f" (default {clean(need.default)})"
    return _wrapped_lines(text, 4)


def _change_lines(diff: str, style: Style, limit: int | None) -> list[str]:
    """Return the changed lines of a diff, with the name of each file; their context is in the plan."""
    raw = [line for line in clean_lines(diff.rstrip("\n")) if line.startswith(("+", "-"))]
    kept = [line for line, after in zip(raw, [*raw[1:], ""], strict=False)
            if not (line.startswith("--- ") and after.startswith("+++ ") and after != "+++ /dev/null")]
    shown = kept if limit is None else kept[:limit]
    lines = [_diff_line(line, style) for line in shown]
    if len(kept) > len(shown):
        lines.append(f"    and {len(kept) - len(shown)} more lines (--verbose)")
    return lines


def diff_lines(diff: str, style: Style) -> list[str]:
    """Return a unified diff, never truncated: it is the exact change."""
    return [_diff_line(line, style) for line in clean_lines(diff.rstrip("\n"))] if diff else []


def _diff_line(line: str, style: Style) -> str:
    text = f"    {line}".rstrip()
    if line.startswith(("--- ", "+++ ", "@@")):
        return style.paint(text, "dim")
    if line.startswith("+"):
        return style.paint(text, "green")
    return style.paint(text, "red") if line.startswith("-") else text


def plan_lines(cause: str, repair: RepairReport, style: Style = PLAIN, warnings: tuple[str, ...] = ()) -> list[str]:
    """Return the plan of one round: purpose and risk, warnings, every step in order, the exact change."""
    title, *more = wrap(f"Plan: {clean(repair.summary)}", WIDTH - 2)
    lines = [style.paint(title, "bold"), *(f"  {style.paint(line, 'bold')}" for line in more)]
    lines.append(f"  for {clean(cause)}, {repair.risk}")
    for warning in warnings:
        first, *rest = wrap(clean(warning), WIDTH - 4)
        lines += [style.paint(f"  {first}", "yellow"), *(style.paint(f"    {line}", "yellow") for line in rest)]
    for number, step in enumerate(repair.steps, 1):
        first, *rest = wrap(clean(step), WIDTH - 6)
        lines += [f"  {number}. {first}", *(f"     {line}" for line in rest)]
    return [*lines, *diff_lines(repair.diff, style)]


def _paragraph_lines(text: str) -> list[str]:
    return [line for part in text.split("\n") for line in _wrapped_lines(clean(part), 4)]


def _wrapped_lines(text: str, indent: int) -> list[str]:
    first, *rest = wrap(text, WIDTH - indent - 2)
    return [" " * indent + first, *(" " * (indent + 2) + line for line in rest)]
