"""`--lang` anywhere on the line; without it what LANG says, on a terminal only."""

from __future__ import annotations

import io
import os

import pytest

from fixer.errors import UsageError
from fixer.languages.choose_language import VARIABLE, language_of, take_language


class Stream(io.TextIOWrapper):
    """A stream that says whether it is a terminal."""

    def __init__(self, terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture(autouse=True)
def no_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")        # is put back after the test, whatever the test sets
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("words", [
    ["--lang", "zh-TW", "diagnose", "-v"], ["diagnose", "--lang=zh-TW", "-v"], ["diagnose", "-v", "--lang", "zh_tw"]])
def test_the_option_may_stand_anywhere(words: list[str]) -> None:
    assert take_language(words) == ["diagnose", "-v"]
    assert os.environ[VARIABLE] == "zh-TW" and language_of(Stream(terminal=False)) == "zh-TW"


def test_nothing_is_taken_after_two_dashes() -> None:
    assert take_language(["explain", "--", "--lang", "zh-TW"]) == ["explain", "--", "--lang", "zh-TW"]
    assert os.environ[VARIABLE] == ""


@pytest.mark.parametrize("words", [["--lang", "fr"], ["--lang"], ["--lang="]])
def test_an_unknown_language_is_refused_with_those_that_there_are(words: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        take_language(words)
    assert refused.value.hint == "there are: en, zh-TW"


@pytest.mark.parametrize(("variables", "language"), [
    ({"LANG": "zh_TW.UTF-8"}, "zh-TW"), ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_TW"}, "zh-TW"),
    ({"LANG": "zh_TW.UTF-8", "LC_ALL": "C.UTF-8"}, ""), ({"LC_MESSAGES": "zh_Hant_TW.UTF-8@x"}, "zh-TW"),
    ({"LANG": "zh_CN.UTF-8"}, ""), ({}, ""), ({"LANG": "zh_TW.UTF-8", VARIABLE: "en"}, "")])
def test_a_terminal_speaks_the_language_of_its_variables(
    variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language_of(Stream(terminal=True)) == language


def test_a_pipe_and_a_terminal_that_is_not_utf8_stay_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_TW.UTF-8")
    assert language_of(Stream(terminal=False)) == "" == language_of(Stream(terminal=True, encoding="big5"))
