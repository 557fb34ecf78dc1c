"""Under load: one worker fails, enough workers pass, and what only looks like capacity is told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.oracle import Baseline, LoadSpec, ask, record
from lab.oracle.load_test import judge_load, percentile95
from tests.lab.oracle.back_office import OfficeRequest, OneAtATime, Reply, Trick, html_reply, json_reply, serve_office

pytestmark = pytest.mark.slow

SPEC = LoadSpec(limit=0.25, work=0.06, requests=40, at_once=12)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    with serve_office() as site:
        return record(site)


def under(trick: Trick, baseline: Baseline, spec: LoadSpec = SPEC) -> str:
    with serve_office(trick) as site:
        verdict = ask([(site, baseline)], spec)
    return "\n".join(verdict.failing)


def test_enough_workers_are_well(baseline: Baseline) -> None:
    roomy = replace(SPEC, limit=5.0)       # a busy machine must not make it fail
    assert under(OneAtATime(0.06, 5.0, workers=12), baseline, roomy) == ""


def test_one_worker_fails(baseline: Baseline) -> None:
    spec = LoadSpec(limit=1.0, work=0.8, requests=20, at_once=12)   # on a busy machine its 504 must come before our limit
    said = under(OneAtATime(0.8, 1.0), baseline, spec)
    assert "reports under load" in said
    assert "HTTP 504" in said


def test_a_longer_timeout_is_no_repair(baseline: Baseline) -> None:
    assert "reports in time: 95th percentile" in under(OneAtATime(0.1, 60.0), baseline)


def test_shed_load_is_no_repair(baseline: Baseline) -> None:
    calls = iter(range(1000))

    def shed(a: OfficeRequest) -> Reply | None:
        return html_reply("busy", 503) if a.path == "/api/report" and a.session and next(calls) % 4 == 3 else None

    assert "reports under load" in under(shed, baseline)


def test_a_cache_is_no_repair(baseline: Baseline) -> None:
    kept = json_reply({"rows": [1, 2, 3], "receipt": "kept"})
    assert "wrong receipt" in under(lambda a: kept if a.path == "/api/report" else None, baseline)


def test_work_left_out_is_no_repair(baseline: Baseline) -> None:
    assert "reports do their work" in under(lambda a: None, baseline)


def test_a_short_burst_tells_one_worker_from_enough(baseline: Baseline) -> None:
    short = replace(SPEC, work=0.2).short_burst()
    assert "reports under load" in under(OneAtATime(0.2, 0.25), baseline, short)
    with serve_office(OneAtATime(0.06, 5.0, workers=12)) as site:
        measured = ask([(site, baseline)], replace(SPEC, limit=5.0).short_burst()).load
    assert measured is not None and (measured.asked, measured.failed, measured.short_of) == (12, 0, 40)


def test_one_failure_of_fifty_is_too_many() -> None:
    _, checks = judge_load([0.1] * 50, ["HTTP 504"], LoadSpec(limit=1, work=0.1))
    assert [check.name for check in checks if not check.ok] == ["reports under load"]


@pytest.mark.slow
@pytest.mark.parametrize(("bad", "said"), [((7,), ""), ((7, 60), "2 of 80 failed"), ((7, 9), "2 of 40 failed")])
def test_one_failure_is_looked_into_with_more_requests(bad: tuple[int, ...], said: str,
                                                                baseline: Baseline) -> None:
    """One in a hundred is well and one in fifty is not, which the first forty cannot tell."""
    calls = iter(range(1, 1000))
    works = OneAtATime(0.06, 5.0, workers=12)

    def sometimes(a: OfficeRequest) -> Reply | None:
        slow = a.path == "/api/report" and a.session and next(calls) in bad
        return html_reply("no", 504) if slow else works(a)

    spec = LoadSpec(limit=5.0, work=0.06, requests=40, at_once=4)
    found = under(sometimes, baseline, spec)
    assert said in found and bool(said) is bool(found)


def test_percentile() -> None:
    assert percentile95([float(n) for n in range(1, 101)]) == 95.0
    assert percentile95([]) == 0.0
