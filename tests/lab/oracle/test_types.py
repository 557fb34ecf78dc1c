"""What the oracle remembers and says: baselines survive JSON, and a verdict without a question is no good one."""

from __future__ import annotations

import json

import pytest

from lab.oracle.types import Answer, Baseline, Check, LoadResult, Site, Verdict, baseline_from_json, baseline_to_json

GOOD, BAD = Check("login page", True), Check("report", False, "HTTP 502 instead of 200")


@pytest.mark.parametrize(("checks", "well"), [((GOOD,), True), ((GOOD, BAD), False), ((), False)])
def test_a_site_is_well_where_something_was_asked_and_nothing_fails(checks: tuple[Check, ...], well: bool) -> None:
    assert Verdict(checks).is_well is well and bool(Verdict(checks)) is well


def test_what_fails_is_one_line_each() -> None:
    assert Verdict((BAD, GOOD, BAD)).failing == ("report: HTTP 502 instead of 200",) * 2


@pytest.mark.parametrize(("asked", "failed", "share"), [(10, 0, 0.0), (8, 2, 0.25), (0, 0, 1.0)])
def test_the_share_that_failed_is_all_where_nothing_was_asked(asked: int, failed: int, share: float) -> None:
    assert LoadResult(asked, failed, 0.5, 0.1).share == share


def test_a_short_burst_says_that_it_is_one() -> None:
    assert LoadResult(50, 0, 1.0, 0.5).text == "under load: 0 of 50 failed, 95th percentile 1.00 s"
    assert LoadResult(12, 0, 1.0, 0.5, 50).text.endswith(" 1.00 s (short burst; the full proof sends 50 requests)")


def test_the_document_of_a_verdict_is_rounded() -> None:
    shown = Verdict((GOOD, BAD), LoadResult(3, 1, 1.23456, 0.00049)).to_json()
    assert shown["well"] is False and shown["failing"] == ["report: HTTP 502 instead of 200"]
    assert shown["load"] == {"asked": 3, "failed": 1, "share": 0.333, "p95": 1.235, "fastest": 0.0}
    assert shown["load"] | {"short_burst": True} == Verdict((GOOD,), LoadResult(3, 1, 1.23456, 0.00049, 50)).to_json()["load"]
    assert Verdict((GOOD,)).to_json() == {
        "well": True, "failing": [], "checks": [{"name": "login page", "ok": True, "detail": ""}], "load": None}


def test_a_baseline_is_the_same_after_json() -> None:
    baseline = Baseline({"/": Answer(200, "é", "text/html"), "/x": Answer(303, location="/login")}, {"session": "ann.1"})
    assert baseline_from_json(json.loads(json.dumps(baseline_to_json(baseline)))) == baseline


@pytest.mark.parametrize(("answer", "summary"), [(Answer(502), "HTTP 502"), (Answer(0, error="no answer in 10 s"), "no answer in 10 s")])
def test_an_answer_in_a_word(answer: Answer, summary: str) -> None:
    assert answer.summary == summary


def test_a_site_without_a_name_is_called_so() -> None:
    assert (Site("http://127.0.0.1:1").name, Site("http://127.0.0.1:1", "shop.example").name) == ("site", "shop.example")
