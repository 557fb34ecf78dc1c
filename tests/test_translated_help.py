"""Help in Traditional Chinese: every command of both programs, in columns that fit; an English run loads no catalogue."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer

import fixer.cli
import lab.cli
from fixer.languages.choose_language import VARIABLE
from fixer.render.terminal_text import count_columns
from fixer.translated_help import translated_help

PROGRAMS = {"fixer": fixer.cli.app, "lab": lab.cli.app}
COMMANDS = [(program, name) for program, app in PROGRAMS.items() for name in typer.main.get_command(app).commands]  # type: ignore[attr-defined]


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in (VARIABLE, "LC_ALL", "LANG")}
    return subprocess.run([sys.executable, "-m", *words], env={**clean, **variables}, capture_output=True, text=True,
                          check=False, encoding="utf-8")


@pytest.mark.parametrize(("program", "name"), COMMANDS)
def test_every_help_is_translated_and_fits(program: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "zh-TW")
    monkeypatch.setenv("COLUMNS", "80")
    root = typer.main.get_command(PROGRAMS[program])
    parent = typer.Context(root, info_name=program)
    command = root.get_command(parent, name)  # type: ignore[attr-defined]
    text = command.get_help(typer.Context(command, info_name=name, parent=parent))
    assert text.startswith("用法") and "選項" in text
    examples = text.index("範例")
    assert [line for line in text[:examples].splitlines() if count_columns(line) > 80] == []
    for option in command.params:
        assert option.opts[0] in text or option.make_metavar(typer.Context(command)) in text


@pytest.mark.parametrize(("words", "said"), [
    (("fixer", "fleet", "report"), "依原因彙整多台主機的報告"), (("lab", "class", "up"), "名單上的每個人"), (("lab", "class"), "為名單上的每個人啟動"),
])
def test_a_command_below_a_command_has_its_own_texts(words: tuple[str, ...], said: str) -> None:
    assert said in run(*words, "--help", "--lang", "zh-TW").stdout


def test_english_help_is_the_parsers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "en")
    context = typer.Context(typer.main.get_command(fixer.cli.app), info_name="fixer")
    assert translated_help("fixer.languages", context) == ""
    assert "Usage: fixer" in context.get_help()


def test_the_option_works_before_and_after_the_command() -> None:
    for words in (("fixer", "--lang", "zh-TW", "verify", "--help"), ("fixer", "verify", "--help", "--lang=zh-TW"),
                  ("lab", "--lang", "zh-TW", "check", "--help")):
        assert run(*words).stdout.startswith("用法"), words


def test_a_pipe_stays_english_whatever_lang_says() -> None:
    assert run("fixer", "--help", LANG="zh_TW.UTF-8").stdout.startswith("Usage:")


def test_an_unknown_language_is_wrong_usage() -> None:
    for program in ("fixer", "lab"):
        done = run(program, "--lang", "fr")
        assert (done.returncode, "there are: en, zh-TW" in done.stderr) == (2, True)


def test_an_english_look_loads_no_catalogue() -> None:
    code = ("import sys; sys.argv = ['fixer', 'diagnose', 'bundle:nowhere'];"
            "from fixer import start; start.main(['diagnose', 'bundle:nowhere']);"
            "from fixer.render import to_console; from tests.render.report_samples import BROKEN;"
            "to_console.render(BROKEN);"
            "print(*(n for n in sys.modules if n in ('tomllib', 'fixer.languages.catalogue')))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
