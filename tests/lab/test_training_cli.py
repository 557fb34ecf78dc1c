"""Tests of lab/training_cli.py: words that cannot be carried out, and examples that parse."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

from lab.classroom.class_record import ClassRecord, save_class
from lab.command_table import EXAMPLES
from lab.scenario.scenario_file import Stack
from lab.training_cli import StackName
from tests.lab.cli_builders import lab


@pytest.mark.parametrize(("words", "said"), [
    (("class", "up", "wrong-port"), "Missing option '--names'"),
    (("class", "up", "wrong-port", "--names", "nobody.txt"), "'nobody.txt' does not exist"),
    (("class", "down", "x", "--all"), "name a class, or --all"),
    (("class", "stop"), "did you mean: lab class down"),
    (("class", "fly"), "No such command 'fly'"),
])
def test_wrong_words_end_with_2(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ended = lab(*words, BADGATEWAY_LAB_STATE=str(tmp_path))
    assert ended.returncode == 2 and said in ended.stderr
    assert ended.stderr.startswith("lab: ") and len(ended.stderr.splitlines()) <= 2


def test_class_without_a_word_shows_its_commands() -> None:
    shown = lab("class")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, lab("class", "--help").stdout, "")


def test_a_wrong_roster_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "roster.txt").write_text("Ada\nAda\n")
    for words, said in ((("--names", "roster.txt"), "roster.txt:2: 'Ada' occurs twice"),):
        ended = lab("class", "up", "wrong-port", words[0], str(tmp_path / words[1]), BADGATEWAY_LAB_STATE=str(tmp_path / "state"))
        assert ended.returncode == 2 and said in ended.stderr and not (tmp_path / "state").exists()


def test_the_page_of_a_class_is_up_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    save_class(ClassRecord("class-1", "any", "127.0.0.1", 0.0, 4e9, page_port=8050, owner_token="tok"))
    assert lab("serve", "class-1").stdout == "http://127.0.0.1:8050/#tok\n"


@pytest.mark.parametrize("command", ["class", "class up", "class status", "class down", "play", "scores", "replay", "serve"])
def test_each_help_has_its_examples(command: str) -> None:
    shown = lab(*command.split(), "--help")
    assert shown.returncode == 0 and EXAMPLES[command].splitlines()[-1].strip() in shown.stdout


def test_a_course_knows_every_stack() -> None:
    """Whatever stack `lab up` starts, a lesson may be on it."""
    stacks = typing.get_args(Stack)
    assert tuple(StackName) == stacks
    shown = " ".join(lab("play", "--help").stdout.split())
    assert all(name in shown for name in stacks)
