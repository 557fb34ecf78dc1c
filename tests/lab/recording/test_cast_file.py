"""Tests of lab/recording/cast_file.py."""

from __future__ import annotations

import json

import pytest

from lab.errors import LabError
from lab.recording.cast_file import Event, QuietText, event_line, header_line, pauses, read_cast


def test_a_file_is_asciinema_v2() -> None:
    head = json.loads(header_line(100, 30, 1700000000, "shop-3f2a edge"))
    assert head == {"version": 2, "width": 100, "height": 30, "timestamp": 1700000000, "title": "shop-3f2a edge"}
    assert json.loads(event_line(Event(1.23456, "o", "ä\r\n"))) == [1.2346, "o", "ä\r\n"]


def test_what_a_killed_recorder_left_is_read() -> None:
    text = header_line(80, 24, 0, "t") + event_line(Event(0.5, "o", "a")) + event_line(Event(1, "r", "90x20")) + '[2.0, "o", "cut'
    assert read_cast(text, "x.cast") == (Event(0.5, "o", "a"), Event(1.0, "r", "90x20"))


@pytest.mark.parametrize(("text", "said"), [("", "no recording"), ("hello", "no recording"), ("[1]", "no recording"),
                                            ('{"version": 1}', "version 1")])
def test_another_file_is_refused(text: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        read_cast(text, "x.cast")


def test_pauses_have_a_limit() -> None:
    events = [Event(1.0, "o", "a"), Event(9.0, "o", "b"), Event(8.0, "o", "c")]
    assert [pause for pause, _ in pauses(events, 2.0)] == [1.0, 2.0, 0.0]


@pytest.mark.parametrize(("pieces", "shown"), [
    (["plain \x1b[31mred\x1b[0m"], "plain \x1b[31mred\x1b[0m"),
    (["a\x1b]0;title\x07b"], "ab"), (["a\x1b]52;c;aGk=\x1b\\b"], "ab"), (["a\x1b", "]0;ti", "tle\x1b", "\\b"], "ab"),
    (["a\x1bP1$r\x1b\\b\x1b_x\x1b\\c\x1b^y\x07d"], "abcd"), (["a\x1b\x1b[1mb"], "a\x1b[1mb"), (["x\x1b]0;never ends"], "x"),
])
def test_texts_for_the_terminal_itself_are_left_out(pieces: list[str], shown: str) -> None:
    quiet = QuietText()
    assert "".join(map(quiet.feed, pieces)) == shown
