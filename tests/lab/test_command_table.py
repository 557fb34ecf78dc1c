"""Proposals for words that are no command of the lab, and `-h`."""

from __future__ import annotations

import pytest

from tests.lab.cli_builders import lab


@pytest.mark.parametrize(("words", "intended"), [
    (("start", "wrong-port"), "up wrong-port"), (("stop",), "down"), (("fix",), "solve"), (("exec", "web"), "shell web"),
    (("help",), "--help"), (("help", "up"), "up --help"), (("version",), "--version"), (("wrong-port",), "up wrong-port"),
    (("matrx",), "matrix"), (("verify",), "check"),
])
def test_a_word_that_is_no_command_gets_a_proposal(words: tuple[str, ...], intended: str) -> None:
    ended = lab(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"lab: there is no command {words[0]!r}\n  did you mean: lab {intended}\n"


@pytest.mark.parametrize("words", [(), ("up",), ("matrix",)])
def test_h_is_help(words: tuple[str, ...]) -> None:
    assert lab(*words, "-h").stdout == lab(*words, "--help").stdout != ""
