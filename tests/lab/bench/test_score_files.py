"""Tests of lab/bench/score_files.py."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from lab.bench.score import Score
from lab.bench.score_files import score_from_json, score_to_json, to_json, to_junit, to_markdown
from lab.trial.trial import Case

CASE = Case("wrong-port", "wrong-port", "host", 3)
SCORES = [
    Score("fixer", CASE, False, True, True, True, [], True, 2.0),
    Score("mine", CASE, False, False, False, None, ["page a: <|HTTP 404\x1b"], False, 4.0),
    Score("nothing", CASE, True, None, False, None, [], False, 0.0),
    Score("other", CASE, error="did not come up"),
]


def test_a_score_is_read_back_as_it_was() -> None:
    assert [score_from_json(json.loads(json.dumps(score_to_json(score)))) for score in SCORES] == SCORES
    document = json.loads(to_json(SCORES))
    assert [entry["solved"] for entry in document["solvers"]] == [1, 0, 0, 0] and document["scores"][1]["harm"]


def test_junit_counts_no_yardstick_as_a_failure() -> None:
    suite = ElementTree.fromstring(to_junit(SCORES))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "2", "1")
    failed = [case.get("classname") for case in suite if case.find("failure") is not None]
    assert failed == ["mine", "other"]
    message = suite[1].find("failure").text  # type: ignore[union-attr]
    assert "page a: <|HTTP 404?" in message and "lab up wrong-port/wrong-port" in message


def test_markdown_names_what_each_did_not_solve() -> None:
    text = to_markdown(SCORES)
    assert "| fixer | 1 | 1 of 1 | 1 of 1 | 1 of 1 | 0 | 1 of 1 | 2.0 |" in text
    assert "## Not solved by mine" in text and "## Not solved by fixer" not in text
    assert "page a: &lt;\\|HTTP 404" in text
