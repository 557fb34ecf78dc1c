"""Every command of fixer and lab that a page shows exists, with each option that stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import fixer.cli
import lab.cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("skills/**/*.md"), *ROOT.glob("examples/**/*.md")])
PROGRAMS = {"fixer": typer.main.get_command(fixer.cli.app), "lab": typer.main.get_command(lab.cli.app)}
IN_TEXT = re.compile(r"`([^`\n]+)`")
IN_BLOCK = re.compile(r"(?ms)^ *```[a-z]*[^\n]*\n(.*?)^ *```$")
# Shown because it is wrong, or no command: contracts of the import linter, the start of a message.
NO_COMMANDS = {"fixer : fix", "lab : start", "fixer : layers", "lab : layers", "fixer : cannot"}
INDENTED = re.compile(r"(?m)^ {4}(\S.*)$")
COMMAND = re.compile(r"^(?:\$ )?(?:sudo )?(?:[\w./]*/)?(fixer(?:\.pyz)?|lab)(?= |$)(.*)$")
# Words that stand for what a reader puts there, and what ends a command.
REST = re.compile(r"(?<!\S)(?:#|\||>|&&|;|…|\.\.\.|\\$).*|[;,]$")


def shown(text: str) -> list[tuple[str, list[str]]]:
    """The program and the words of every command of a page."""
    text = re.sub(r"(?ms)^ *```python\n.*?^ *```$", "", text)
    lines = [line for block in IN_BLOCK.findall(text) for line in block.splitlines()]
    prose = IN_BLOCK.sub("", text)
    found = []
    for line in [*lines, *INDENTED.findall(prose), *IN_TEXT.findall(prose)]:
        match = COMMAND.match(line.strip())
        if match:
            words = REST.sub("", match[2]).replace("…", " ")
            try:
                found.append((match[1].removesuffix(".pyz"), shlex.split(words)))
            except ValueError:      # a quotation that goes on in the next line
                found.append((match[1].removesuffix(".pyz"), shlex.split(words.replace("'", "").replace('"', ""))))
    return found


def mistake(program: str, words: list[str]) -> str:
    """What the parser does not know of it; empty if it knows all."""
    command: Any = PROGRAMS[program]
    given = iter(words)
    seen: list[str] = []
    for word in given:
        if word.startswith("-") and word != "-":
            options = {name for part in command.params for name in (*part.opts, *part.secondary_opts)} | {"-h", "--help", "--lang"}
            takes = any(word in part.opts and not getattr(part, "is_flag", True) for part in command.params)
            if word.partition("=")[0] not in options:
                return f"{program} {' '.join(seen)}: {word}"
            if takes and not seen:
                next(given, "")
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return f"{program} {' '.join(seen)}: {word}"
            command = command.commands[word]
            seen.append(word)
    return ""


@pytest.mark.parametrize(("line", "wrong"), [
    ("lab up wrong-port --stack host", ""), ("sudo fixer undo --id 3", ""), ("lab --scenarios DIR new x", ""), ("fixer fleet report -", ""),
    ("./fixer.pyz diagnose # why", ""), ("lab upp x", "lab : upp"), ("fixer diagnose --quick", "fixer diagnose: --quick"),
    ("lab class start", "lab class: start"),
])
def test_a_mistake_is_seen(line: str, wrong: str) -> None:
    ((program, words),) = shown(f"```sh\n{line}\n```")
    assert mistake(program, words) == wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_exists(page: Path) -> None:
    said = {mistake(program, words) for program, words in shown(page.read_text("utf-8"))}
    assert sorted(said - NO_COMMANDS - {""}) == []


def test_what_is_looked_at() -> None:
    listed = [one for page in PAGES for one in shown(page.read_text("utf-8"))]
    assert len(listed) > 200
    assert sorted(NO_COMMANDS - {mistake(program, words) for program, words in listed}) == []
