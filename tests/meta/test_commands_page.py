"""docs/commands.md names every command and flag that there is, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

import fixer.cli
import lab.cli
from tests.command_tree import leaf_commands

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def rows(program: str) -> list[tuple[list[str], set[str]]]:
    """The commands of each row of the program's table (some stand together), and its flags."""
    start = PAGE.index(f"| `{program}` | does | flags |")
    lines = PAGE[start:PAGE.index("\n\n", start)].splitlines()[2:]
    return [(re.findall(r"`([a-z]+(?: [a-z]+)*)", line.split(" | ")[0]), set(FLAG.findall(line.split(" | ")[2]))) for line in lines]


@pytest.mark.parametrize(("program", "app"), [("fixer", fixer.cli.app), ("lab", lab.cli.app)])
def test_the_page_is_what_the_commands_take(program: str, app: typer.Typer) -> None:
    commands = leaf_commands(typer.main.get_command(app))
    assert sorted(name for names, _ in rows(program) for name in names) == sorted(commands)
    for names, told in rows(program):
        options = [flag for name in names for one in commands[name].params for flag in (*one.opts, *one.secondary_opts)]
        assert told == {flag for flag in options if flag.startswith("-")} - {"--help", "-h"}, names


def test_the_variables_are_read() -> None:
    code = "".join(path.read_text(encoding="utf-8") for top in ("fixer", "lab") for path in (ROOT / top).rglob("*.py"))
    told = re.findall(r"^\| `(BADGATEWAY_\w+)`", PAGE, re.MULTILINE)
    assert told and [name for name in told if f'"{name}"' not in code] == []
