"""How one answer is compared with the healthy one, and what proves that an application computed a report."""

from __future__ import annotations

import json

import pytest

from lab.oracle.browser import Browser
from lab.oracle.checks import ask_report, check_access_control, check_answer, difference_text, split_receipt
from lab.oracle.types import Answer, Baseline
from tests.lab.oracle.back_office import OfficeRequest, Reply, json_reply, serve_office

HEALTHY = Answer(200, "page", "text/html")


@pytest.mark.parametrize(("answer", "healthy", "said"), [
    (HEALTHY, HEALTHY, ""), (HEALTHY, None, "the healthy answer is unknown"), (Answer(502), HEALTHY, "HTTP 502 instead of 200"),
    (Answer(0, error="no answer in 10 s"), HEALTHY, "no answer in 10 s instead of 200"),
    (Answer(200, "page", "text/plain"), HEALTHY, "text/plain instead of text/html"),
    (Answer(200, "page"), HEALTHY, "no content type instead of text/html"),
    (Answer(303, location="/elsewhere"), Answer(303, location="/login"), "no content type /elsewhere instead of /login"),
    (Answer(200, "sorry", "text/html"), HEALTHY, "the page differs from the healthy one"),
])
def test_why_an_answer_is_not_the_healthy_one(answer: Answer, healthy: Answer | None, said: str) -> None:
    assert difference_text(answer, healthy) == said


def test_a_check_compares_with_the_answer_of_its_own_path() -> None:
    baseline = Baseline({"/login": HEALTHY, "/other": Answer(404)})
    assert check_answer("login page", HEALTHY, baseline, "/login").ok
    assert not check_answer("login page", HEALTHY, baseline, "/other").ok
    assert check_answer("login page", HEALTHY, baseline, "/new").detail == "the healthy answer is unknown"


def test_a_report_is_compared_without_its_receipt() -> None:
    first, receipt = split_receipt(Answer(200, '{"rows": [1], "receipt": "a1"}'))
    second, _ = split_receipt(Answer(200, '{"receipt": "b2", "rows": [1]}'))
    assert (first, receipt) == (second, "a1") and json.loads(first.text) == {"rows": [1]}


@pytest.mark.parametrize("text", ["<h1>502</h1>", "", '"text"', "7"])
def test_what_is_no_report_has_no_receipt(text: str) -> None:
    answer = Answer(200, text)
    assert split_receipt(answer) == (answer, "")


@pytest.mark.parametrize(("receipt", "proven"), [(None, True), ("0" * 64, False)])
def test_only_the_receipt_of_this_nonce_proves_the_application(receipt: str | None, proven: bool) -> None:
    def trick(ask: OfficeRequest) -> Reply | None:
        return json_reply({"rows": [1, 2, 3], "receipt": receipt}) if receipt and ask.path == "/api/report" else None

    with serve_office(trick) as site:
        browser = Browser(site)
        browser.log_in()
        answer, found = ask_report(browser)
    assert (answer.status, found, json.loads(answer.text)) == (200, proven, {"rows": [1, 2, 3]})


def test_a_page_that_lets_everybody_in_fails_each_question_of_access() -> None:
    with serve_office() as site:
        stranger = Browser(site).get(site.protected)
        baseline = Baseline({f"stranger {site.protected}": stranger})
        assert all(check.ok for check in check_access_control(site, baseline))
    with serve_office(lambda ask: json_reply({"user": "ann"})) as site:
        assert [check.ok for check in check_access_control(site, baseline)] == [False, False, False]
