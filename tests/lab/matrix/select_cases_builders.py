"""What the tests of lab/matrix/select_cases.py and others are built of."""

from __future__ import annotations

from lab.trial.trial import Case, CaseResult, TrialStep

WELL = Case("healthy", "healthy", "host", 1)
PORT = Case("wrong-port", "wrong-port", "host", 1)
LOAD = Case("overload-saturated", "single-worker-overload", "host", 1)
GOOD = CaseResult(PORT, [TrialStep(name, 1.0) for name in ("up", "diagnose", "repair", "well", "restart", "again", "undo",
                                                  "broken again", "down")], code_digest="abc")
BAD = CaseResult(LOAD, [TrialStep("up", 2.0), TrialStep("diagnose", 1.0, ["found a|b/<c>, \x1b expected d"])], failure_folder="/kept/here")
