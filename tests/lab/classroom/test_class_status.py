"""Tests of lab/classroom/class_status.py."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.languages.choose_language import VARIABLE
from lab.classroom.class_record import ClassRecord, Person
from lab.classroom.class_status import person_state, started_text, status_text
from lab.stack.lab_records import LabRecord

UP = {"person": "Ada", "lab": "shop-3f2a", "up": True, "running": True, "answer": 502, "hints": 0, "ready": True,
      "wrote_too_much": False}


@pytest.mark.parametrize(("changed", "said"), [
    ({}, "page answers 502, no hint"), ({"answer": 0, "hints": 1}, "page refuses connections, 1 hint"),
    ({"answer": -1, "hints": 2}, "does not answer in 3 s, 2 hints"), ({"running": False}, "is switched off"),
    ({"wrote_too_much": True}, "wrote more than a class allows"), ({"ready": False}, "is starting"),
    ({"up": False}, "was removed"),
])
def test_one_line_a_person(changed: dict[str, Any], said: str) -> None:
    state = {"class": "class-1", "until": 0.0, "seconds_left": 61, "kept": True, "people": [{**UP, **changed}]}
    head, line = status_text(state).splitlines()
    assert head.endswith("in 1 min 01 s") and line.startswith("  Ada  shop-3f2a  ") and said in line


def test_a_class_whose_keeper_has_ended_says_so() -> None:
    state = {"class": "class-1", "until": 0.0, "seconds_left": 0, "kept": False, "people": []}
    assert "lab class down class-1" in status_text(state)


def test_a_lab_without_a_record_was_removed(record: LabRecord) -> None:
    assert person_state(Person("Ada", "none-1", "t", 1, 2, 3)) == {"person": "Ada", "lab": "none-1", "up": False}


@pytest.mark.parametrize(("bind", "said"), [
    ("127.0.0.1", "Exposed to this machine only"), ("192.0.2.10", "Exposed to everybody who reaches 192.0.2.10")])
def test_what_is_exposed_is_said(bind: str, said: str, record: LabRecord) -> None:
    text = started_text(ClassRecord("class-1", "any", bind, 0.0, 60.0, (Person("Ada", "shop-3f2a", "tok", 1, 21, 22),)))
    assert said in text and f"ssh -p 21 root@{bind}   tok" in text and "page on port 22" in text


def test_columns_of_chinese_names_and_long_labs_are_straight() -> None:
    people = [{**UP, "person": "王小明"}, {**UP, "person": "Ben", "lab": "saffron-92e3"}]
    _, first, second = status_text({"class": "c", "until": 0.0, "seconds_left": 9, "kept": True, "people": people}).splitlines()
    assert first == "  王小明  shop-3f2a     page answers 502, no hint"
    assert second == "  Ben     saffron-92e3  page answers 502, no hint"


def test_the_trainer_reads_the_own_language(monkeypatch: pytest.MonkeyPatch, record: LabRecord) -> None:
    monkeypatch.setenv(VARIABLE, "zh-TW")
    changes = ({}, {"answer": 0, "hints": 1}, {"answer": -1, "hints": 2}, {"running": False}, {"wrote_too_much": True},
               {"ready": False}, {"up": False})
    people = [{**UP, **changed} for changed in changes]
    text = status_text({"class": "c", "until": 0.0, "seconds_left": 9, "kept": False, "people": people})
    for bind in ("127.0.0.1", "192.0.2.10"):
        text += started_text(ClassRecord("c", "any", bind, 0.0, 60.0, (Person("Ada", "shop-3f2a", "tok", 1, 21, 22),),
                                         page_port=9))
    english = ("ends", "keeper", "removed", "stopped", "starting", "switched", "answers", "page", "Exposed", "whoever",
               "Entrances", "you ", "print", "who is", "one of", "finish")
    assert [word for word in english if word in text] == []
