"""Tests of lab/matrix/result_table.py."""

from __future__ import annotations

from lab.matrix.result_table import to_markdown
from lab.trial.trial import Case, CaseResult, TrialStep
from tests.lab.matrix.select_cases_builders import BAD, GOOD, WELL


def test_markdown_counts_what_was_wanted() -> None:
    well = CaseResult(WELL, [TrialStep("up"), TrialStep("diagnose"), TrialStep("nothing to do", 1.0, ["changed: /etc/x"])], wanted="nothing")
    manual = CaseResult(Case("nginx-config-invalid", "nginx-config-invalid", "host", 1),
                    [TrialStep("up"), TrialStep("diagnose"), TrialStep("repair")], wanted="person")
    told = CaseResult(Case("disk-full", "log-disk-full", "host", 1), [TrialStep("up"), TrialStep("diagnose"), TrialStep("nothing to do")], wanted="advice")
    text = to_markdown([GOOD, BAD, well, manual, told], [Case("x", "y", "host", 1)], ["Where from."])
    assert text.splitlines()[2] == "Where from."
    assert "3 of 5 cases went as expected; 1 were not tried" in text
    assert "right cause first, with real evidence: 4 of 5" in text
    assert "still well after a restart: 1 of 2" in text
    assert "Healthy; fixer changes nothing: 0 of 1" in text and "fixer gives advice and changes nothing: 1 of 1" in text
    waiting = next(line for line in text.splitlines() if line.startswith("| nginx-config-invalid"))
    assert waiting.split(" | ")[8] == "waits", "what nobody repaired is not called repaired"
    assert "Repaired by hand" not in text and "nothing changed: 1 of 1" in text
    row = next(line for line in text.splitlines() if line.startswith("| overload"))
    assert row.split(" | ")[5:7] == ["✔", "✘"]
    assert r"a\|b/&lt;c>" in text
    mended = CaseResult(manual.case, [*manual.steps, *(TrialStep(name) for name in ("by hand", "after it", "restart", "again"))], wanted="person")
    text = to_markdown([mended])
    assert next(line for line in text.splitlines() if line.startswith("| nginx-config-invalid")).split(" | ")[8] == "by hand"
    assert "and after a restart: 1 of 1" in text
    mended.steps[4].problems.append("exit 4, expected 0")
    assert "✘" in to_markdown([mended]) and "after a restart: 0 of 1" in to_markdown([mended])


def test_markdown_counts_what_restarting_everything_does_not_cure() -> None:
    assert "A restart of everything" not in to_markdown([GOOD])
    tried = CaseResult(GOOD.case, [*GOOD.steps, TrialStep("restart everything")])
    text = to_markdown([tried, GOOD])
    assert "or only until the next boot: 1 of 1 cases" in text and "| restarts in vain |" in text
    tried.steps[-1].problems.append("a restart of everything cures it")
    assert "or only until the next boot: 0 of 1 cases" in to_markdown([tried])
