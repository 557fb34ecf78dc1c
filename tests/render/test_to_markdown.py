"""Tests of fixer/render/to_markdown.py."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fixer.render.to_html import render as html
from fixer.render.to_markdown import code_span
from fixer.render.to_markdown import render as markdown
from tests.render import report_samples as s


def test_markdown_holds_hostile_text_in_code() -> None:
    page = markdown(s.hostile_report())
    assert all(char == "\n" or char.isprintable() for char in page)
    in_fence = False
    for line in page.splitlines():
        if re.match(r"`{3,}", line) and (line.endswith("diff") or set(line) == {"`"}):
            in_fence = not in_fence
        elif not in_fence:
            assert "<script>" not in re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", line)


@pytest.mark.parametrize("report", [s.BROKEN, s.CHAIN, s.HEALTHY, s.UNKNOWN])
def test_markdown_has_a_heading_and_every_finding(report: object) -> None:
    page = markdown(report)  # type: ignore[arg-type]
    assert page.startswith("# `")
    assert page.count("\n## ") == len(report.findings)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("text", "span"), [("a", "`a`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("", "`  `")])
def test_a_code_span_holds_any_text(text: str, span: str) -> None:
    assert code_span(text) == span


def test_a_route_that_was_not_asked_says_so() -> None:
    page = markdown(replace(s.BROKEN, routes=(replace(s.API, probe=None, reason=""), replace(s.API, reason=""))))
    assert "`not probed`" in page and "`502`" in page
    assert "not probed" in html(replace(s.BROKEN, routes=(replace(s.API, probe=None, reason=""),)))


def test_a_missing_fact_stands_once_with_the_causes_that_wait_for_it() -> None:
    page = markdown(s.WORDY)
    assert ("\nUndetermined, not known: `which service belongs behind 127.0.0.1:8001` "
            "(crash-code-error, crash-killed, crash-oom, unit-misconfigured).\n") in page
    assert page.count("which service belongs") == 1 and "no missing fact is named (backend-hung)" in page
