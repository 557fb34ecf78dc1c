"""A report in Traditional Chinese: headings, verdicts and titles; evidence and names as they are; JSON in English."""

# ruff: noqa: RUF001  Chinese has punctuation of its own

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.languages.catalogue import Catalogue
from fixer.model.diagnosis import UNEXPLAINED
from fixer.model.report import NeedReport
from fixer.render import to_console, to_json
from fixer.render.outcome_text import repair_text, undo_text, verify_text
from fixer.render.plan_text import plan_lines, summary_text
from fixer.render.terminal_text import PLAIN, Style, count_columns
from fixer.render.translated_titles import UNEXPLAINED_TITLE, finding_title, repair_title
from tests.render.report_samples import (
    BROKEN,
    CHAIN,
    HEALTHY,
    POINT,
    REPAIRED,
    UNDONE_IN_PART,
    UNKNOWN,
    VERIFIED,
    WAITS_FOR_OPERATOR,
    WRONG_PORT,
    hostile_report,
)

ZH = Style(symbols=True, width=80, catalogue=Catalogue("fixer.languages", "zh-TW"))


def test_a_finding_has_the_title_of_its_variant_before_its_own_sentence() -> None:
    text = to_console.render(BROKEN, ZH)
    assert WRONG_PORT.summary.split()[0] in text and "已排除" in text and "修復方式" in text
    assert finding_title(WRONG_PORT, ZH) in text.replace("\n  ", "")
    assert finding_title(WRONG_PORT, PLAIN) == "" == repair_title("point-route-at-listener", PLAIN)


def test_a_cause_and_a_repair_that_no_catalogue_knows_have_no_title() -> None:
    assert finding_title(replace(WRONG_PORT, cause="of-another-package", variant=None), ZH) == ""
    assert repair_title("of-another-package", ZH) == ""


def test_a_failure_that_no_cause_explains_has_a_title() -> None:
    unexplained = replace(WRONG_PORT, cause=UNEXPLAINED, variant=None)
    assert finding_title(unexplained, ZH) == ZH.title("causes/unexplained", UNEXPLAINED_TITLE) != ""
    assert finding_title(unexplained, PLAIN) == ""


def test_a_repair_that_is_named_by_the_variable_that_it_sets_has_a_title() -> None:
    named = replace(POINT, id="set-db-host", needs=(NeedReport("DB_HOST", "value", "db answers elsewhere", (), None),))
    title = ZH.title("repairs/set-VARIABLE", "set VARIABLE")
    assert title and title in summary_text(named, ZH)
    assert title not in summary_text(replace(named, needs=()), ZH)
    assert title not in summary_text(replace(named, id="set-variable"), ZH)
    assert summary_text(named, PLAIN) == POINT.summary


def test_a_variant_without_a_title_has_its_causes() -> None:
    assert finding_title(replace(WRONG_PORT, variant="of-no-page"), ZH) == ZH.catalogue.text(  # type: ignore[union-attr]
        "causes/wrong-port", "nginx hands requests to a port where the backend does not listen")


@pytest.mark.parametrize("width", [40, 62, 80, 120])
def test_no_line_is_wider_than_the_output_but_for_a_word_or_a_command_that_is(width: int) -> None:
    style = replace(ZH, width=width)
    pages = [to_console.render(report, style) for report in (BROKEN, CHAIN, HEALTHY, UNKNOWN)]
    pages += [repair_text(REPAIRED, style), repair_text(WAITS_FOR_OPERATOR, style), undo_text(UNDONE_IN_PART, style),
              verify_text(VERIFIED, style), "\n".join(plan_lines("wrong-port", POINT, style))]
    for line in "\n".join(pages).splitlines():
        assert count_columns(line) <= width or line.isascii() or len(line.split()) <= 2, line


def test_what_the_target_says_is_as_safe_as_in_english() -> None:
    assert not {c for c in to_console.render(hostile_report(), ZH) if not (c.isprintable() or c == "\n")}


def test_json_stays_english() -> None:
    assert to_json.render(BROKEN).isascii() or "修復" not in to_json.render(BROKEN)


def test_the_verdict_of_a_route_is_translated_and_its_reason_stays() -> None:
    first = to_console.render(BROKEN, replace(ZH, width=120)).splitlines()[0]
    assert "回應 502（answers 502 (3 of 3 requests)）" in first.replace("\n", "")
    partly = replace(BROKEN, routes=(replace(BROKEN.routes[0], state="degraded"),), verdict="degraded")
    assert "有部分請求失敗" in to_console.render(partly, replace(ZH, width=120)).splitlines()[0]
