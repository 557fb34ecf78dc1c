"""Tests of lab/bench/score_table.py."""

from __future__ import annotations

import re

from lab.bench.score import Score
from lab.bench.score_table import score_line, score_table
from lab.trial.trial import Case

CASE = Case("wrong-port", "wrong-port", "host", 3)


def test_the_table_has_a_row_for_each_solver() -> None:
    scores = [
        Score("fixer", CASE, False, True, True, True, [], True, 2.0), Score("fixer", CASE, False, False, None, None, [], True, 4.0),
        Score("nothing", CASE, True, None, False, None, ["page a: HTTP 404"], False, 0.0),
        Score("x" * 50, CASE, error="did not come up"),
    ]
    rows = [re.split(r"\s{2,}", line.strip()) for line in score_table(scores).splitlines()]
    assert rows[1] == ["fixer", "2", "1 of 2", "1 of 1", "1 of 1", "0", "2 of 2", "3.0"]
    assert rows[2] == ["nothing", "1", "-", "0 of 1", "-", "1", "0 of 1", "0.0"]
    assert rows[3] == ["x" * 37 + "...", "1", "-", "-", "-", "0", "0 of 1", "-"]
    assert [score_line(score) for score in scores] == [
        "✔ 2.0 s, cause right, repaired", "✔ 4.0 s, cause not named", "✘ 0.0 s, not repaired, page a: HTTP 404",
        "could not be scored: did not come up",
    ]
