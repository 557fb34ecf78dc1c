"""The parser's extras: proposals for words that are no command, `-h`, and examples in each help."""

from __future__ import annotations

import pytest

from fixer.start import main


@pytest.mark.parametrize(("words", "intended"), [
    (["fix"], "repair"), (["fix", "docker://web"], "repair docker://web"), (["status"], "diagnose"),
    (["check"], "diagnose"), (["rollback"], "undo"), (["roll_back"], "undo"), (["list"], "causes"),
    (["help"], "--help"), (["help", "repair"], "repair --help"), (["help", "me"], "--help"), (["version"], "--version"),
    (["health"], "verify"), (["logs"], "history"), (["diagnos"], "diagnose"), (["repiar"], "repair"),
    (["Repair"], "repair"), (["docker://web"], "diagnose docker://web"), (["local"], "diagnose local"),
    (["http://shop.example/"], "diagnose --url http://shop.example/"), (["wrong-port"], "explain wrong-port"),
    (["fix", "--set", "KEY=hunter2"], "repair"), (["https://a:hunter2@shop.example/"], "diagnose --url"),
])
def test_a_word_that_is_no_command_gets_a_proposal(
    words: list[str], intended: str, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    shown = words[0].replace("hunter2", "***")
    assert out == "" and err.splitlines()[-1] == f"  did you mean: fixer {intended}"
    assert "hunter2" not in err.splitlines()[-1] and shown


def test_a_word_like_no_command_gets_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy"]) == 2
    assert capsys.readouterr().err == "fixer: No such command 'xyzzy'.\n  see: fixer --help\n"


@pytest.mark.parametrize("words", [[], ["diagnose"], ["repair"], ["undo"], ["explain"], ["ignore"]])
def test_h_is_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    long = capsys.readouterr().out
    assert main([*words, "-h"]) == 0
    assert capsys.readouterr().out == long and "-h, --help" in long
