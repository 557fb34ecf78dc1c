"""Tests of lab/course/score_list.py."""

from __future__ import annotations

import json

import pytest

from fixer.languages.choose_language import VARIABLE
from fixer.render.terminal_text import count_columns
from lab.course.score_list import scores_json, scores_text
from tests.lab.course.course_builders import attempt

ALL = [attempt(), attempt(2, person="Ben", cause="backend-down", cause_right=False, points=54), attempt(3, ended=0.0, seed=77, cause_right=False, fixed=False, points=0)]


def test_the_table_has_a_row_for_each_attempt_and_each_person() -> None:
    lines = scores_text(ALL).splitlines()
    assert len(lines) == 8 and "(runs)" in lines[3]
    assert "wrong-port/wrong-port  well    right" in lines[1] and "5:00" in lines[1] and lines[1].endswith("90")
    assert "well    backend-down" in lines[2]
    assert [line.split() for line in lines[6:]] == [["Ada", "2", "1", "90"], ["Ben", "1", "0", "54"]]
    assert scores_text([]) == "nobody has tried yet; begin: lab play"


def test_a_lesson_that_runs_keeps_its_fault_to_itself() -> None:
    found = json.loads(scores_json(ALL))
    assert found["attempts"][2]["scenario"] is None and found["attempts"][2]["seed"] is None
    assert found["attempts"][0]["scenario"] == "wrong-port" and found["people"][0]["points"] == 90


def test_a_chinese_name_keeps_the_columns() -> None:
    head, *rows = scores_text([attempt(person="\u738b\u5c0f\u660e"), attempt(2, person="Ben")]).splitlines()[:3]
    assert {count_columns(row[:row.index("wrong-port")]) for row in rows} == {head.index("FAULT")}


def test_the_table_is_in_the_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "zh-TW")
    text = scores_text(ALL)
    assert "\u539f\u56e0" in text and "\u9032\u884c\u4e2d" in text
    assert [word for word in ("PERSON", "CAUSE", "POINTS", "LESSONS", "(runs)", "right", "well") if word in text] == []
    assert json.loads(scores_json(ALL))["people"][0]["person"] == "Ada"
