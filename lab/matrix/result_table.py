"""The result table of a run: for a job's summary and docs/results.md."""

from __future__ import annotations

from collections.abc import Sequence

from lab.trial.trial import Case, CaseResult

# column, its steps: all tried and right, something wrong, or not part of this case
COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("breaks", ("up",)),
    ("cause", ("diagnose",)),
    ("only what is safe", ("plain", "without input", "nothing to do")),
    ("repaired", ("repair", "well", "by hand", "after it")),
    ("after restart", ("restart",)),
    ("twice", ("again",)),
    ("undone", ("undo", "broken again")),
    ("restarts in vain", ("restart everything",)),
)

REPAIRED_COLUMN = [name for name, _ in COLUMNS].index("repaired")


def to_markdown(results: Sequence[CaseResult], untried: Sequence[Case] = (), about: Sequence[str] = ()) -> str:
    """Return totals, the table, and every failure with its reproduction command; `about` states the origin."""
    bad = [result for result in results if not result.ok]
    lines = ["# Results", "", *about, *([""] if about else []), *_totals(results, untried), ""]
    if bad:
        lines += ["## Not as expected", ""]
        for result in bad:
            lines += [f"- **{result.case.name}**: `{result.case.up_command}`",
                      *(f"  - {_escape_markdown(problem)}" for problem in result.problems)]
        lines += [""]
    if untried:
        lines += ["## Not tried", "", *(f"- {case.name}" for case in untried), ""]
    heads = ["scenario", "variant", "stack", "seed", "noise", *(name for name, _ in COLUMNS), "seconds"]
    lines += ["## All", "", _row(heads), _row(["---"] * (len(heads) - 1) + ["---:"])]
    lines += [_row(_cells(result)) for result in sorted(results, key=lambda result: _sort_key(result.case))]
    return "\n".join(lines)


def _totals(results: Sequence[CaseResult], untried: Sequence[Case]) -> list[str]:
    """Return the key figures: right causes and lasting repairs out of all, and harm."""
    def right(result: CaseResult, *steps: str) -> bool:
        tried = [step for step in result.steps if step.name in steps]
        return {step.name for step in tried} == set(steps) and not any(step.problems for step in tried)

    def share(wanted: str, *steps: str) -> str:
        those = [result for result in results if result.wanted in (wanted or result.wanted)]
        return f"{sum(right(result, *steps) for result in those)} of {len(those)}"

    lines = [
        f"{sum(result.ok for result in results)} of {len(results)} cases went as expected"
        + (f"; {len(untried)} were not tried" if untried else "") + ".",
        "",
        f"- The right cause first, with real evidence: {share('', 'diagnose')}.",
        f"- Repaired, and still well after a restart: {share('repair', 'repair', 'well', 'restart')}.",
        f"- Undone, every file byte for byte, and broken as before: {share('repair', 'undo', 'broken again')}.",
    ]
    vain = [result for result in results if any(step.name == "restart everything" for step in result.steps)]
    if vain:
        good = sum(right(result, "restart everything") for result in vain)
        lines.append("- A restart of everything does not cure it, or only until the next boot: "
                     f"{good} of {len(vain)} cases (without those that a restart cures by design).")
    if any(result.wanted == "person" for result in results):
        lines.append("- Wait for an operator, with the missing input named and nothing changed: "
                     f"{share('person', 'repair')}.")
    mended = [result for result in results if _is_repaired_by_hand(result)]
    if mended:
        good = sum(right(result, "by hand", "after it", "restart", "again") for result in mended)
        lines.append("- Repaired by hand where fixer had named it, then well by the next repair or without one, and "
                     f"after a restart: {good} of {len(mended)}.")
    if any(result.wanted == "patience" for result in results):
        lines.append(f"- Heal without a repair; fixer waits, changes nothing: {share('patience', 'repair', 'well')}.")
    if any(result.wanted == "advice" for result in results):
        lines.append(f"- Over, or not repairable on the host; fixer gives advice and changes nothing:"
                     f" {share('advice', 'nothing to do')}.")
    if any(result.wanted == "nothing" for result in results):
        lines.append(f"- Healthy; fixer changes nothing: {share('nothing', 'nothing to do')}.")
    return lines


def _cells(result: CaseResult) -> list[str]:
    case = result.case
    marks = [_mark(result, steps) for _, steps in COLUMNS]
    if result.wanted == "person" and marks[REPAIRED_COLUMN] == "✔":
        # it stopped as it should; a person then did what it had named, as far as the scenario describes it
        marks[REPAIRED_COLUMN] = "by hand" if _is_repaired_by_hand(result) else "waits"
    where = case.stack + (", inside" if case.inside else "")
    return [case.scenario, case.variant, where, str(case.seed), str(case.noise), *marks, f"{result.seconds:.0f}"]


def _is_repaired_by_hand(result: CaseResult) -> bool:
    return any(step.name == "by hand" for step in result.steps)


def _mark(result: CaseResult, steps: Sequence[str]) -> str:
    tried = [step for step in result.steps if step.name in steps]
    if not tried:
        return ""
    return "✘" if any(step.problems for step in tried) else "✔"


def _sort_key(case: Case) -> tuple[str, str, str, int, int, bool]:
    return case.scenario, case.variant, case.stack, case.seed, case.noise, case.inside


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _escape_markdown(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())[:500]
