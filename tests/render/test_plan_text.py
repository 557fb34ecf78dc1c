"""Tests of fixer/render/plan_text.py."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.render import to_console, to_html, to_json, to_markdown
from fixer.render.plan_text import MECHANISM_TEXT, diff_lines, plan_lines
from fixer.render.terminal_text import PLAIN, Style, count_columns
from tests.render import report_samples as s


def test_a_diff_is_never_cut() -> None:
    line = "+" + "x" * 300
    assert diff_lines(line + "\n", PLAIN) == [f"    {line}"]
    assert diff_lines("", PLAIN) == []


def test_a_long_line_of_a_diff_goes_on_below_and_no_word_is_broken() -> None:
    line = "-    server { listen 80;  location / { proxy_pass http://127.0.0.1:8001; } }"
    assert diff_lines(line, Style(width=40)) == [
        "    -    server { listen 80;  location",
        "    |  / { proxy_pass",
        "    |  http://127.0.0.1:8001; } }",
    ]


@given(st.text(" ab;+-", max_size=200), st.integers(40, 120))
def test_a_diff_keeps_every_character(text: str, width: int) -> None:
    line = f"+{text}"
    parts = [part[4:] for part in diff_lines(line, Style(width=width))]
    assert (parts[0] + "".join(part[2:] for part in parts[1:])).rstrip() == line.rstrip()
    assert all(count_columns(part) <= width - 4 or " " not in part.strip("+-| ") for part in parts)


BY_MECHANISM = replace(s.MOVE, proof="mechanism")


@pytest.mark.parametrize(("change", "said"), [
    ({}, True), ({"proof": "answers"}, False), ({"risk": "manual"}, False), ({"waits": True}, False),
])
def test_a_repair_that_its_mechanism_proves_says_so_in_every_output(change: dict[str, Any], said: bool) -> None:
    repair = replace(BY_MECHANISM, **change)
    report = replace(s.BROKEN, findings=(replace(s.WRONG_PORT, repairs=(repair,)),))
    for page in (to_console.render(report, PLAIN), to_markdown.render(report), to_html.render(report)):
        assert (MECHANISM_TEXT in " ".join(page.split())) is said
    value = to_json.to_value(report)["findings"]
    assert isinstance(value, list) and isinstance(value[0], dict) and repair.proof in str(value[0]["repairs"])


@pytest.mark.parametrize(("step", "times"), [("let deploy access /srv/a", 1), ("let deploy access /srv/a (chown)", 2)])
def test_what_a_person_has_to_do_is_printed_once(step: str, times: int) -> None:
    repair = replace(s.MOVE, risk="manual", summary="let deploy access /srv/a", steps=(step,), diff="", needs=())
    report = replace(s.BROKEN, findings=(replace(s.WRONG_PORT, repairs=(repair,)),))
    offered = to_html.render(report).partition("<h3>")[2]      # its first lines name each repair as well
    for page in (to_console.render(report, PLAIN), to_markdown.render(report), offered):
        plain = " ".join(re.sub(r"<wbr>|<span[^>]*>|</span>", "", page).split())
        assert plain.count("let deploy access /srv/a") == times


def test_a_plan_says_how_it_will_be_proven_before_its_steps() -> None:
    lines = plan_lines("header-too-big", BY_MECHANISM)
    assert lines[1] == "  for header-too-big, disruptive" and lines[2].startswith("    Proof: mechanism.")
    assert not any("Proof" in line for line in plan_lines("header-too-big", s.MOVE))


def test_what_has_no_repair_is_said_once() -> None:
    """Two failures without a cause, as whoever is not root sees them, and one beside a repair."""
    without, other = replace(s.WRONG_PORT, repairs=()), replace(s.WRONG_PORT, cause="slow-start", repairs=())
    for findings, said in (((without, without), "fixer knows no repair for this."),
                           ((without, other), "fixer knows no repair for this."),
                           ((s.WRONG_PORT, other, other), "fixer knows no repair for slow-start.")):
        text = to_console.render(replace(s.BROKEN, findings=findings), PLAIN)
        assert text.count("knows no repair") == text.count(said) == 1
    assert "knows no repair" not in to_console.render(replace(s.BROKEN, findings=(s.WRONG_PORT,)), PLAIN)
