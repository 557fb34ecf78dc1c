"""The parser's extras: proposals for words that are no command, `-h`, and examples in each help."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer

from fixer import cli, command_words
from fixer.start import main
from lab import cli as lab_cli
from lab import command_table
from tests.command_tree import all_commands


@pytest.mark.parametrize(("words", "intended"), [
    (["fix"], "repair"), (["fix", "docker://web"], "repair docker://web"), (["status"], "diagnose"),
    (["check"], "diagnose"), (["plan"], "repair"), (["rollback"], "undo"), (["roll_back"], "undo"), (["list"], "causes"),
    (["help"], "--help"), (["help", "repair"], "repair --help"), (["help", "me"], "--help"), (["version"], "--version"),
    (["completion", "bash"], "--show-completion"),
    (["health"], "verify"), (["logs"], "history"), (["diagnos"], "diagnose"), (["repiar"], "repair"),
    (["Repair"], "repair"), (["rep"], "repair"), (["diag"], "diagnose"), (["docker://web"], "diagnose docker://web"), (["local"], "diagnose local"),
    (["http://shop.example/"], "diagnose --url http://shop.example/"), (["wrong-port"], "explain wrong-port"),
    (["hosts"], "fleet"), (["fleet", "web.jsonl"], "fleet report web.jsonl"), (["fleet", "list"], "fleet report"),
    (["fix", "--set", "KEY=hunter2"], "repair"), (["https://a:hunter2@shop.example/"], "diagnose --url URL"),
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


@pytest.mark.parametrize("words", [[], ["diagnose"], ["repair"], ["undo"], ["explain"], ["ignore"], ["fleet"],
                                   ["fleet", "report"]])
def test_h_is_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    long = capsys.readouterr().out
    assert main([*words, "-h"]) == 0
    assert capsys.readouterr().out == long and "-h, --help" in long


PROGRAMS = {"fixer": (cli.app, command_words.EXAMPLES), "lab": (lab_cli.app, command_table.EXAMPLES)}


def tree(program: str) -> Any:
    return typer.main.get_command(PROGRAMS[program][0])


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_help_has_examples_that_keep_their_lines(program: str) -> None:
    root, examples = tree(program), PROGRAMS[program][1]
    assert set(examples) == {"", *all_commands(root)}
    for name, epilog in examples.items():
        command = all_commands(root)[name] if name else root
        context = type(command).context_class(command, info_name=f"{program} {name}".strip(), terminal_width=60)
        lines = [line.strip() for line in command.get_help(context).splitlines()]
        for line in epilog.splitlines()[1:]:
            assert line.strip() in lines, (name, line)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_example_is_a_command_line_that_parses(program: str) -> None:
    root, examples = tree(program), PROGRAMS[program][1]
    count = 0
    for name, epilog in examples.items():
        for line in epilog.splitlines()[2:]:
            words = shlex.split(line.split("   ")[0].split(" > ")[0])
            assert words[0] in ("fixer", program)
            options = words[1:3] if words[1] == "--scenarios" else []
            words[1:2 + len(options)] = [words[1 + len(options)]]
            known = all_commands(tree(words[0]))
            name_words = 2 if " ".join(words[1:3]) in known else 1
            command = known[" ".join(words[1:1 + name_words])]
            command.make_context(command.name, words[1 + name_words:], resilient_parsing=False)
            of_group = name in ("", "collect") or hasattr(all_commands(root)[name], "commands")
            assert of_group or command.name == name.rpartition(" ")[2]
            count += 1
    assert count >= 2 * len(root.commands)


def test_the_words_of_habit_lead_to_commands() -> None:
    groups: list[tuple[Any, Any]] = [
        (tree("fixer"), command_words.FixerGroup), (tree("fixer").commands["fleet"], command_words.FleetGroup),
        (tree("lab"), command_table.LabGroup)]
    for commands, group in groups:
        known = {*commands.commands, "--version", "--show-completion"}
        assert set(group.synonyms.values()) <= known
        assert set(group.synonyms).isdisjoint(known)
