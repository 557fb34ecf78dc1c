"""A page that sends visitors on is well, and what it leads to was not asked: that is said, with the way to ask."""

from __future__ import annotations

import json

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.query import Answer
from fixer.observe.nginx.endpoints import probe_result
from tests.causes.snapshot_builders import healthy_scene, probe


def _notes(location: str, status: int = 303) -> tuple[str, ...]:
    return diagnose(healthy_scene().answers(probe(status, location=location)).snapshot()).notes


def test_the_page_that_visitors_are_sent_on_to_was_not_asked() -> None:
    [note] = _notes("/login?next=%2F")
    assert note == "not asked: http://127.0.0.1/login, where visitors are sent on to (--url asks for one)"


def test_where_a_person_asked_for_a_page_of_theirs_nothing_is_left_to_ask() -> None:
    asked = healthy_scene().answers(probe(200), probe(303, location="/login"))
    assert diagnose(asked.snapshot()).notes == ()


@pytest.mark.parametrize("location", [
    "", "/", "/?a=b", "https://127.0.0.1/login", "http://other.example/login", "//other.example/", "login", "/a b",
    "/$(id)", "/`id`", "/;reboot", "/\x1b[31m", "/a\nb", "/" + "a" * 90,
])
def test_what_leads_elsewhere_or_would_need_quoting_is_not_repeated(location: str) -> None:
    assert _notes(location) == ()


def test_only_an_answer_that_sends_on_has_a_place_it_leads_to() -> None:
    for status, expected in ((303, "/login"), (201, "")):
        head = f"HTTP/1.1 {status} X\r\nServer: nginx\r\nLocation: /login"
        told = probe_result(Answer("ok", json.dumps({"status": status, "head": head, "phase": "done"}).encode()))
        assert isinstance(told, Known) and told.value.location == expected
